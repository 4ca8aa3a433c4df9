/**
 * postmark-events - reads the webhooks of Postmark
 *
 * | RecordType, Type                                  | outcome                                                      |
 * |---------------------------------------------------|--------------------------------------------------------------|
 * | Delivery                                          | `delivered`                                                  |
 * | Bounce: Transient                                 | `deferred`                                                   |
 * | Bounce: HardBounce, SoftBounce, DnsError, Blocked, … | `failed`: Postmark does not say when it heard of it       |
 * | Bounce: SpamComplaint; SpamComplaint              | `complaint`                                                  |
 * | Bounce: Unsubscribe; SubscriptionChange by the recipient | `unsubscribe`                                         |
 * | Open, Click                                       | `open`, `click`                                              |
 * | Bounce: AutoResponder, AddressChange, Subscribe, … | ignored                                                     |
 *
 * Pure, total. See also: https://postmarkapp.com/developer/webhooks/webhooks-overview, https://postmarkapp.com/developer/api/bounce-api#bounce-types
 */
import { createEspEvent, ARGUMENT_NAME, readingOf, type EspOutcome, type EspReading } from './esp-event.ts'
import { digestOfJson, presentTextsOf, toMomentOfDate, toRecord, toText, type JsonRecord } from './json-value.ts'

const POSTMARK_EVENTS: Readonly<Partial<Record<string, EspOutcome>>> = {
  Delivery: 'delivered',
  SpamComplaint: 'complaint',
  Open: 'open',
  Click: 'click',
  'Bounce/Transient': 'deferred',
  'Bounce/HardBounce': 'failed',
  'Bounce/SoftBounce': 'failed',
  'Bounce/DnsError': 'failed',
  'Bounce/Blocked': 'failed',
  'Bounce/SpamNotification': 'failed',
  'Bounce/VirusNotification': 'failed',
  'Bounce/BadEmailAddress': 'failed',
  'Bounce/DMARCPolicy': 'failed',
  'Bounce/Undeliverable': 'failed',
  'Bounce/Unknown': 'failed',
  'Bounce/SMTPApiError': 'failed',
  'Bounce/SpamComplaint': 'complaint',
  'Bounce/Unsubscribe': 'unsubscribe',
}

/** The event of one request. */
export function readPostmarkEvents(body: unknown): EspReading {
  const event = toRecord(body)
  const record = toText(event['RecordType']) ?? ''
  const at = event['BouncedAt'] ?? event['DeliveredAt'] ?? event['ReceivedAt'] ?? event['ChangedAt']
  const messageId = toText(event['MessageID'], 128)
  const recipient = toText(event['Email'], 320) ?? toText(event['Recipient'], 320) ?? ''
  const found = createEspEvent({
    id: digestOfJson([record, event['ID'], messageId, recipient, at, event['OriginalLink']]),
    outcome: postmarkOutcomeOf(event, record),
    at: toMomentOfDate(at),
    recipient,
    // In the mail, Postmark's own Message-ID has its domain.
    messageIds: messageId === null ? [] : [messageId, `${messageId}@mtasv.net`],
    references: presentTextsOf(toRecord(event['Metadata'])[ARGUMENT_NAME]),
    reply: presentTextsOf(event['Details'] === '' ? event['Description'] : (event['Details'] ?? event['Description'])).join(' '),
    url: toText(event['OriginalLink'], 2_000),
    ip: toText(toRecord(event['Geo'])['IP'], 64),
    userAgent: toText(event['UserAgent'], 512),
  })
  return readingOf([found])
}

function postmarkOutcomeOf(event: JsonRecord, record: string): EspOutcome | null {
  if (record === 'SubscriptionChange')
    return event['SuppressSending'] === true && event['SuppressionReason'] === 'ManualSuppression' && event['Origin'] === 'Recipient'
      ? 'unsubscribe'
      : null
  return POSTMARK_EVENTS[record === 'Bounce' ? `Bounce/${toText(event['Type']) ?? ''}` : record] ?? null
}
