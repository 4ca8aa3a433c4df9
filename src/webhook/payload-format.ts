/**
 * payload-format - formats one event as the endpoint has chosen
 *
 * | format             | content type                      | body                                                        |
 * |--------------------|-----------------------------------|-------------------------------------------------------------|
 * | bounced            | application/json                  | our own words (formats/own-event)                            |
 * | form               | application/x-www-form-urlencoded | SendCloud's fields; lists and objects are JSON strings       |
 * | json               | application/json                  | SendCloud's fields                                          |
 * | cloudevents        | application/cloudevents+json      | CloudEvents 1.0, structured; SendCloud's fields in `data`    |
 * | cloudevents-binary | application/json                  | SendCloud's fields; the attributes are headers (`ce-…`)      |
 * | engagelab          | application/json                  | EngageLab's fields, signed in three headers of its own       |
 * | ses                | text/plain                        | an SNS notification with an event of SES (formats/ses-event) |
 * | sendgrid           | application/json                  | an array with one event (formats/sendgrid-event)             |
 * | postmark           | application/json                  | one object by RecordType (formats/postmark-event)            |
 *
 * Every format also carries the headers of Standard Webhooks. A format without a word for an event does not send it.
 *
 * CloudEvents 1.0.2 (HTTP protocol binding §3.1, §3.2). See also: webhook/payload (the fields), webhook/signature, docs/WEBHOOKS.md.
 */
import { asObject, parseJsonObject } from '../mail/mime/json-reader.ts'
import { createHmac } from 'node:crypto'
import { toJsonPayload, type EventMessage, type FormattedPayload } from './event-message.ts'
import { formatOwnEvent } from './formats/own-event.ts'
import { formatPostmarkEvent, hasPostmarkWord } from './formats/postmark-event.ts'
import { formatSendgridEvent, hasSendgridWord } from './formats/sendgrid-event.ts'
import { formatSesEvent, hasSesWord } from './formats/ses-event.ts'
import type { WebhookEventName, WebhookPayload } from './payload.ts'

type FormatRow = {
  /** Null: there is nothing to send. */
  readonly format: (message: EventMessage) => FormattedPayload | null
  /** Which events it has a word for; absent: all. */
  readonly hasWord?: (event: WebhookEventName) => boolean
}

const FORMATS = {
  bounced: { format: formatOwnEvent },
  form: { format: formatForm },
  json: { format: ({ payload }) => toJsonPayload(payload) },
  cloudevents: { format: formatCloudEvent },
  'cloudevents-binary': { format: formatBinaryCloudEvent },
  engagelab: { format: formatEngageLab },
  ses: { format: formatSesEvent, hasWord: hasSesWord },
  sendgrid: { format: formatSendgridEvent, hasWord: hasSendgridWord },
  postmark: { format: formatPostmarkEvent, hasWord: hasPostmarkWord },
} as const satisfies Record<string, FormatRow>

export type PayloadFormat = keyof typeof FORMATS

// Checked cast: the keys of the literal above.
export const PAYLOAD_FORMATS: readonly PayloadFormat[] = Object.keys(FORMATS) as PayloadFormat[]

/** Whether a format can say that an event happened. */
export function hasWordFor(format: PayloadFormat, event: WebhookEventName): boolean {
  const row: FormatRow = FORMATS[format]
  return row.hasWord?.(event) ?? true
}

/** Returns the body, its content type, and the headers that the format adds; null: the format has no word for the event. Total. */
export function formatPayload(format: PayloadFormat, message: EventMessage): FormattedPayload | null {
  return FORMATS[format].format(message)
}

/** Null becomes an empty string. */
function formatForm({ payload }: EventMessage): FormattedPayload {
  const pairs = Object.entries(payload).map(([name, value]) => [name, formatField(value)])
  return { contentType: 'application/x-www-form-urlencoded', body: new URLSearchParams(pairs).toString(), headers: {} }
}

function formatField(value: WebhookPayload[string] | undefined): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

type CloudEventAttributes = Readonly<Record<'specversion' | 'id' | 'source' | 'type' | 'time', string>> & { readonly subject?: string }

/** Source and ID identify the event; they are the same for all retries, endpoints and formats. */
function cloudEventAttributesOf({ event, fact, delivery }: EventMessage): CloudEventAttributes {
  const subject = delivery?.emailId ?? ''
  return {
    specversion: '1.0',
    id: fact.id,
    source: `/accounts/${fact.account}`,
    type: `bounced.${event}`,
    time: new Date(fact.at).toISOString(),
    ...(subject === '' ? {} : { subject }),
  }
}

function formatCloudEvent(input: EventMessage): FormattedPayload {
  const serialised = JSON.stringify({ ...cloudEventAttributesOf(input), datacontenttype: 'application/json', data: input.payload })
  return { contentType: 'application/cloudevents+json; charset=utf-8', body: serialised, headers: {} }
}

function formatBinaryCloudEvent(input: EventMessage): FormattedPayload {
  const headers = Object.fromEntries(
    Object.entries(cloudEventAttributesOf(input)).map(([name, value]) => [`ce-${name}`, escapeHeader(value)]),
  )
  return { ...toJsonPayload(input.payload), headers }
}

/** Percent-encodes non-printable and non-ASCII bytes, spaces, quotes and percent signs. HTTP protocol binding §3.1.3.2. */
function escapeHeader(value: string): string {
  const escape = (byte: number): string =>
    byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return Array.from(Buffer.from(value), escape).join('')
}

/** EngageLab's names of sending events. All other events are responses of the recipient. */
const ENGAGELAB_STATUSES: Partial<Record<WebhookEventName, string>> = {
  request: 'target',
  deliver: 'delivered',
  invalid: 'invalid_email',
  soft_bounce: 'soft_bounce',
  deferred: 'deferred',
}

/** Fields that are elsewhere in EngageLab's body, or belong to SendCloud's signature. */
const EXCLUDED_FIELDS = new Set(['event', 'timestamp', 'token', 'signature', 'userHeaders', 'category', 'maillistTaskId', 'messageId'])

function formatEngageLab({ payload, event, delivery, sentAt, secret }: EventMessage): FormattedPayload {
  const status = ENGAGELAB_STATUSES[event] ?? null
  const fields = Object.entries(payload).filter(([name]) => !EXCLUDED_FIELDS.has(name))
  const isTarget = event === 'request'
  const requestFields = isTarget ? { from: delivery?.from ?? '', subject: delivery?.subject ?? '' } : {}
  const data = { ...Object.fromEntries(fields.map(([name, value]) => [toSnakeCase(name), value])), ...requestFields }
  const serialised = JSON.stringify({
    message_id: delivery?.messageId ?? '',
    from: isTarget ? '' : (payload['from'] ?? delivery?.from ?? ''),
    subject: isTarget ? '' : (payload['subject'] ?? delivery?.subject ?? ''),
    to: isTarget ? '' : (payload['to'] ?? delivery?.recipient ?? ''),
    server: 'email',
    itime: sentAt,
    custom_args: customArgsOf(payload['userHeaders']),
    status: { message_status: status ?? event, status_data: status === null ? withoutContent(data) : data },
    ...(status === null ? { response: { event, response_data: data } } : {}),
  })
  const signature = createHmac('sha256', secret).update(String(sentAt)).digest('hex')
  const headers = { 'X-WebHook-Timestamp': String(sentAt), 'X-WebHook-AppKey': 'email', 'X-WebHook-Signature': signature }
  return { contentType: 'application/json; charset=utf-8', body: serialised, headers }
}

/** The header that carries the custom_args of a mail as JSON, beside the sender's own user headers. */
export const CUSTOM_ARGS_HEADER = 'SC-Custom-Args'

/** What the sender gave as custom_args, and its user headers. */
function customArgsOf(userHeaders: unknown): object {
  const { [CUSTOM_ARGS_HEADER]: text, ...others } = asObject(userHeaders) ?? {}
  return { ...others, ...(typeof text === 'string' ? parseJsonObject(text) : null) }
}

/** The content of a message appears only once in a body, in the response data. */
const CONTENT_FIELDS = new Set(['html', 'text', 'raw_message', 'headers'])
const withoutContent = (data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(data).filter(([name]) => !CONTENT_FIELDS.has(name)))

/** Fields that EngageLab names differently. */
const RENAMED_FIELDS: Readonly<Record<string, string>> = {
  recipientArray: 'tos',
  mail_list_task_id: 'task_id',
  oSName: 'os_name',
  oSVer: 'os_ver',
}

/** `subStatDesc` → `sub_stat_desc`. */
function toSnakeCase(name: string): string {
  return RENAMED_FIELDS[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
