/**
 * forward-body - the webhook payload of a forwarded mail
 *
 * Parses the mail when the webhook is sent, not when the mail arrives: a mail that is expensive to parse delays no other mail. Parses a body once
 * for all of its recipients in an account, for other endpoints and for retries. A mail that is no longer stored has no payload.
 *
 * See also: mail-auth/mime-reader, mail-auth/signed-mail-link, service/notify/webhook-sender, docs/WEBHOOKS.md.
 */
import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { MailLinkSigner } from '../../mail-auth/signed-mail-link.ts'
import type { MailContent } from '../../mail-auth/mail-content.ts'
import type { MimeReader } from '../../mail-auth/mime-reader.ts'
import type { WebhookPayload } from '../../webhook/payload.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { findForwardedMail } from '../../store/mail/forwarded-mails.ts'
import type { Context } from '../context.ts'

type ForwardBodyRules = {
  /** How many hours a link to the raw mail stays valid. */
  readonly linkHours: number
  /** Mails up to this size (bytes) are included whole; larger ones are available only by their link. */
  readonly rawBytes: number
}

/** Builds the payload of one forwarded mail; null if the mail is no longer stored. Faults: store_busy. */
export type ForwardBodies = (fact: FactOf<'route'>) => Promise<WebhookPayload | null>

type ForwardBodyOptions = { readonly reader: MimeReader; readonly links: MailLinkSigner; readonly rules: ForwardBodyRules }

/** Size of the cache of parsed mails, in characters. */
const CACHE_CHARACTERS = 16_777_216
const HOUR_MS = 3_600_000

/** Reads a body once for an account: each recipient's copy of a mail has a digest of its own, but all have the same bytes. */
function createReadCache(reader: MimeReader): MimeReader['read'] {
  const parsedMails = new LRUCache<string, MailContent>({
    maxSize: CACHE_CHARACTERS,
    sizeCalculation: ({ html, text, subject, reference, headers }) =>
      html.length + text.length + subject.length + reference.length + JSON.stringify(headers).length + 1_024,
  })
  const reading = new Map<string, Promise<MailContent>>()
  return async (account, body) => {
    const key = `${account} ${hash('sha256', body)}`
    const known = parsedMails.get(key) ?? reading.get(key)
    if (known !== undefined) return known
    const parsing = reader.read(account, body).finally(() => reading.delete(key))
    reading.set(key, parsing)
    const parsed = await parsing
    parsedMails.set(key, parsed)
    return parsed
  }
}

/** Creates the builder, with a cache of parsed mails of its own. */
export function createForwardBodies(context: Context, { reader, links, rules }: ForwardBodyOptions): ForwardBodies {
  const readOnce = createReadCache(reader)
  return async ({ account, data: { digest, truncated } }) => {
    const mail = await findForwardedMail(context.engine.read, account, digest)
    if (mail === null) return null
    const parsed = await readOnce(account, mail.body)
    const expires = context.now() + rules.linkHours * HOUR_MS
    const signature = links.sign({ account, digest, expires })
    const { from, fromName: fromname, to, toName: toname, subject, html, text, reference } = parsed
    return {
      from,
      fromname,
      to,
      toname,
      x_mx_mailfrom: mail.mailFrom,
      x_mx_rcptto: mail.rcptTo,
      headers: JSON.stringify(parsed.headers),
      html,
      text,
      subject,
      raw_message_url: `${context.publicUrl}/v1/route-mails/${digest}/raw?owner=${account}&expires=${expires}&signature=${signature}`,
      raw_message: !truncated && mail.body.length <= rules.rawBytes ? textOf(mail.body) : '',
      reference,
      truncated,
    }
  }
}

/** Text that is not valid UTF-8 is decoded as Latin-1, so that the receiver can restore the bytes. */
const textOf = (raw: Uint8Array): string => Buffer.from(raw).toString(isUtf8(raw) ? 'utf8' : 'latin1')
