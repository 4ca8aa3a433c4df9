/**
 * mdn - recognises read receipts: a message was displayed, or deleted unread
 *
 * A message/disposition-notification part (RFC 8098), or a receipt of Exchange in prose (X.400 receipt notification).
 *
 * Pure, total. See also: mail/report-parser.
 */

/** How Exchange and its clients begin the subject of a receipt. */
const RECEIPT_SUBJECT =
  /^\s*(?:read|not read|gelesen|ungelesen|nicht gelesen|lu|non lu|leído|leido|no leído|lida|lido|não lida|letto|non letto|gelezen|niet gelezen|läst|læst|lest|luettu|przeczytano|přečteno|прочитано|прочтено|已读|未读|已讀|未讀|開封済み|개봉|okundu|return receipt \(displayed\)|read receipt)\s*[:：(]/i
const RECEIPT_TEXT =
  /\b(?:was (?:read|displayed|opened) (?:on|at)|was deleted without being read|has been displayed|has been read by|this is a (?:return|read) receipt|this receipt (?:verifies|shows) that the message|wurde am .{0,60}gelesen|wurde .{0,40}gelöscht, ohne|a été lu le|fue leído el|foi lida em|è stato letto|werd gelezen|lästes)\b|已于.{0,60}阅读|于.{0,60}被阅读|開封されました/i

/** Whether a message is a receipt. `reportType`: of multipart/report; `bodyText`: the beginning of its text. Total. */
export function isReadReceipt(message: { reportType: string; disposition: readonly string[]; subject: string; bodyText: string }): boolean {
  if (message.disposition.length > 0) return true
  if (message.reportType === 'disposition-notification') return true
  return RECEIPT_SUBJECT.test(message.subject) && RECEIPT_TEXT.test(message.bodyText)
}
