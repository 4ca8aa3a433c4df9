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
import type { EventName, WebhookBody } from './payload.ts'

export type Message = {
  readonly body: WebhookBody
  readonly event: EventName
  readonly fact: Fact
  readonly delivery: DeliveryRow | null
  /** When it is sent. */
  readonly at: number
  /** The secret in force: EngageLab's app key. */
  readonly key: string
}

export type Written = { readonly type: string; readonly text: string; readonly headers: Readonly<Record<string, string>> }

const WRITERS = {
  form: writeForm,
  json: ({ body }) => ({ type: 'application/json', text: JSON.stringify(body), headers: {} }),
  cloudevents: writeStructured,
  'cloudevents-binary': writeBinary,
  engagelab: writeEngagelab,
} as const satisfies Record<string, (message: Message) => Written>

export type BodyFormat = keyof typeof WRITERS

// The checked door: the keys of the literal above.
export const BODY_FORMATS: readonly BodyFormat[] = Object.keys(WRITERS) as BodyFormat[]

/** The body as bytes are sent, its content type, and what headers the format adds. Total. */
export function writeBody(format: BodyFormat, message: Message): Written {
  return WRITERS[format](message)
}

/** Null is empty. */
function writeForm({ body }: Message): Written {
  const pairs = Object.entries(body).map(([name, value]) => [name, writeField(value)])
  return { type: 'application/x-www-form-urlencoded', text: new URLSearchParams(pairs).toString(), headers: {} }
}

function writeField(value: WebhookBody[string] | undefined): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

type Attributes = Readonly<Record<'specversion' | 'id' | 'source' | 'type' | 'time', string>> & { readonly subject?: string }

/** Source and id together name the event: the same over retries, endpoints and formats. */
function attributesOf({ event, fact, delivery }: Message): Attributes {
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

function writeStructured(message: Message): Written {
  const text = JSON.stringify({ ...attributesOf(message), datacontenttype: 'application/json', data: message.body })
  return { type: 'application/cloudevents+json; charset=utf-8', text, headers: {} }
}

function writeBinary(message: Message): Written {
  const headers = Object.fromEntries(Object.entries(attributesOf(message)).map(([name, value]) => [`ce-${name}`, escapeHeader(value)]))
  return { type: 'application/json', text: JSON.stringify(message.body), headers }
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
const STATUSES: Partial<Record<EventName, string>> = {
  request: 'target',
  deliver: 'delivered',
  invalid: 'invalid_email',
  soft_bounce: 'soft_bounce',
}

/** Fields that stand elsewhere in EngageLab's body, or are the other vendor's proof. */
const ELSEWHERE = new Set(['event', 'timestamp', 'token', 'signature', 'userHeaders', 'category', 'maillistTaskId', 'messageId'])

function writeEngagelab({ body, event, delivery, at, key }: Message): Written {
  const status = STATUSES[event] ?? null
  const fields = Object.entries(body).filter(([name]) => !ELSEWHERE.has(name))
  const isTarget = event === 'request'
  const sent = isTarget ? { from: delivery?.from ?? '', subject: delivery?.subject ?? '' } : {}
  const data = { ...Object.fromEntries(fields.map(([name, value]) => [snake(name), value])), ...sent }
  const text = JSON.stringify({
    message_id: delivery?.messageId ?? '',
    from: isTarget ? '' : (body['from'] ?? delivery?.from ?? ''),
    subject: isTarget ? '' : (body['subject'] ?? delivery?.subject ?? ''),
    to: isTarget ? '' : (body['to'] ?? delivery?.recipient ?? ''),
    server: 'email',
    itime: at,
    custom_args: body['userHeaders'] ?? {},
    status: { message_status: status ?? event, status_data: status === null ? withoutContent(data) : data },
    ...(status === null ? { response: { event, response_data: data } } : {}),
  })
  const signature = createHmac('sha256', key).update(String(at)).digest('hex')
  const headers = { 'X-WebHook-Timestamp': String(at), 'X-WebHook-AppKey': 'email', 'X-WebHook-Signature': signature }
  return { type: 'application/json; charset=utf-8', text, headers }
}

/** A mail's content stands once in a body, in the answer. */
const CONTENT = new Set(['html', 'text', 'raw_message', 'headers'])
const withoutContent = (data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(data).filter(([name]) => !CONTENT.has(name)))

/** What EngageLab calls otherwise. */
const RENAMED: Readonly<Record<string, string>> = { recipientArray: 'tos', mail_list_task_id: 'task_id' }

/** `subStatDesc` → `sub_stat_desc`. */
function snake(name: string): string {
  return RENAMED[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
