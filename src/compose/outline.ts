/**
 * outline - which headers a mail has from whom
 *
 * Ours alone: what says how the mail is built, who signs it, where it comes back to; a sender's own such header is left out. His own Message-ID and
 * List-Unsubscribe stay. A blind copy's header and the vendor's extension never leave us.
 *
 * Pure. RFC 5322 §3.6, RFC 9477, RFC 8058. See also: compose/marks, compose/rewrite.
 */

/** Lower case. What a request says in parameters, and what only we may say. */
const OURS: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'resent-bcc',
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
export function isOwnHeader(name: string): boolean {
  const lower = name.toLowerCase()
  return OURS.has(lower) || lower.startsWith('content-')
}

/** RFC 5322 §3.6.4 leniently: what goes back into a header must hold neither white space nor brackets. */
const MESSAGE_ID = /^[!-;=?-~]{1,250}$/

/** The sender's own Message-ID without its brackets; null: it is none that a header can hold, so that the mail has one of ours. */
export function ownMessageId(text: string): string | null {
  const bare = text.trim().replace(/^<+/, '').replace(/>+$/, '').trim()
  return MESSAGE_ID.test(bare) ? bare : null
}
