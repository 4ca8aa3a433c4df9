/**
 * recipient-status - the enhanced status code that a report's recipient deserves
 *
 * Exim's Status is always x.0.0 and sendmail's is often made up: the code inside the remote server's own words comes
 * first, then the Status field, then what stands in the text. Pure, total. RFC 3463. See also: mail/report.
 */
import { findStatus } from './reply.ts'
import type { RecipientReport } from '../report.ts'

/** The best status that a report has for a recipient; null when nobody wrote one. */
export function bestStatus(recipient: RecipientReport): string | null {
  const said = recipient.reply.status ?? findStatus(recipient.reply.text) ?? labelled(recipient.reply.text)
  if (said !== null && !isVague(said)) return said
  const field = recipient.status
  if (field !== null && !isVague(field)) return field
  const text = findStatus(recipient.text)
  if (text !== null && !isVague(text)) return text
  return said ?? field ?? text
}

/** `ERROR_CODE :5.1.1`: a label is as good as a place. */
function labelled(text: string): string | null {
  return /(?:code|status|error)[ :=#]{1,4}([45]\.\d{1,2}\.\d{1,3})(?![\d.])/i.exec(text)?.[1] ?? null
}

/** x.0.0 says nothing but a class. */
function isVague(status: string): boolean {
  return /^[245]\.0\.0$/.test(status)
}
