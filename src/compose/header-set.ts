/**
 * header-set - which headers a mail has from whom
 *
 * Ours alone: what says how the mail is built, who signs it, where it comes back to; a sender's own such header is left out. His own Message-ID and
 * List-Unsubscribe stay, the latter with its Post. A blind copy's header, the vendor's extension and what tells of an earlier sending (Resent-) never
 * leave us.
 *
 * Pure. RFC 5322 §3.6, RFC 9477, RFC 8058. See also: compose/tracking-headers, compose/rewrite-mime.
 */

/** Lower case. What a request says in parameters, and what only we may say. */
const RESERVED_HEADERS: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'subject',
  'reply-to',
  'date',
  'mime-version',
  'return-path',
  'received',
  'dkim-signature',
  'arc-seal',
  'arc-message-signature',
  'arc-authentication-results',
  'authentication-results',
  'cfbl-address',
  'cfbl-feedback-id',
  'feedback-id',
  'x-smtpapi',
])

/** Whether a request's header of this name is left out of its mail. */
export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase()
  return RESERVED_HEADERS.has(lower) || lower.startsWith('content-') || lower.startsWith('resent-')
}

const LIST_UNSUBSCRIBE = 'list-unsubscribe'
const LIST_UNSUBSCRIBE_POST = 'list-unsubscribe-post'

/** The way to be taken off is whole, the sender's or ours: without a List-Unsubscribe of his, his Post says nothing (RFC 8058 §3.1). */
export function removeUnpairedUnsubscribePost(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (hasListUnsubscribe(headers)) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== LIST_UNSUBSCRIBE_POST))
}

/** Whether a sender brings his own way to be taken off. */
export const hasListUnsubscribe = (headers: Readonly<Record<string, string>>): boolean =>
  Object.keys(headers).some((name) => name.toLowerCase() === LIST_UNSUBSCRIBE)

/** RFC 5322 §3.6.4 leniently: what goes back into a header must hold neither white space nor brackets. */
const MESSAGE_ID_PATTERN = /^[!-;=?-~]{1,250}$/

/** The sender's own Message-ID without its brackets; null: it is none that a header can hold, so that the mail has one of ours. */
export function parseSenderMessageId(text: string): string | null {
  const bare = text.trim().replace(/^<+/, '').replace(/>+$/, '').trim()
  return MESSAGE_ID_PATTERN.test(bare) ? bare : null
}
