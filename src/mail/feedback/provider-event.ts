/**
 * provider-event - a sending service's event as JSON in a mail
 *
 * Amazon's SNS mails what SES knows of a mail: bounces, complaints, deliveries. Pure, total.
 * https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html See also: mail/report.
 */
import { bareAddress } from '../mime/address.ts'
import { emptyFeedback } from './arf.ts'
import { parseDate } from '../mime/date.ts'
import { asList, asObject, asString, parseObject } from '../mime/json-reader.ts'
import type { JsonObject } from '../mime/json-reader.ts'
import type { Action, Complaint } from '../report.ts'

export type Notice = {
  readonly recipients: readonly {
    readonly address: string
    readonly action: Action
    readonly status: string | null
    readonly diagnostic: string
  }[]
  readonly complaint: Complaint | null
  readonly messageId: string | null
  readonly reportingMta: string | null
}

/** Reads a notification out of a mail's words; null when there is none. */
export function readNotification(text: string): Notice | null {
  if (!text.includes('notificationType') && !text.includes('eventType')) return null
  const outer = parseObject(text.replace(/\n[ \t]?/g, ''))
  const top = outer === null ? null : (parseObject(asString(outer['Message']) ?? '') ?? outer)
  const kind = (asString(top?.['notificationType']) ?? asString(top?.['eventType']) ?? '').toLowerCase()
  if (top === null || kind === '') return null
  const mail = asObject(top['mail'])
  const reader = KINDS[kind]
  if (reader === undefined) return null
  return {
    recipients: [],
    complaint: null,
    messageId: asString(mail?.['messageId']),
    reportingMta: null,
    ...reader(asObject(top[kind]) ?? {}, mail),
  }
}

const KINDS: Readonly<Record<string, (event: JsonObject, mail: JsonObject | null) => Partial<Notice>>> = {
  bounce: (event) => ({ recipients: recipientsOf(event, 'bouncedRecipients', 'failed'), reportingMta: mtaOf(event) }),
  delivery: (event) => ({
    recipients: asList(event['recipients']).flatMap((one) => named(asString(one), 'delivered', asString(event['smtpResponse']) ?? '')),
    reportingMta: mtaOf(event),
  }),
  deliverydelay: (event) => ({ recipients: recipientsOf(event, 'delayedRecipients', 'delayed') }),
  complaint: (event, mail) => ({ complaint: complaintOf(event, mail) }),
}

function mtaOf(event: JsonObject): string | null {
  return (
    asString(event['reportingMTA'])
      ?.replace(/^\s*dsn?s?;\s*/i, '')
      .trim()
      .toLowerCase() ?? null
  )
}

function named(address: string | null, action: Action, diagnostic: string, status: string | null = null): Notice['recipients'] {
  const bare = bareAddress(address ?? '')
  return bare === null ? [] : [{ address: bare, action, status, diagnostic }]
}

function recipientsOf(event: JsonObject, list: string, action: Action): Notice['recipients'] {
  return asList(event[list]).flatMap((one) => {
    const recipient = asObject(one)
    return named(
      asString(recipient?.['emailAddress']),
      action,
      asString(recipient?.['diagnosticCode']) ?? '',
      asString(recipient?.['status']),
    )
  })
}

function complaintOf(event: JsonObject, mail: JsonObject | null): Complaint {
  const complained = asList(event['complainedRecipients']).flatMap((one) => named(asString(asObject(one)?.['emailAddress']), 'failed', ''))
  const at = asString(event['timestamp'])
  return {
    ...emptyFeedback(),
    feedbackType: (asString(event['complaintFeedbackType']) ?? 'abuse').toLowerCase(),
    userAgent: asString(event['userAgent']),
    originalMailFrom: bareAddress(asString(mail?.['source']) ?? ''),
    originalRcptTo: complained.map((one) => one.address),
    arrivalAt: at === null ? null : parseDate(at),
    sourceIp: asString(mail?.['sourceIp']),
  }
}
