/**
 * header-set - which headers of a mail are ours and which are the sender's
 *
 * Ours alone: headers about the structure of the mail, its signatures, and the way back to us. Such headers of the sender are dropped. The
 * sender's Message-ID and List-Unsubscribe are kept, the latter together with List-Unsubscribe-Post. Bcc, the vendor extension, and headers
 * of an earlier transmission (Resent-) never leave us.
 *
 * Pure. RFC 5322 §3.6, RFC 9477, RFC 8058. See also: compose/tracking-headers, compose/rewrite-mime.
 */

/** In lower case: headers that a submission sets by parameters, and headers that only we set. */
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

/** Whether a submission's header of this name is dropped. */
export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase()
  return RESERVED_HEADERS.has(lower) || lower.startsWith('content-') || lower.startsWith('resent-')
}

const LIST_UNSUBSCRIBE = 'list-unsubscribe'
const LIST_UNSUBSCRIBE_POST = 'list-unsubscribe-post'

/**
 * Removes the sender's List-Unsubscribe-Post if there is no List-Unsubscribe of the sender (RFC 8058 §3.1): the two come from the same
 * side.
 */
export function removeUnpairedUnsubscribePost(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (hasListUnsubscribe(headers)) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== LIST_UNSUBSCRIBE_POST))
}

/** Whether the sender sets List-Unsubscribe. */
export const hasListUnsubscribe = (headers: Readonly<Record<string, string>>): boolean =>
  Object.keys(headers).some((name) => name.toLowerCase() === LIST_UNSUBSCRIBE)

/** RFC 5322 §3.6.4, leniently: no white space and no brackets, which could not go back into a header. */
const MESSAGE_ID_PATTERN = /^[!-;=?-~]{1,250}$/

/** The sender's own Message-ID without brackets; null if it cannot stand in a header, so that the mail gets one of ours. */
export function parseSenderMessageId(text: string): string | null {
  const bare = text.trim().replace(/^<+/, '').replace(/>+$/, '').trim()
  return MESSAGE_ID_PATTERN.test(bare) ? bare : null
}
