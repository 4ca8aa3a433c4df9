/**
 * forward-body - what an endpoint gets of a mail that came for its account: the vendor's fields of a routed mail
 *
 * Read when it is sent and not when it came: a mail that is hard to read delays nobody's intake. What was read is remembered for the
 * other endpoints and the next attempts. A mail that is no longer kept has no body.
 *
 * See also: mail-auth/mime-reader, mail-auth/signed-mail-link, service/notify/webhook-sender, docs/WEBHOOKS.md.
 */
import { isUtf8 } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import type { MailLinkSigner } from '../../mail-auth/signed-mail-link.ts'
import type { MimeReader, MailContent } from '../../mail-auth/mime-reader.ts'
import type { WebhookPayload } from '../../webhook/payload.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { findForwardedMail } from '../../store/mail/forwarded-mails.ts'
import type { Context } from '../context.ts'

export type ForwardBodyRules = {
  /** Hours that a link to the raw mail is good. */
  readonly linkHours: number
  /** Bytes of the largest mail that goes along whole; a larger one is fetched by its link. */
  readonly rawBytes: number
}

/** Null: the mail is no longer kept. Rejects with store_busy. */
export type ForwardBodies = (fact: FactOf<'route'>) => Promise<WebhookPayload | null>

export type ForwardBodyOptions = { readonly reader: MimeReader; readonly links: MailLinkSigner; readonly rules: ForwardBodyRules }

/** Characters of mails that were read. */
const CACHE_CHARACTERS = 16_777_216
const HOUR_MS = 3_600_000

export function createForwardBodies(context: Context, { reader, links, rules }: ForwardBodyOptions): ForwardBodies {
  const parsedMails = new LRUCache<string, MailContent>({
    maxSize: CACHE_CHARACTERS,
    sizeCalculation: ({ html, text, subject, reference, headers }) =>
      html.length + text.length + subject.length + reference.length + JSON.stringify(headers).length + 1_024,
  })
  return async ({ account, data: { digest, truncated } }) => {
    const mail = await findForwardedMail(context.engine.read, account, digest)
    if (mail === null) return null
    const known = parsedMails.get(digest)
    const parsed = known ?? (await reader.read(mail.body))
    if (known === undefined) parsedMails.set(digest, parsed)
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

/** Bytes that are no UTF-8 stand as the characters of their numbers: so they can be had back. */
const textOf = (raw: Uint8Array): string => Buffer.from(raw).toString(isUtf8(raw) ? 'utf8' : 'latin1')
