/**
 * mailgun-events - reads the events of the webhooks of Mailgun
 *
 * | event                       | outcome                                                                |
 * |-----------------------------|------------------------------------------------------------------------|
 * | delivered                   | `delivered`                                                            |
 * | failed, severity temporary  | `deferred`                                                             |
 * | failed, severity permanent  | `failed`: Mailgun also reports bounces that come after a delivery      |
 * | rejected                    | `refused`: Mailgun did not send                                        |
 * | complained, unsubscribed    | `complaint`, `unsubscribe`                                             |
 * | opened, clicked             | `open`, `click`                                                        |
 * | accepted, stored, …         | ignored                                                                |
 *
 * Pure, total. See also: esp-events/esp-signatures, https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
 */
import { bareMessageId } from '../correlate/references.ts'
import { createEspEvent, ARGUMENT_NAME, readingOf, type EspOutcome, type EspReading } from './esp-event.ts'
import { digestOfJson, presentTextsOf, toMomentOfSeconds, toRecord, toText, toWholeNumber, type JsonRecord } from './json-value.ts'

const MAILGUN_EVENTS: Readonly<Partial<Record<string, EspOutcome>>> = {
  delivered: 'delivered',
  'failed/temporary': 'deferred',
  'failed/permanent': 'failed',
  rejected: 'refused',
  complained: 'complaint',
  unsubscribed: 'unsubscribe',
  opened: 'open',
  clicked: 'click',
}

/** The event of one request. */
export function readMailgunEvents(body: unknown): EspReading {
  const event = toRecord(toRecord(body)['event-data'])
  const name = toText(event['event']) ?? ''
  const status = toRecord(event['delivery-status'])
  const client = toRecord(event['client-info'])
  const found = createEspEvent({
    // An id is unique within a day only.
    id: digestOfJson([event['id'], event['timestamp'], event['recipient'], name]),
    outcome: MAILGUN_EVENTS[name === 'failed' ? `failed/${toText(event['severity']) ?? ''}` : name] ?? null,
    at: toMomentOfSeconds(event['timestamp']),
    recipient: toText(event['recipient'], 320) ?? '',
    messageIds: presentTextsOf(toRecord(toRecord(event['message'])['headers'])['message-id']).map(bareMessageId),
    references: presentTextsOf(toRecord(event['user-variables'])[ARGUMENT_NAME], toRecord(event['envelope'])['sender']),
    reply: mailgunReplyOf(event, status),
    mx: toText(status['mx-host'], 253)?.toLowerCase() ?? null,
    attempt: toWholeNumber(status['attempt-no']),
    url: toText(event['url'], 2_000),
    ip: toText(event['ip'], 64),
    userAgent: toText(client['user-agent'], 512),
  })
  return readingOf([found])
}

/** Code, status and text stand in members of their own. Codes above 599 are Mailgun's, such as 605 for its list of bounced addresses. */
function mailgunReplyOf(event: JsonRecord, status: JsonRecord): string {
  const text = toText(status['message']) ?? toText(status['description']) ?? toText(toRecord(event['reject'])['reason']) ?? ''
  const code = toText(status['code'], 8) ?? ''
  if (!/^[245]\d\d$/.test(code) || text.startsWith(code)) return text
  const enhanced = toText(status['enhanced-code'], 16) ?? ''
  return presentTextsOf(code, text.includes(enhanced) ? '' : enhanced, text).join(' ')
}
