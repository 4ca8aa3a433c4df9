/**
 * recipient-status - selects the enhanced status code of a reported recipient
 *
 * Exim always writes Status x.0.0, and Sendmail often makes it up. The code in the reply of the remote server therefore comes
 * first, then the Status field, then a code in the text.
 *
 * Pure, total. RFC 3463. See also: mail/report.
 */
import { findEnhancedStatus } from './reply.ts'
import type { RecipientReport } from '../report.ts'

/** The most reliable status of a recipient; null if the report has none. Total. */
export function selectEnhancedStatus(recipient: RecipientReport): string | null {
  const replyStatus = recipient.reply.status ?? findEnhancedStatus(recipient.reply.text) ?? findLabelledStatus(recipient.reply.text)
  if (replyStatus !== null && !isClassOnly(replyStatus)) return replyStatus
  const fieldStatus = recipient.status
  if (fieldStatus !== null && !isClassOnly(fieldStatus)) return fieldStatus
  const text = findEnhancedStatus(recipient.text)
  if (text !== null && !isClassOnly(text)) return text
  return replyStatus ?? fieldStatus ?? text
}

/** A status after a label: `ERROR_CODE :5.1.1`. */
function findLabelledStatus(text: string): string | null {
  return /(?:code|status|error)[ :=#]{1,4}([45]\.\d{1,2}\.\d{1,3})(?![\d.])/i.exec(text)?.[1] ?? null
}

/** Whether a status is x.0.0, which only gives the class. */
function isClassOnly(status: string): boolean {
  return /^[245]\.0\.0$/.test(status)
}
