/**
 * esp-event - one event of an email service provider (ESP), in the same form for all of them
 *
 * An ESP sends a mail for an account and tells by HTTP what became of it. Each ESP has a file that reads its events, and a table there that says which
 * of them is which outcome. What an outcome means is decided by our rules, from the reply that the event quotes.
 *
 * | outcome       | meaning                                                                      |
 * |---------------|------------------------------------------------------------------------------|
 * | `delivered`   | the recipient's server accepted the mail                                     |
 * | `deferred`    | it refused for now; the ESP tries again                                      |
 * | `refused`     | it refused in the SMTP session, or the ESP did not send at all               |
 * | `bounced`     | it accepted the mail and reported a failure later                            |
 * | `failed`      | one of these two, and the ESP does not say which                             |
 * | `complaint`   | a feedback loop reported the mail                                            |
 * | `unsubscribe` | the recipient unsubscribed                                                   |
 * | `open`, `click` | as the ESP's own links measured it                                         |
 *
 * Pure. See also: esp-events/json-value, service/esp/record-events, docs/EVENTS.md.
 */
export const ESPS = ['ses', 'sendgrid', 'mailgun', 'postmark', 'sparkpost'] as const
export type Esp = (typeof ESPS)[number]

export type EspOutcome = 'delivered' | 'deferred' | 'refused' | 'bounced' | 'failed' | 'complaint' | 'unsubscribe' | 'open' | 'click'

/** Absent values are null or empty. All texts are a stranger's, and cut. */
export type EspEvent = {
  /** The same in every repetition of the event. */
  readonly id: string
  readonly outcome: EspOutcome
  /** When it happened (epoch ms). */
  readonly at: number | null
  readonly recipient: string
  /** Message-IDs without brackets, and the ESP's own ids of the mail. */
  readonly messageIds: readonly string[]
  /** Names of one delivery: the custom argument `bounced`, and the envelope sender. */
  readonly references: readonly string[]
  /** The reply of the recipient's server, or the ESP's own words. */
  readonly reply: string
  readonly mx: string | null
  /** The number of the attempt that was deferred. */
  readonly attempt: number | null
  readonly feedbackType: string | null
  readonly url: string | null
  readonly ip: string | null
  readonly userAgent: string | null
}

/** `ignored`: how many events have no outcome here, such as `processed`, or are unknown. */
export type EspReading = { readonly events: readonly EspEvent[]; readonly ignored: number }

/** The custom argument (tag, metadata) in which a sender gives the emailId or the Return-Path of a mail to its ESP. */
export const ARGUMENT_NAME = 'bounced'

const BLANK = {
  at: null,
  messageIds: [],
  references: [],
  reply: '',
  mx: null,
  attempt: null,
  feedbackType: null,
  url: null,
  ip: null,
  userAgent: null,
} as const satisfies Partial<EspEvent>

/** An event of its known members. Null: it names no recipient, or is no outcome. */
export function createEspEvent(
  known: Partial<Omit<EspEvent, 'outcome'>> & { readonly outcome: EspOutcome | null; readonly id: string },
): EspEvent | null {
  const { outcome, recipient = '' } = known
  return outcome === null || !recipient.includes('@') ? null : { ...BLANK, ...known, outcome, recipient }
}

/** The reading of a list in which null is an event that is ignored. */
export function readingOf(found: readonly (EspEvent | null)[]): EspReading {
  const events = found.filter((event) => event !== null)
  return { events, ignored: found.length - events.length }
}
