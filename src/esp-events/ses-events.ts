/**
 * ses-events - reads the events of Amazon SES: event publishing, and the older feedback notifications
 *
 * | eventType, notificationType | outcome                                                                                    |
 * |-----------------------------|--------------------------------------------------------------------------------------------|
 * | Bounce                      | `refused` if SES heard it in the SMTP session (`remoteMtaIp`, `reportingMTA` of SES), else `bounced` |
 * | Complaint                   | `complaint`; ignored for an address on the account's suppression list                      |
 * | Delivery                    | `delivered`                                                                                |
 * | DeliveryDelay               | `deferred`                                                                                 |
 * | Reject                      | `refused`: SES found a virus                                                               |
 * | Subscription                | `unsubscribe` if the contact left all topics                                               |
 * | Open, Click                 | `open`, `click`, if the mail has one recipient                                             |
 * | Send, Rendering Failure     | ignored                                                                                    |
 *
 * A transient bounce without a status and a diagnostic is an automatic reply, and is ignored.
 *
 * Pure, total. See also: esp-events/sns-message, https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
 */
import { bareMessageId } from '../correlate/references.ts'
import { createEspEvent, ARGUMENT_NAME, readingOf, type EspEvent, type EspOutcome, type EspReading } from './esp-event.ts'
import { digestOfJson, presentTextsOf, toList, toMomentOfDate, toRecord, toText, type JsonRecord } from './json-value.ts'

type SesEventKind = {
  readonly section: string
  /** The list of recipients in the section; null: those of the mail. */
  readonly recipients: string | null
  readonly outcomeOf: (section: JsonRecord, recipient: JsonRecord) => EspOutcome | null
}

const SES_EVENTS: Readonly<Partial<Record<string, SesEventKind>>> = {
  Bounce: { section: 'bounce', recipients: 'bouncedRecipients', outcomeOf: bounceOutcomeOf },
  Complaint: {
    section: 'complaint',
    recipients: 'complainedRecipients',
    outcomeOf: ({ complaintSubType }) => (complaintSubType === 'OnAccountSuppressionList' ? null : 'complaint'),
  },
  Delivery: { section: 'delivery', recipients: 'recipients', outcomeOf: () => 'delivered' },
  DeliveryDelay: { section: 'deliveryDelay', recipients: 'delayedRecipients', outcomeOf: () => 'deferred' },
  Reject: { section: 'reject', recipients: null, outcomeOf: () => 'refused' },
  Subscription: {
    section: 'subscription',
    recipients: null,
    outcomeOf: ({ newTopicPreferences }) => (toRecord(newTopicPreferences)['unsubscribeAll'] === true ? 'unsubscribe' : null),
  },
  Open: { section: 'open', recipients: null, outcomeOf: () => 'open' },
  Click: { section: 'click', recipients: null, outcomeOf: () => 'click' },
}

/** These belong to one recipient, and an event does not say to which. */
const OUTCOMES_OF_ONE: readonly (EspOutcome | null)[] = ['open', 'click', 'unsubscribe']

/** The events of the message of one SNS notification. */
export function readSesEvents(message: unknown): EspReading {
  const body = toRecord(message)
  const kind = SES_EVENTS[toText(body['eventType']) ?? toText(body['notificationType']) ?? '']
  if (kind === undefined) return { events: [], ignored: 1 }
  const section = toRecord(body[kind.section])
  const mail = toRecord(body['mail'])
  const destination = toList(mail['destination'])
  const recipients = kind.recipients === null ? destination : toList(section[kind.recipients])
  const found = recipients.map((each) => {
    const recipient = typeof each === 'string' ? { emailAddress: each } : toRecord(each)
    const outcome = kind.outcomeOf(section, recipient)
    return OUTCOMES_OF_ONE.includes(outcome) && destination.length !== 1 ? null : sesEventOf({ mail, section, recipient, outcome })
  })
  return found.length === 0 ? { events: [], ignored: 1 } : readingOf(found)
}

function bounceOutcomeOf(bounce: JsonRecord, { status, diagnosticCode }: JsonRecord): EspOutcome | null {
  const isSilent = toText(status) === null && toText(diagnosticCode) === null
  if (isSilent && bounce['bounceType'] === 'Transient') return null
  const isOwn = /(?:^|[.\s;])amazonses\.com$/i.test(toText(bounce['reportingMTA']) ?? '')
  return isOwn || toText(bounce['remoteMtaIp']) !== null ? 'refused' : 'bounced'
}

type SesParts = {
  readonly mail: JsonRecord
  readonly section: JsonRecord
  readonly recipient: JsonRecord
  readonly outcome: EspOutcome | null
}

function sesEventOf({ mail, section, recipient, outcome }: SesParts): EspEvent | null {
  const address = toText(recipient['emailAddress'], 320) ?? ''
  const name =
    toText(section['feedbackId']) ?? digestOfJson([mail['messageId'], section['timestamp'], section['link'], section['ipAddress']])
  const headers = toList(mail['headers']).map(toRecord)
  const headerIds = headers.filter(({ name: each }) => /^message-id$/i.test(toText(each) ?? '')).map(({ value }) => value)
  const tags = toList(toRecord(mail['tags'])[ARGUMENT_NAME])
  return createEspEvent({
    id: `${name}/${outcome}/${address.toLowerCase()}`,
    outcome,
    at: toMomentOfDate(section['timestamp']),
    recipient: address,
    messageIds: presentTextsOf(toRecord(mail['commonHeaders'])['messageId'], ...headerIds, mail['messageId']).map(bareMessageId),
    references: presentTextsOf(...tags, mail['source']),
    reply: replyOf(section, recipient),
    feedbackType: toText(section['complaintFeedbackType'], 64),
    url: toText(section['link'], 2_000),
    ip: toText(section['ipAddress'], 64),
    userAgent: toText(section['userAgent'], 512),
  })
}

function replyOf(section: JsonRecord, { diagnosticCode, status }: JsonRecord): string {
  const kind = presentTextsOf(section['bounceType'], section['bounceSubType'] ?? section['reason']).join(' ')
  return toText(diagnosticCode) ?? toText(section['smtpResponse']) ?? presentTextsOf(status, kind).join(' ')
}
