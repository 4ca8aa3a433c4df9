/**
 * render - one mail as it leaves us: composed for its recipient, marked, signed
 *
 * The same queued mail gives the same names at each try: Return-Path, Message-ID, feedback id. Its date is when it was accepted, so that a retry
 * differs in its signature's time alone. Nobody is shown a blind copy: a composition knows none.
 *
 * See also: compose/composition, compose/rewrite-mime, mail-auth/composer, service/deliver/signing-keys, service/deliver/deliverer (who sends it).
 */
import type { Composition } from '../../compose/composition.ts'
import { hashBody, hashMail, type Hashed } from '../../compose/dkim-canonical.ts'
import { breakWords } from '../../compose/header-line.ts'
import { marksOf } from '../../compose/tracking-headers.ts'
import { hasUnsubscribe, ownHeaders } from '../../compose/header-set.ts'
import { rewriteMail } from '../../compose/rewrite-mime.ts'
import { createFilling, oneLine, type Filling, type Put } from '../../compose/substitute.ts'
import { knowAddress } from '../../correlate/address-hash.ts'
import { composeContent, composeHead, composeLetter, type Content, type Letter } from '../../mail-auth/composer.ts'
import { signatures, signMail } from '../../mail-auth/dkim-sign.ts'
import { Fault } from '../../errors.ts'
import type { QueuedMail } from '../../store/queue/queued-mail.ts'
import { signNames } from '../submit/mail-tokens.ts'
import { messageIdHeaderOf } from '../submit/register-recipients.ts'
import type { Shop } from '../context.ts'
import type { Signers } from './signing-keys.ts'

/** `from` is the Return-Path of this copy alone. */
export type Rendered = { readonly from: string; readonly to: string; readonly raw: Buffer }
export type Render = (mail: RenderedMail, body: Composition) => Promise<Rendered>

/** What of a queued mail shapes it. */
export type RenderedMail = Pick<QueuedMail, 'account' | 'deliveryId' | 'bodyId' | 'recipient' | 'variables' | 'acceptedAt'>

/** Makes the door. What the copies of one composition share lives as long as the composition does. Faults: internal (no key signs the names, or the mail grows beyond all bounds, which submit has refused). */
export function createRender(shop: Shop, signers: Signers): Render {
  const shares = new WeakMap<Composition, Shared>()
  const sharedOf = (body: Composition, names: readonly string[]): Shared => {
    const held = shares.get(body) ?? { filling: createFilling({ names, sections: body.sections }), content: null }
    shares.set(body, held)
    return held
  }
  return async (mail, body) => {
    const page = await shop.book.open()
    const names = signNames(page, shop.domains, { deliveryId: mail.deliveryId, keyIndex: page.signingIndex })
    const messageId = messageIdHeaderOf(body.messageId, mail.deliveryId, body.from)
    const marks = marksOf({ ...names, messageId, publicUrl: shop.publicUrl }, { ...body, broadcast: null })
    const shared = sharedOf(body, Object.keys(mail.variables))
    const put = shared.filling.fill(mail.variables)
    const keys = await signers(mail.account, knowAddress(body.from)?.domain ?? '')
    const raw =
      body.raw === null
        ? await write(shared, letterOf(mail, body, { marks, put }), (hashed) => signatures(hashed, keys, shop.now()))
        : signMail(rewrite(mail, body, { marks, put }), keys, shop.now())
    return { from: names.returnPath, to: mail.recipient, raw }
  }
}

/** What the copies of one composition share. `content`: no variable touches it. */
type Shared = { readonly filling: Filling; content: Promise<Content & { readonly bodyHash: string }> | null }

async function write(shared: Shared, { letter, isSame }: Written, sign: (hashed: Hashed) => string): Promise<Buffer> {
  if (!isSame(shared.filling)) {
    const raw = await composeLetter(letter)
    return Buffer.concat([Buffer.from(sign(hashMail(raw)), 'latin1'), raw])
  }
  shared.content ??= composeContent(letter).then((content) => ({ ...content, bodyHash: hashBody(content.body) }))
  const { fields, body, bodyHash } = await shared.content
  const head = `${await composeHead(letter)}${fields}`
  return Buffer.concat([Buffer.from(`${sign({ head, bodyHash })}${head}\r\n`, 'latin1'), body])
}

type Written = { readonly letter: Letter; readonly isSame: (filling: Filling) => boolean }
type Marked = { readonly marks: Readonly<Record<string, string>>; readonly put: Put }

/** His own way to be taken off stands; where he wants none there is none. */
function marksFor({ tracking }: Composition, marks: Marked['marks'], hasOwn: boolean): Readonly<Record<string, string>> {
  const isLeft = tracking.subscription !== false && !hasOwn
  return Object.fromEntries(Object.entries(marks).filter(([name]) => isLeft || !name.startsWith('List-Unsubscribe')))
}

function letterOf(mail: RenderedMail, body: Composition, { marks, put }: Marked): Written {
  const { 'Message-ID': messageId = '', ...ours } = marks
  const text = (value: string): string => whole(put(value))
  const line = (value: string): string => breakWords(oneLine(text(value)))
  const own = Object.entries(ownHeaders(body.headers)).map(([name, value]) => [name, line(value)] as const)
  const letter: Letter = {
    from: { name: line(body.fromName ?? ''), address: body.from },
    to: body.to ?? [mail.recipient],
    cc: body.cc,
    replyTo: body.replyTo,
    subject: line(body.subject),
    html: body.html === null ? null : text(body.html),
    plain: body.plain === null ? null : text(body.plain),
    attachments: body.attachments,
    headers: { ...marksFor(body, ours, hasUnsubscribe(body.headers)), ...Object.fromEntries(own) },
    messageId,
    date: mail.acceptedAt,
    name: mail.bodyId,
  }
  return { letter, isSame: ({ touches }) => ![body.html, body.plain].some((each) => each !== null && touches(each)) }
}

function rewrite(mail: RenderedMail, body: Composition, { marks, put }: Marked): Buffer {
  const raw = Buffer.from(body.raw ?? '', 'base64')
  const hasVariables = Object.keys(mail.variables).length > 0 || Object.keys(body.sections).length > 0
  const { 'List-Unsubscribe': unsubscribe, 'List-Unsubscribe-Post': post, ...ours } = marksFor(body, marks, false)
  const taken = unsubscribe === undefined || post === undefined ? {} : { 'List-Unsubscribe': unsubscribe, 'List-Unsubscribe-Post': post }
  const hasOwn = hasUnsubscribe(body.headers)
  const defaults = { From: body.from, Date: new Date(mail.acceptedAt).toUTCString().replace('GMT', '+0000'), 'MIME-Version': '1.0' }
  const isAlone = body.to === null
  const fields = { ...ours, ...(hasOwn ? {} : taken), ...(isAlone ? { To: mail.recipient } : {}) }
  const dropped = [...(isAlone ? ['cc'] : []), ...(hasOwn ? [] : ['list-unsubscribe-post'])]
  return whole(rewriteMail(raw, { fields, dropped, defaults, put: hasVariables ? put : null }))
}

function whole<T>(made: T | null): T {
  if (made === null) throw new Fault('internal', 'with its variables put in, the mail is too large')
  return made
}
