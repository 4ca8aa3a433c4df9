/**
 * rejection-notice - refusals that a mailbox filter sends as a disposition notification
 *
 * Sieve `reject` (RFC 5429 §2.1.2) and local delivery agents report a refused message as an MDN with the disposition `deleted`. It differs from a
 * receipt for a message that was deleted unread: Auto-Submitted, Subject or text say that it was rejected. The notice is a bounce. It never
 * means that the address does not exist, because its filter ran; text that says so was written by the owner of the mailbox.
 *
 * Pure, total. See also: mail/feedback/mdn (receipts), mail/report-parser (order of readers).
 */
import { parseBareAddress, splitTypedValue } from '../mime/address.ts'
import { parseFields, toHeaderRecord } from '../mime/header.ts'
import type { ParsedMessage, ReportFinding } from '../parsed-message.ts'
import { NO_REPLY, collapseWhitespace } from '../smtp/reply.ts'

/** Dispositions of a message that was not delivered (RFC 8098 §3.2.6). */
const REJECTING_DISPOSITION = /;\s*(?:deleted|denied|failed)\b/i
const REJECTED_COMMENT = /^\s*auto-(?:replied|generated)\s*\([^)]{0,40}\breject/i
const REJECTED_SUBJECT =
  /^\s*(?:automatically )?rejected\b|\b(?:rejected|refused) (?:mail|message)\b|^\s*(?:abgelehnt|zurückgewiesen|rejeté|refusé|rechazado|rejeitad[ao]|rifiutato|geweigerd)\b/i
const REJECTED_TEXT =
  /\b(?:was|has been|is|were) (?:automatically )?(?:rejected|refused)\b|\bautomatically (?:rejected|refused)\b|\bwurde (?:automatisch )?(?:abgelehnt|zurückgewiesen)\b/i
/** A sentence that rules would read as an unknown mailbox. */
const UNKNOWN_MAILBOX =
  /\bunknown\b|\bno such\b|\b(?:not|n.t) (?:exist|known|found|valid|listed)|\binvalid\b|\bno (?:longer|mailbox|user|account)\b|\bnobody\b|\bexist|unbekannt|inconnu|desconocid|sconosciut|onbekend|неизвест|不存在/i
const MAX_SEARCHED_TEXT = 4_096
const MAX_RECIPIENT_TEXT = 2_048

/** Reads a rejection that was sent as a disposition notification; null for every other message. Total. */
export function readRejectionNotice(message: ParsedMessage): ReportFinding | null {
  const notification = message.parts.dispositionTexts[0]
  if (notification === undefined) return null
  const fields = toHeaderRecord(parseFields(notification))
  if (!REJECTING_DISPOSITION.test(fields['disposition'] ?? '') || !isRejection(message)) return null
  const sentences = collapseWhitespace(message.bodyText.slice(0, MAX_SEARCHED_TEXT)).split(/(?<=[.!?:;])\s/)
  const text = sentences
    .filter((sentence) => !UNKNOWN_MAILBOX.test(sentence))
    .join(' ')
    .slice(0, MAX_RECIPIENT_TEXT)
  const recipient = parseRecipient(fields['final-recipient'])
  const original = parseRecipient(fields['original-recipient'])
  const finding = {
    recipient: recipient ?? original,
    originalRecipient: original,
    action: 'failed',
    status: null,
    reply: NO_REPLY,
    replySource: 'none',
    remoteMta: null,
    text,
    lastAttemptAt: null,
    willRetryUntil: null,
  } as const
  return { kind: 'bounce', format: 'sieve-reject', recipients: [finding] }
}

function isRejection(message: ParsedMessage): boolean {
  return (
    REJECTED_COMMENT.test(message.headers['auto-submitted'] ?? '') ||
    REJECTED_SUBJECT.test(message.subject.slice(0, 300)) ||
    REJECTED_TEXT.test(message.bodyText.slice(0, MAX_SEARCHED_TEXT))
  )
}

function parseRecipient(value: string | undefined): string | null {
  return value === undefined ? null : parseBareAddress(splitTypedValue(value).value)
}
