/**
 * payload-format - one event in the dress that its endpoint chose
 *
 * | format             | content type                      | body                                                        |
 * |--------------------|-----------------------------------|-------------------------------------------------------------|
 * | form               | application/x-www-form-urlencoded | the vendor's fields; lists and records are JSON texts        |
 * | json               | application/json                  | the vendor's fields                                         |
 * | cloudevents        | application/cloudevents+json      | CloudEvents 1.0, structured; the vendor's fields in `data`   |
 * | cloudevents-binary | application/json                  | the vendor's fields; the attributes are headers (`ce-…`)     |
 * | engagelab          | application/json                  | EngageLab's, signed in three headers of its own              |
 *
 * The headers of Standard Webhooks go beside each of them. Pure. CloudEvents 1.0.2 (HTTP protocol binding §3.1, §3.2). See also: docs/WEBHOOKS.md.
 * See also: webhook/payload (the fields), webhook/signature.
 */
import { createHmac } from 'node:crypto'
import type { Fact } from '../ledger/facts/fact.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { WebhookEventName, WebhookPayload } from './payload.ts'

export type PayloadInput = {
  readonly payload: WebhookPayload
  readonly event: WebhookEventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** When it is sent. */
  readonly sentAt: number
  /** The secret in force: EngageLab's app key. */
  readonly secret: string
}

export type FormattedPayload = { readonly contentType: string; readonly body: string; readonly headers: Readonly<Record<string, string>> }

const FORMATTERS = {
  form: formatForm,
  json: ({ payload }) => ({ contentType: 'application/json', body: JSON.stringify(payload), headers: {} }),
  cloudevents: formatCloudEvent,
  'cloudevents-binary': formatBinaryCloudEvent,
  engagelab: formatEngagelab,
} as const satisfies Record<string, (input: PayloadInput) => FormattedPayload>

export type PayloadFormat = keyof typeof FORMATTERS

// The checked door: the keys of the literal above.
export const PAYLOAD_FORMATS: readonly PayloadFormat[] = Object.keys(FORMATTERS) as PayloadFormat[]

/** The body as bytes are sent, its content type, and what headers the format adds. Total. */
export function formatPayload(format: PayloadFormat, input: PayloadInput): FormattedPayload {
  return FORMATTERS[format](input)
}

/** Null is empty. */
function formatForm({ payload }: PayloadInput): FormattedPayload {
  const pairs = Object.entries(payload).map(([name, value]) => [name, formatField(value)])
  return { contentType: 'application/x-www-form-urlencoded', body: new URLSearchParams(pairs).toString(), headers: {} }
}

function formatField(value: WebhookPayload[string] | undefined): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

type CloudEventAttributes = Readonly<Record<'specversion' | 'id' | 'source' | 'type' | 'time', string>> & { readonly subject?: string }

/** Source and id together name the event: the same over retries, endpoints and formats. */
function cloudEventAttributesOf({ event, fact, delivery }: PayloadInput): CloudEventAttributes {
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

function formatCloudEvent(input: PayloadInput): FormattedPayload {
  const serialised = JSON.stringify({ ...cloudEventAttributesOf(input), datacontenttype: 'application/json', data: input.payload })
  return { contentType: 'application/cloudevents+json; charset=utf-8', body: serialised, headers: {} }
}

function formatBinaryCloudEvent(input: PayloadInput): FormattedPayload {
  const headers = Object.fromEntries(
    Object.entries(cloudEventAttributesOf(input)).map(([name, value]) => [`ce-${name}`, escapeHeader(value)]),
  )
  return { contentType: 'application/json', body: JSON.stringify(input.payload), headers }
}

/** HTTP protocol binding §3.1.3.2: what is not printable ASCII, and space, quote and percent, as bytes in hex. */
function escapeHeader(value: string): string {
  const escape = (byte: number): string =>
    byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  return Array.from(Buffer.from(value), escape).join('')
}

/** EngageLab's words for what happens at the sending; all else is an answer of the recipient's. */
const ENGAGELAB_STATUSES: Partial<Record<WebhookEventName, string>> = {
  request: 'target',
  deliver: 'delivered',
  invalid: 'invalid_email',
  soft_bounce: 'soft_bounce',
}

/** Fields that stand elsewhere in EngageLab's body, or are the other vendor's proof. */
const EXCLUDED_FIELDS = new Set(['event', 'timestamp', 'token', 'signature', 'userHeaders', 'category', 'maillistTaskId', 'messageId'])

function formatEngagelab({ payload, event, delivery, sentAt, secret }: PayloadInput): FormattedPayload {
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
    custom_args: payload['userHeaders'] ?? {},
    status: { message_status: status ?? event, status_data: status === null ? withoutContent(data) : data },
    ...(status === null ? { response: { event, response_data: data } } : {}),
  })
  const signature = createHmac('sha256', secret).update(String(sentAt)).digest('hex')
  const headers = { 'X-WebHook-Timestamp': String(sentAt), 'X-WebHook-AppKey': 'email', 'X-WebHook-Signature': signature }
  return { contentType: 'application/json; charset=utf-8', body: serialised, headers }
}

/** A mail's content stands once in a body, in the answer. */
const CONTENT_FIELDS = new Set(['html', 'text', 'raw_message', 'headers'])
const withoutContent = (data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(data).filter(([name]) => !CONTENT_FIELDS.has(name)))

/** What EngageLab calls otherwise. */
const RENAMED_FIELDS: Readonly<Record<string, string>> = { recipientArray: 'tos', mail_list_task_id: 'task_id' }

/** `subStatDesc` → `sub_stat_desc`. */
function toSnakeCase(name: string): string {
  return RENAMED_FIELDS[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
