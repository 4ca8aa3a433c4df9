/**
 * registration-body - the body of `POST /v1/messages`
 *
 * See also: http/api/messages (the route), service/submit/register.
 */
import { z } from 'zod'
import { normaliseAddress } from '../../../correlate/address-hash.ts'
import { EMAIL_TYPES } from '../../../ledger/facts/delivery-facts.ts'
import type { Registration } from '../../../service/submit/register.ts'
import { strictObject } from '../../server/schemas.ts'
import { contentFields, toRegisteredContent } from '../track-html.ts'

const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** One line, because a line break would inject a header. RFC 5322 §2.1.1 allows 998 characters. */
const headerText = z
  .string()
  .max(998)
  .refine((text) => !CONTROL_CHARACTERS.test(text), 'must be one line without control characters')
const headerName = z
  .string()
  .max(76)
  .regex(/^[!-9;-~]+$/, 'must be a header name')

/** Far above the longest valid address (RFC 5321 §4.5.3.1: 64 + 1 + 255). An invalid address is registered with sub status 404. */
const addressSchema = z.string().min(1).max(1_000)

const queueIdSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[!-~]+$/, 'must have no spaces')
  .optional()
  .describe('Your own id of the mail, by which the log of your MTA names it (docs/FOLLOW.md)')

const recipientSchema = z.union([
  addressSchema,
  strictObject({
    recipient: addressSchema.nullable(),
    contactTypes: z.array(z.string().max(64)).max(32).optional(),
    token: z.string().min(30).max(320).optional().describe('The token of a message that was signed offline, or its Message-ID'),
    returnPath: z.string().min(30).max(320).optional().describe('The Return-Path that contains the token'),
    queueId: queueIdSchema,
  }).refine(({ token, returnPath }) => token === undefined || returnPath === undefined, 'set token or returnPath, not both'),
])

export const createRegistrationBody = (recipientsPerRequest: number) =>
  strictObject({
    from: z
      .string()
      .min(3)
      .max(998)
      .refine((text) => !CONTROL_CHARACTERS.test(text) && normaliseAddress(text) !== null, 'must contain an address')
      .describe('The From header of the message'),
    subject: headerText.default(''),
    recipients: z.array(recipientSchema).min(1).max(recipientsPerRequest, `at most ${recipientsPerRequest} (limits.recipientsPerRequest)`),
    label: z
      .string()
      .min(1)
      .max(128)
      .regex(/^\P{Cc}*$/u, 'must not contain control characters')
      .optional(),
    queueId: queueIdSchema,
    broadcast: z.string().min(1).max(128).optional().describe('The name of a broadcast; each address is sent to once per broadcast'),
    emailType: z.enum(EMAIL_TYPES).default('trigger'),
    headers: z.record(headerName, headerText).optional().describe('Custom headers; they are returned in webhooks and exports'),
    ...contentFields,
  }).refine(
    ({ html = '', plain = '', recipients }) => (html.length + plain.length) * recipients.length <= MAX_CONTENT_CHARACTERS,
    `html and plain, once for each recipient, must not exceed ${MAX_CONTENT_CHARACTERS} characters; name fewer recipients in a request`,
  )

/** The response contains the content of each copy, so its size is bounded. */
const MAX_CONTENT_CHARACTERS = 16_777_216

export function toRegistration(body: z.output<ReturnType<typeof createRegistrationBody>>): Registration {
  return {
    from: body.from,
    subject: body.subject,
    recipients: body.recipients.map((each) =>
      typeof each === 'string'
        ? { recipient: each, contactTypes: null, ...toQueueIdField(body.queueId) }
        : {
            recipient: each.recipient,
            contactTypes: each.contactTypes ?? null,
            ...toTokenField(each.token ?? each.returnPath),
            ...toQueueIdField(each.queueId ?? body.queueId),
          },
    ),
    label: body.label ?? null,
    broadcast: body.broadcast ?? null,
    emailType: body.emailType,
    headers: body.headers ?? {},
    content: toRegisteredContent(body),
  }
}

const toQueueIdField = (queueId: string | undefined): { queueId?: string } => (queueId === undefined ? {} : { queueId })

const toTokenField = (token: string | undefined): { token?: string } => (token === undefined ? {} : { token })
