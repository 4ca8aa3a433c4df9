/**
 * mail-body - reads the JSON of `/v1/mail/send` and `/v1/mail/send_mime`
 *
 * The limits are those of EngageLab's page "Deliveries". An optional field that is null, an empty text or an empty object is absent. The first
 * field that is wrong decides the refusal.
 *
 * Pure, total. See also: http/engagelab/mail-codes, http/engagelab/mail-send.
 */
import { z } from 'zod'
import { isReservedHeader } from '../../compose/header-set.ts'
import { readOriginator, type Originator } from '../../compose/originator.ts'
import { parseBareAddress } from '../../mail/mime/address.ts'
import { refuseField, type FieldProblem } from './mail-codes.ts'
import type { EngageLabRefusal } from './operation.ts'

/** EngageLab's limits. */
const MAX_ADDRESSES = 100
const MAX_REPLY_TO_ADDRESSES = 3
const MAX_SUBJECT_LENGTH = 256
const MAX_REQUEST_ID_LENGTH = 128
const MAX_VARS_BYTES = 1024 * 1024
const MAX_HEADERS_BYTES = 1024
const MAX_CUSTOM_ARGS_BYTES = 1024
const MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
/** As in our own API. */
const MAX_LABEL_LENGTH = 128
/** The longest line of RFC 5322 §2.1.1. */
const MAX_LINE_LENGTH = 998

const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/u

const isAbsent = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)

const absentAsNull = (value: unknown): unknown => (isAbsent(value) ? null : value)

/** Null if the field is absent. */
const optional = <T extends z.ZodType>(schema: T) => z.preprocess(absentAsNull, schema.nullable()).default(null)

const line = (maxLength: number) =>
  z
    .string()
    .max(maxLength)
    .refine((text) => !CONTROL_CHARACTERS.test(text))

/** RFC 5322 §3.5: no NUL in a mail. */
const content = z.string().refine((text) => !text.includes('\0'))

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))

const address = z.string().transform((text, context) => {
  const found = text.length <= MAX_LINE_LENGTH && !CONTROL_CHARACTERS.test(text) ? parseBareAddress(text) : null
  if (found === null) context.addIssue({ code: 'custom', message: 'not an address' })
  return found ?? ''
})

const addresses = (max: number) => z.array(address).min(1).max(max)

/** Reply-To keeps the names. */
const namedAddress = line(MAX_LINE_LENGTH).refine((text) => parseBareAddress(text) !== null)

const from = z.string().transform((text, context): Originator => {
  const found = readOriginator(text)
  if (found === null) context.addIssue({ code: 'custom', message: 'not one address' })
  return found ?? { displayName: '', address: '', domains: [] }
})

/** A number or a text; null is the empty text. */
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]).transform((value) => (value === null ? '' : String(value)))

const variableValue = scalar.refine((text) => !text.includes('\0'))

/** Names are written bare or between percent signs; texts contain `%name%`. */
const vars = z
  .record(
    z.string().min(1).max(128),
    z.union([
      z
        .array(variableValue)
        .min(1)
        .max(MAX_ADDRESSES * 3),
      variableValue.transform((value) => [value]),
    ]),
  )
  .refine((value) => jsonBytes(value) <= MAX_VARS_BYTES && Object.keys(value).length <= 256)
  .transform((value) => Object.fromEntries(Object.entries(value).map(([name, values]) => [fullNameOf(name), values])))

const fullNameOf = (name: string): string => (/^%.*%$/s.test(name) ? name : `%${name}%`)

const headers = z
  .record(
    z.string().regex(/^[!-9;-~]{1,76}$/),
    scalar.refine((text) => !CONTROL_CHARACTERS.test(text)),
  )
  .refine((value) => jsonBytes(value) <= MAX_HEADERS_BYTES && !Object.keys(value).some(isReservedHeader))

/** RFC 2045 §5.1, without parameters. */
const mediaType = z.string().regex(/^[\w.+-]{1,64}\/[\w.+-]{1,64}$/)
/** RFC 2392: what stands behind `cid:`; no character that could end the header field. */
const contentId = z.string().regex(/^[!-;=?-~]{1,128}$/)
const base64 = z.string().refine((text) => /^[A-Za-z0-9+/]*={0,2}$/.test(text.replaceAll(/\s/g, '')))

const attachment = z
  .object({
    content: base64,
    filename: line(255),
    type: optional(mediaType),
    disposition: optional(z.enum(['inline', 'attachment'])),
    content_id: optional(contentId),
  })
  .refine(({ disposition, content_id: id }) => disposition !== 'inline' || id !== null)

const attachments = z.array(attachment)

const settings = z.object({
  send_mode: optional(z.union([z.literal(0), z.literal(1), z.literal(2)])),
  return_email_id: optional(z.boolean()),
  sandbox: optional(z.boolean()),
  notification: optional(z.boolean()),
  open_tracking: optional(z.boolean()),
  click_tracking: optional(z.boolean()),
  unsubscribe_tracking: optional(z.boolean()),
})

const customArgs = z
  .record(z.string(), z.unknown())
  .refine((value) => jsonBytes(value) <= MAX_CUSTOM_ARGS_BYTES && !Object.keys(value).some((name) => name.includes('.')))

const labelId = z
  .union([z.int(), z.string().regex(/^\d{1,9}$/)])
  .transform(Number)
  .refine((value) => value >= 0 && value <= 999_999_999)

/** What both operations have in common. */
const COMMON_BODY = {
  cc: optional(addresses(MAX_ADDRESSES)),
  bcc: optional(addresses(MAX_ADDRESSES)),
  reply_to: optional(z.array(namedAddress).min(1).max(MAX_REPLY_TO_ADDRESSES)),
  vars: optional(vars),
  dynamic_vars: optional(z.unknown()),
  label_id: optional(labelId),
  label_name: optional(line(MAX_LABEL_LENGTH)),
  headers: optional(headers),
  settings: optional(settings),
}
const COMMON_FIELDS = { custom_args: optional(customArgs), request_id: optional(line(MAX_REQUEST_ID_LENGTH)) }

const MAIL_SCHEMA = z.object({
  from,
  to: addresses(MAX_ADDRESSES),
  body: z.object({
    subject: line(MAX_SUBJECT_LENGTH).min(1),
    content: z.object({ html: optional(content), text: optional(content), preview_text: optional(line(MAX_LINE_LENGTH)) }),
    ...COMMON_BODY,
    attachments: optional(attachments),
  }),
  ...COMMON_FIELDS,
})

const MIME_SCHEMA = z.object({
  from: optional(from),
  to: optional(addresses(MAX_ADDRESSES)),
  body: z.object({ content: z.object({ raw_message: z.string().min(1) }), ...COMMON_BODY }),
  ...COMMON_FIELDS,
})

export type EngageLabMail = z.output<typeof MAIL_SCHEMA>
export type EngageLabMime = z.output<typeof MIME_SCHEMA>
/** What both have in common. */
export type EngageLabEnvelope = Pick<EngageLabMail, 'custom_args' | 'request_id'> & {
  readonly body: Pick<EngageLabMail['body'], 'cc' | 'bcc' | 'vars' | 'dynamic_vars' | 'label_id' | 'label_name' | 'headers' | 'settings'>
}

type ReadResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: EngageLabRefusal }

/** Reads a mail of fields. */
export function readEngageLabMail(body: unknown): ReadResult<EngageLabMail> {
  const read = readWith(MAIL_SCHEMA, body)
  if (!read.ok) return read
  const { html, text } = read.value.body.content
  if ((html ?? '').trim() === '' && (text ?? '').trim() === '') return { ok: false, refusal: refuseField('body.content', 'empty') }
  const size = (read.value.body.attachments ?? []).reduce((sum, each) => sum + Buffer.byteLength(each.content, 'base64'), 0)
  return size > MAX_ATTACHMENT_BYTES ? { ok: false, refusal: refuseField('body.attachments', 'tooMany') } : read
}

/** Reads a mail of MIME. */
export function readEngageLabMime(body: unknown): ReadResult<EngageLabMime> {
  return readWith(MIME_SCHEMA, body)
}

function readWith<Schema extends z.ZodType>(schema: Schema, body: unknown): ReadResult<z.output<Schema>> {
  const parsed = schema.safeParse(body ?? {})
  if (parsed.success) return { ok: true, value: parsed.data }
  const [issue] = parsed.error.issues
  const whole = issue?.path ?? []
  const path = whole.filter((part) => typeof part === 'string')
  const field = path.length === 0 ? 'the body' : path.join('.')
  return { ok: false, refusal: refuseField(field, problemOf(issue, valueAt(body, whole))) }
}

function problemOf(issue: z.core.$ZodIssue | undefined, value: unknown): FieldProblem {
  if (isAbsent(value)) return 'empty'
  return issue?.code === 'too_big' && Array.isArray(value) ? 'tooMany' : 'invalid'
}

const valueAt = (body: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((value: unknown, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined), body)
