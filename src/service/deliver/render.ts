/**
 * render - renders a message for its recipient: composed, with tracking headers and links, signed
 *
 * Every attempt of a queued message has the same Return-Path, Message-ID and feedback id. No name of the API (messageId, emailId) is in it. The date is the time of acceptance, so attempts differ only in the
 * time of their signatures. Blind copies are never visible, because a composition does not contain them.
 *
 * See also: compose/composition, compose/rewrite-mime, service/track/copy-tracker, mail-auth/composer, service/deliver/signing-keys, service/deliver/sender.
 */
import { hash } from 'node:crypto'
import type { Composition } from '../../compose/composition.ts'
import { hashCanonicalBody, hashMail, type HashedMail } from '../../compose/dkim-canonical.ts'
import { breakLongWords, splitHeaderFields } from '../../compose/header-line.ts'
import { buildTrackingHeaders } from '../../compose/tracking-headers.ts'
import { hasListUnsubscribe, removeUnpairedUnsubscribePost } from '../../compose/header-set.ts'
import { withoutAddress } from '../../compose/originator.ts'
import { rewriteMail } from '../../compose/rewrite-mime.ts'
import { createSubstitutionTemplate, toHeaderText, type SubstitutionTemplate, type SubstituteText } from '../../compose/substitute.ts'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { composeContent, composeMessage, type MessageContent } from '../../mail-auth/composer.ts'
import { createHeaderComposer, type ComposeHeader } from '../../mail-auth/header-composer.ts'
import type { MessageFields } from '../../mail-auth/mime-tree.ts'
import { signatureFields, signMail } from '../../mail-auth/dkim-sign.ts'
import { Fault } from '../../errors.ts'
import type { QueuedMessage } from '../../store/queue/queued-mail.ts'
import { isSignedBySender } from '../../tracking/mail-edits.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { messageIdHeaderOf, signMailTokens } from '../submit/mail-tokens.ts'
import type { Context } from '../context.ts'
import { createCopyTrackers, type CopyTracker } from '../track/copy-tracker.ts'
import { trackingBaseOf } from '../track/tracking-base.ts'
import type { RenderedMessage } from './message-builder.ts'
import type { FindSigningKeys } from './signing-keys.ts'

export type MessageRenderer = (mail: RenderInput, body: Composition) => Promise<RenderedMessage>

/** The members of a queued message that the result depends on. */
type RenderInput = Pick<QueuedMessage, 'account' | 'deliveryId' | 'keyIndex' | 'bodyId' | 'recipient' | 'variables' | 'acceptedAt'>

/**
 * Creates a renderer. What the copies of a composition share is kept as long as the composition is. Faults: internal (there is no key for the tokens, or the message
 * exceeds the size bounds, which submit should have refused).
 */
export function createRenderer(context: Context, signers: FindSigningKeys): MessageRenderer {
  const sharedContents = new WeakMap<Composition, SharedContent>()
  const trackers = createCopyTrackers(context)
  const sharedOf = (body: Composition, names: readonly string[]): SharedContent => {
    const sharedContent = sharedContents.get(body) ?? {
      substitution: createSubstitutionTemplate({ names, sections: body.sections }),
      composeHeader: createHeaderComposer(),
      content: null,
    }
    sharedContents.set(body, sharedContent)
    return sharedContent
  }
  return async (mail, body) => {
    const snapshot = await context.accountCache.snapshot()
    const claims = { deliveryId: mail.deliveryId, keyIndex: signingIndexOf(snapshot, mail) }
    const names = signMailTokens(snapshot, context.domains, claims)
    const messageId = messageIdHeaderOf(snapshot, claims, { own: body.messageId ?? oldMessageIdOf(mail, body), from: body.from })
    const base = trackingBaseOf(context, snapshot, mail.account)
    const publicUrl = base ?? context.publicUrl
    const trackingHeaders = buildTrackingHeaders({ ...names, messageId, publicUrl }, { ...body, broadcast: null })
    const tracker = trackers(body, { snapshot, account: mail.account, claims, base })
    const shared = sharedOf(body, Object.keys(mail.variables))
    const substitute = shared.substitution.bind(mail.variables)
    const keys = await signers(mail.account, normaliseAddress(body.from)?.domain ?? '')
    const raw =
      body.raw === null
        ? await composeSignedMessage({ shared, tracker }, messageOf(mail, body, { trackingHeaders, substitute }), (hashed) =>
            signatureFields(hashed, keys, context.now()),
          )
        : await signMail(trackRaw(tracker, rewriteRaw(mail, body, { trackingHeaders, substitute })), keys, context.now())
    return { from: names.returnPath, to: mail.recipient, raw }
  }
}

/** The key under which the message was queued, so that its tokens stay the same; the current one if that was retired. */
function signingIndexOf(snapshot: AccountSnapshot, { account, keyIndex }: RenderInput): number {
  return keyIndex !== null && snapshot.keyFor(account, keyIndex) !== null ? keyIndex : snapshot.signingIndex
}

/** The Message-ID of a message that was queued before Message-IDs were signed; null for any other. */
function oldMessageIdOf({ deliveryId, keyIndex }: RenderInput, { from }: Composition): string | null {
  return keyIndex === null ? `${deliveryId}@${normaliseAddress(from)?.domain ?? ''}` : null
}

/** What the copies of one composition share. `content` is shared only if it contains no variable. */
type SharedContent = {
  readonly substitution: SubstitutionTemplate
  readonly composeHeader: ComposeHeader
  content: Promise<MessageContent & { readonly bodyHash: string }> | null
}

async function composeSignedMessage(
  { shared, tracker }: { readonly shared: SharedContent; readonly tracker: CopyTracker | null },
  { message, isShareable }: ComposedMessage,
  sign: (hashed: HashedMail) => Promise<string>,
): Promise<Buffer> {
  if (!isShareable(shared.substitution)) {
    const composed = await composeMessage(message)
    const raw = tracker?.trackMail(composed) ?? composed
    return Buffer.concat([Buffer.from(await sign(hashMail(raw)), 'latin1'), raw])
  }
  shared.content ??= composeContent(message).then((content) => ({ ...content, bodyHash: hashCanonicalBody(content.body) }))
  const content = await shared.content
  const tracked = tracker?.trackContent(content) ?? null
  const { contentFields, body, bodyHash } = tracked === null ? content : { ...tracked, bodyHash: hashCanonicalBody(tracked.body) }
  const head = `${await shared.composeHeader(message)}${contentFields}`
  return Buffer.concat([Buffer.from(`${await sign({ head, bodyHash })}${head}\r\n`, 'latin1'), body])
}

type ComposedMessage = { readonly message: MessageFields; readonly isShareable: (template: SubstitutionTemplate) => boolean }
type PersonalHeaders = { readonly trackingHeaders: Readonly<Record<string, string>>; readonly substitute: SubstituteText }

/** A List-Unsubscribe of the sender takes precedence over ours; with `subscription: false` there is none. */
function trackingHeadersFor(
  { tracking }: Composition,
  trackingHeaders: PersonalHeaders['trackingHeaders'],
  hasOwnUnsubscribe: boolean,
): Readonly<Record<string, string>> {
  const keepsUnsubscribe = tracking.subscription !== false && !hasOwnUnsubscribe
  return Object.fromEntries(Object.entries(trackingHeaders).filter(([name]) => keepsUnsubscribe || !name.startsWith('List-Unsubscribe')))
}

function messageOf(mail: RenderInput, body: Composition, { trackingHeaders, substitute }: PersonalHeaders): ComposedMessage {
  const { 'Message-ID': messageId = '', ...ourHeaders } = trackingHeaders
  const text = (value: string): string => requireWithinBounds(substitute(value))
  const line = (value: string): string => breakLongWords(toHeaderText(text(value)))
  const senderHeaders = Object.entries(removeUnpairedUnsubscribePost(body.headers)).map(([name, value]) => [name, line(value)] as const)
  const message: MessageFields = {
    from: { name: substituteName(body.fromName ?? '', line), address: body.from },
    to: body.to ?? [mail.recipient],
    cc: body.cc,
    replyTo: body.replyTo,
    subject: line(body.subject),
    html: body.html === null ? null : text(body.html),
    plain: body.plain === null ? null : text(body.plain),
    attachments: body.attachments,
    headers: { ...trackingHeadersFor(body, ourHeaders, hasListUnsubscribe(body.headers)), ...Object.fromEntries(senderHeaders) },
    messageId,
    date: mail.acceptedAt,
    // A hash, because the bodyId is a name of the API.
    boundarySeed: hash('sha256', mail.bodyId).slice(0, 24),
  }
  return { message, isShareable: ({ containsName }) => ![body.html, body.plain].some((each) => each !== null && containsName(each)) }
}

/** A name whose variables made an address of it is left out: nobody has checked that address. */
function substituteName(name: string, line: (text: string) => string): string {
  const substituted = line(name)
  return substituted === name ? name : withoutAddress(substituted)
}

/** `isSigned`: the sender signed the mail before the change. */
type RewrittenMail = { readonly mail: Buffer; readonly isSigned: boolean }

function rewriteRaw(mail: RenderInput, body: Composition, { trackingHeaders, substitute }: PersonalHeaders): RewrittenMail {
  const raw = Buffer.from(body.raw ?? '', 'base64')
  const hasVariables = Object.keys(mail.variables).length > 0 || Object.keys(body.sections).length > 0
  const { 'List-Unsubscribe': unsubscribe, 'List-Unsubscribe-Post': post, ...ourHeaders } = trackingHeadersFor(body, trackingHeaders, false)
  const unsubscribeHeaders =
    unsubscribe === undefined || post === undefined ? {} : { 'List-Unsubscribe': unsubscribe, 'List-Unsubscribe-Post': post }
  const hasOwnUnsubscribe = hasListUnsubscribe(body.headers)
  const defaults = { From: body.from, Date: new Date(mail.acceptedAt).toUTCString().replace('GMT', '+0000'), 'MIME-Version': '1.0' }
  const isSingleRecipient = body.to === null
  const fields = { ...ourHeaders, ...(hasOwnUnsubscribe ? {} : unsubscribeHeaders), ...(isSingleRecipient ? { To: mail.recipient } : {}) }
  const dropped = [...(isSingleRecipient ? ['cc'] : []), ...(hasOwnUnsubscribe ? [] : ['list-unsubscribe-post'])]
  const rewritten = rewriteMail(raw, {
    fields,
    droppedFields: dropped,
    defaultFields: defaults,
    substitute: hasVariables ? substitute : null,
  })
  return { mail: requireWithinBounds(rewritten), isSigned: isSignedBySender(splitHeaderFields(headOf(raw))) }
}

/** The header of a mail with CRLF line ends. */
function headOf(raw: Buffer): string {
  const end = raw.indexOf('\r\n\r\n')
  return raw.toString('latin1', 0, end < 0 ? raw.length : end)
}

/** A mail that its sender signed is never tracked. */
function trackRaw(tracker: CopyTracker | null, { mail, isSigned }: RewrittenMail): Buffer {
  return tracker === null || isSigned ? mail : tracker.trackMail(mail)
}

function requireWithinBounds<T>(bytes: T | null): T {
  if (bytes === null) throw new Fault('internal', 'the message is too large after its variables were substituted')
  return bytes
}
