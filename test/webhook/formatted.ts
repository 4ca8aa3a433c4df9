/**
 * formatted - one event in a format that has a word for it
 */
import type { EventMessage, FormattedPayload } from '../../src/webhook/event-message.ts'
import { formatPayload, type PayloadFormat } from '../../src/webhook/payload-format.ts'

/** Throws if the format has no word for the event. */
export function formattedIn(format: PayloadFormat, message: Omit<EventMessage, 'fields'> & Partial<EventMessage>): FormattedPayload {
  const formatted = formatPayload(format, { fields: {}, ...message })
  if (formatted === null) throw new Error(`${format} has no word for ${message.event}`)
  return formatted
}
