/**
 * sendgrid-events - reads the events of the Event Webhook of Twilio SendGrid
 *
 * | event                              | outcome                                                              |
 * |------------------------------------|----------------------------------------------------------------------|
 * | delivered, deferred                | `delivered`, `deferred`                                              |
 * | bounce (and type blocked)          | `failed`: SendGrid also reports bounces that come after a delivery   |
 * | dropped                            | `refused`: SendGrid did not send, for the reason that it names       |
 * | spamreport                         | `complaint`                                                          |
 * | unsubscribe, group_unsubscribe     | `unsubscribe`                                                        |
 * | open, click                        | `open`, `click`                                                      |
 * | processed, group_resubscribe, …    | ignored                                                              |
 *
 * Unique arguments are members of the event itself. A body is an array of events.
 *
 * Pure, total. See also: esp-events/esp-signatures, https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
 */
import { bareMessageId } from '../correlate/references.ts'
import { createEspEvent, ARGUMENT_NAME, readingOf, type EspEvent, type EspOutcome, type EspReading } from './esp-event.ts'
import { digestOfJson, presentTextsOf, toList, toMomentOfSeconds, toRecord, toText, toWholeNumber } from './json-value.ts'

const SENDGRID_EVENTS: Readonly<Partial<Record<string, EspOutcome>>> = {
  delivered: 'delivered',
  deferred: 'deferred',
  bounce: 'failed',
  blocked: 'failed',
  dropped: 'refused',
  spamreport: 'complaint',
  unsubscribe: 'unsubscribe',
  group_unsubscribe: 'unsubscribe',
  open: 'open',
  click: 'click',
}

/** The events of one request. */
export const readSendGridEvents = (body: unknown): EspReading => readingOf(toList(body).map(sendGridEventOf))

/** The id in the response to a send (X-Message-Id): the id of an event goes on with the server that took the mail. */
function acceptedIdsOf(messageId: unknown): readonly string[] {
  const [text = ''] = presentTextsOf(messageId)
  return [text.split(/\.(?:filter|recvd)/)[0] ?? '', text.split('.')[0] ?? ''].filter((id) => id !== '' && id !== text)
}

function sendGridEventOf(value: unknown): EspEvent | null {
  const event = toRecord(value)
  const reason = toText(event['reason']) ?? ''
  const reply = toText(event['response']) ?? reason
  const status = toText(event['status'], 16)
  return createEspEvent({
    id: toText(event['sg_event_id'], 256) ?? digestOfJson(event),
    outcome: SENDGRID_EVENTS[toText(event['event']) ?? ''] ?? null,
    at: toMomentOfSeconds(event['timestamp']),
    recipient: toText(event['email'], 320) ?? '',
    messageIds: presentTextsOf(event['smtp-id'], event['sg_message_id'], ...acceptedIdsOf(event['sg_message_id'])).map(bareMessageId),
    references: presentTextsOf(event[ARGUMENT_NAME]),
    // Some reasons come without the status that SendGrid read in them.
    reply: status !== null && /^[245]\.\d{1,3}\.\d{1,3}$/.test(status) && !/[245]\.\d{1,3}\.\d/.test(reply) ? `${status} ${reply}` : reply,
    attempt: toWholeNumber(event['attempt']),
    url: toText(event['url'], 2_000),
    ip: toText(event['ip'], 64),
    userAgent: toText(event['useragent'], 512),
  })
}
