/**
 * mail-send - mail/send: one request becomes a mail for each of its recipients
 *
 * `to`, `cc` and `bcc` are sent one mail each and see what To and Cc show; recipients of `xsmtpapi.to` are sent separate mails in which they see
 * themselves alone, and then `to`, `cc` and `bcc` say nothing. A form, several parts, or JSON, whose lists and objects may stand as such.
 *
 * See also: http/sendcloud/mail-send-parameters (the codes), service/submit/submit, docs/SENDING.md.
 */
import type { FastifyRequest } from 'fastify'
import { ownMessageId } from '../../compose/header-set.ts'
import { MAX_RECIPIENTS, UNTRACKED, fits, variablesAt, type XSmtpApi } from '../../compose/x-smtpapi.ts'
import { Fault } from '../../errors.ts'
import { bareAddress } from '../../mail/mime/address.ts'
import type { Submission } from '../../service/submit/submit.ts'
import type { Operation } from './operation.ts'
import { envelope, type Envelope, type VendorCode } from './envelope.ts'
import { CONTENT, RECIPIENTS, SENDER } from './mail-send-parameters.ts'
import { readParameters, type Bag, type Values } from './parameters.ts'
import type { Form, UploadedFile } from '../server/upload.ts'

/** The vendor's bound, in octets. */
export const MAX_ATTACHMENTS = 10 * 1024 * 1024

/** The parameters of one request: the body wins over the query, and nothing is cut. */
export function sendBag(request: Pick<FastifyRequest, 'query' | 'body'>, form: Form | null): Bag {
  const bag = new Map<string, string>()
  for (const source of [request.query, form === null ? request.body : form.fields]) {
    if (typeof source !== 'object' || source === null) continue
    for (const [name, value] of Object.entries(source)) {
      const text = textOf(value)
      if (text !== null) bag.set(name, text)
    }
  }
  return bag
}

/** JSON's own lists and objects as the form would write them. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map((each) => textOf(each) ?? '').join(';')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : null
}

/** The operation with the files of its request. */
export function sendMail(files: readonly UploadedFile[]): Operation {
  return async (call) => {
    const read = readSubmission(call.bag, files)
    if (!read.ok) return read.answer
    try {
      const done = await call.desk.submit(call.by, read.submission)
      return envelope(200, read.withIds ? { emailIdList: done.recipients.map(({ emailId }) => emailId) } : {})
    } catch (error) {
      return answerOf(error)
    }
  }
}

/** Faults of the door that the vendor has a code for. */
const FAULT_CODES: Readonly<Partial<Record<Fault['code'], VendorCode>>> = { forbidden: 40802, not_found: 40015, quota_exceeded: 40913 }

function answerOf(error: unknown): Envelope {
  const code = error instanceof Fault ? FAULT_CODES[error.code] : undefined
  if (code !== undefined) return envelope(code)
  if (error instanceof Fault && error.code === 'bad_request') return envelope(501, {}, error.message)
  throw error
}

type Read =
  | { readonly ok: true; readonly submission: Submission; readonly withIds: boolean }
  | { readonly ok: false; readonly answer: Envelope }

const refused = (code: VendorCode, words?: string): Read => ({ ok: false, answer: envelope(code, {}, words) })

/** Reads a request, the first row that fails answering. Pure. */
function readSubmission(bag: Bag, files: readonly UploadedFile[]): Read {
  const sender = readParameters(SENDER, bag)
  if (!sender.ok) return refused(sender.code)
  const { xsmtpapi } = sender.values
  if (xsmtpapi === 'recipients') return refused(40807)
  const isSeparate = xsmtpapi !== null && xsmtpapi.to !== null
  const addressed = isSeparate ? { ok: true as const, values: NOBODY } : readParameters(RECIPIENTS, bag)
  if (!addressed.ok) return refused(addressed.code)
  const { to, cc, bcc } = addressed.values
  const all = xsmtpapi?.to ?? [...to, ...cc, ...bcc]
  if (all.length > MAX_RECIPIENTS) return refused(40807)
  const api = xsmtpapi ?? EMPTY
  if (!fits(api.sub, all.length)) return refused(40813)
  const content = readParameters(CONTENT, bag)
  if (!content.ok) return refused(content.code, content.code === 501 ? `${content.name} is invalid` : undefined)
  if (files.reduce((sum, file) => sum + file.content.length, 0) > MAX_ATTACHMENTS) return refused(40819)
  const html = bag.get('html') ?? ''
  const plain = bag.get('plain') ?? ''
  if (html.trim() === '' && plain.trim() === '') return refused(40870)
  const recipients = all.map((recipient, index) => ({ recipient, variables: variablesAt(api.sub, index) }))
  const shown = { to: isSeparate ? null : to.filter(isAddress), cc: cc.filter(isAddress) }
  const submission = { ...submissionOf(sender.values, content.values, { api, shown, html, plain, files }), recipients }
  return { ok: true, submission, withIds: content.values.respEmailId }
}

/** What is none is answered 404, and no reader is shown it. */
const isAddress = (text: string): boolean => bareAddress(text) !== null

const NOBODY: Values<typeof RECIPIENTS> = { to: [], cc: [], bcc: [] }
const EMPTY: XSmtpApi = { to: null, sub: {}, section: {}, tracking: UNTRACKED }

type Rest = {
  readonly api: XSmtpApi
  readonly shown: { readonly to: readonly string[] | null; readonly cc: readonly string[] }
  readonly html: string
  readonly plain: string
  readonly files: readonly UploadedFile[]
}

function submissionOf(
  { from, fromName }: Values<typeof SENDER>,
  { subject, replyTo, labelId, labelName, headers, sendRequestId }: Values<typeof CONTENT>,
  { api, shown, html, plain, files }: Rest,
): Omit<Submission, 'recipients'> {
  const own = Object.entries(headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  return {
    body: {
      from: bareAddress(from) ?? from,
      fromName: fromName ?? nameIn(from),
      replyTo,
      ...shown,
      subject,
      html: html.trim() === '' ? null : html,
      plain: plain.trim() === '' ? null : plain,
      headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'message-id')),
      attachments: files.map(({ name, type, content }) => ({ name, type, content: content.toString('base64'), cid: null })),
      sections: api.section,
      raw: null,
      messageId: own === undefined ? null : ownMessageId(own),
      emailType: 'trigger',
      tracking: api.tracking,
    },
    label: labelId > 0 ? { id: labelId } : labelName === null ? null : { name: labelName },
    userHeaders: headers,
    requestId: sendRequestId,
  }
}

/** `News <news@example.com>`: the name in front. */
function nameIn(from: string): string | null {
  const name = from
    .slice(0, Math.max(0, from.indexOf('<')))
    .trim()
    .replaceAll(/^"|"$/g, '')
  return name === '' ? null : name
}
