/**
 * sparkpost-events - reads the webhooks of SparkPost (Bird)
 *
 * | type                                  | outcome                                      |
 * |---------------------------------------|----------------------------------------------|
 * | delivery, delay                       | `delivered`, `deferred`                      |
 * | bounce, policy_rejection              | `refused`                                    |
 * | out_of_band                           | `bounced`                                    |
 * | spam_complaint                        | `complaint`                                  |
 * | list_unsubscribe, link_unsubscribe    | `unsubscribe`                                |
 * | open, initial_open, click             | `open`, `click`                              |
 * | injection, generation_failure, …      | ignored                                      |
 *
 * A body is an array of `{ msys: { GROUP: event } }`; an empty `msys` is a test.
 *
 * Pure, total. See also: https://developers.sparkpost.com/api/webhooks/
 */
import { bareMessageId } from '../correlate/references.ts'
import { createEspEvent, ARGUMENT_NAME, readingOf, type EspEvent, type EspOutcome, type EspReading } from './esp-event.ts'
import { digestOfJson, presentTextsOf, toList, toMomentOfSeconds, toRecord, toText, toWholeNumber } from './json-value.ts'

const SPARKPOST_EVENTS: Readonly<Partial<Record<string, EspOutcome>>> = {
  delivery: 'delivered',
  delay: 'deferred',
  bounce: 'refused',
  policy_rejection: 'refused',
  out_of_band: 'bounced',
  spam_complaint: 'complaint',
  list_unsubscribe: 'unsubscribe',
  link_unsubscribe: 'unsubscribe',
  open: 'open',
  initial_open: 'open',
  click: 'click',
}

/** The events of one request. */
export const readSparkPostEvents = (body: unknown): EspReading => {
  const groups = toList(body).flatMap((each) => Object.values(toRecord(toRecord(each)['msys'])))
  return readingOf(groups.map(sparkPostEventOf))
}

function sparkPostEventOf(value: unknown): EspEvent | null {
  const event = toRecord(value)
  return createEspEvent({
    id: toText(event['event_id'], 256) ?? digestOfJson(event),
    outcome: SPARKPOST_EVENTS[toText(event['type']) ?? ''] ?? null,
    at: toMomentOfSeconds(event['timestamp']),
    // `rcpt_to` is in lower case.
    recipient: toText(event['raw_rcpt_to'], 320) ?? toText(event['rcpt_to'], 320) ?? '',
    messageIds: presentTextsOf(event['message_id'], event['transmission_id']).map(bareMessageId),
    references: presentTextsOf(toRecord(event['rcpt_meta'])[ARGUMENT_NAME], event['msg_from']),
    reply: toText(event['raw_reason']) ?? toText(event['reason']) ?? '',
    attempt: toWholeNumber(event['num_retries']),
    feedbackType: toText(event['fbtype'], 64),
    url: toText(event['target_link_url'], 2_000),
    ip: toText(event['ip_address'], 64),
    userAgent: toText(event['user_agent'], 512),
  })
}
