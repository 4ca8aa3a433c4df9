/**
 * recipient-status - the enhanced status code that a report's recipient deserves
 *
 * Exim's Status is always x.0.0 and sendmail's is often made up: the code inside the remote server's own words comes
 * first, then the Status field, then what stands in the text. Pure, total. RFC 3463. See also: mail/report.
 */
import { findEnhancedStatus } from './reply.ts'
import type { RecipientReport } from '../report.ts'

/** The best status that a report has for a recipient; null when nobody wrote one. */
export function selectEnhancedStatus(recipient: RecipientReport): string | null {
  const replyStatus = recipient.reply.status ?? findEnhancedStatus(recipient.reply.text) ?? findLabelledStatus(recipient.reply.text)
  if (replyStatus !== null && !isClassOnly(replyStatus)) return replyStatus
  const fieldStatus = recipient.status
  if (fieldStatus !== null && !isClassOnly(fieldStatus)) return fieldStatus
  const text = findEnhancedStatus(recipient.text)
  if (text !== null && !isClassOnly(text)) return text
  return replyStatus ?? fieldStatus ?? text
}

/** `ERROR_CODE :5.1.1`: a label is as good as a place. */
function findLabelledStatus(text: string): string | null {
  return /(?:code|status|error)[ :=#]{1,4}([45]\.\d{1,2}\.\d{1,3})(?![\d.])/i.exec(text)?.[1] ?? null
}

/** x.0.0 says nothing but a class. */
function isClassOnly(status: string): boolean {
  return /^[245]\.0\.0$/.test(status)
}
