/**
 * provider-event - reads the event of a sending service from JSON in a message
 *
 * Amazon SNS mails the events of SES: bounces, complaints, deliveries.
 *
 * Pure, total. https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html See also: mail/dsn/delivery-report.
 */
import { parseBareAddress } from '../mime/address.ts'
import { createEmptyComplaint } from './arf.ts'
import { parseDate } from '../mime/date.ts'
import { asArray, asObject, asString, parseJsonObject } from '../mime/json-reader.ts'
import type { JsonObject } from '../mime/json-reader.ts'
import type { DsnAction, ComplaintReport } from '../report.ts'

type ProviderEvent = {
  readonly recipients: readonly {
    readonly address: string
    readonly action: DsnAction
    readonly status: string | null
    readonly diagnostic: string
  }[]
  readonly complaint: ComplaintReport | null
  readonly messageId: string | null
  readonly reportingMta: string | null
}

/** Reads a notification from the text of a message; null if there is none. Total. */
export function parseProviderEvent(text: string): ProviderEvent | null {
  if (!text.includes('notificationType') && !text.includes('eventType')) return null
  const envelope = parseJsonObject(text.replace(/\n[ \t]?/g, ''))
  const payload = envelope === null ? null : (parseJsonObject(asString(envelope['Message']) ?? '') ?? envelope)
  const eventType = (asString(payload?.['notificationType']) ?? asString(payload?.['eventType']) ?? '').toLowerCase()
  if (payload === null || eventType === '') return null
  const mail = asObject(payload['mail'])
  const reader = EVENT_READERS[eventType]
  if (reader === undefined) return null
  return {
    recipients: [],
    complaint: null,
    messageId: asString(mail?.['messageId']),
    reportingMta: null,
    ...reader(asObject(payload[eventType]) ?? {}, mail),
  }
}

const EVENT_READERS: Readonly<Record<string, (event: JsonObject, mail: JsonObject | null) => Partial<ProviderEvent>>> = {
  bounce: (event) => ({ recipients: readEventRecipients(event, 'bouncedRecipients', 'failed'), reportingMta: parseReportingMta(event) }),
  delivery: (event) => ({
    recipients: asArray(event['recipients']).flatMap((one) =>
      toEventRecipients(asString(one), 'delivered', asString(event['smtpResponse']) ?? ''),
    ),
    reportingMta: parseReportingMta(event),
  }),
  deliverydelay: (event) => ({ recipients: readEventRecipients(event, 'delayedRecipients', 'delayed') }),
  complaint: (event, mail) => ({ complaint: toComplaint(event, mail) }),
}

function parseReportingMta(event: JsonObject): string | null {
  return (
    asString(event['reportingMTA'])
      ?.replace(/^\s*dsn?s?;\s*/i, '')
      .trim()
      .toLowerCase() ?? null
  )
}

function toEventRecipients(
  address: string | null,
  action: DsnAction,
  diagnostic: string,
  status: string | null = null,
): ProviderEvent['recipients'] {
  const parsed = parseBareAddress(address ?? '')
  return parsed === null ? [] : [{ address: parsed, action, status, diagnostic }]
}

function readEventRecipients(event: JsonObject, list: string, action: DsnAction): ProviderEvent['recipients'] {
  return asArray(event[list]).flatMap((one) => {
    const recipient = asObject(one)
    return toEventRecipients(
      asString(recipient?.['emailAddress']),
      action,
      asString(recipient?.['diagnosticCode']) ?? '',
      asString(recipient?.['status']),
    )
  })
}

function toComplaint(event: JsonObject, mail: JsonObject | null): ComplaintReport {
  const recipients = asArray(event['complainedRecipients']).flatMap((one) =>
    toEventRecipients(asString(asObject(one)?.['emailAddress']), 'failed', ''),
  )
  const at = asString(event['timestamp'])
  return {
    ...createEmptyComplaint(),
    feedbackType: (asString(event['complaintFeedbackType']) ?? 'abuse').toLowerCase(),
    userAgent: asString(event['userAgent']),
    originalMailFrom: parseBareAddress(asString(mail?.['source']) ?? ''),
    originalRcptTo: recipients.map((one) => one.address),
    arrivalAt: at === null ? null : parseDate(at),
    sourceIp: asString(mail?.['sourceIp']),
  }
}
