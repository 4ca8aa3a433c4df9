/**
 * mail-send - SendCloud's mail/send: sends one message to each recipient of a request
 *
 * Each address in `to`, `cc` and `bcc` gets its own message, with the same To and Cc headers. Each address in `xsmtpapi.to` gets a message that
 * shows only that recipient; `to`, `cc` and `bcc` are then ignored. The body is a form, a multipart form or JSON; in JSON, lists and objects need
 * not be encoded as strings.
 *
 * See also: http/sendcloud/mail-send-parameters (the codes), service/submit/submit, docs/SENDING.md.
 */
import type { FastifyRequest } from 'fastify'
import { parseSenderMessageId } from '../../compose/header-set.ts'
import { readShownDomains } from '../../compose/originator.ts'
import {
  MAX_XSMTPAPI_RECIPIENTS,
  ACCOUNT_DEFAULT_TRACKING,
  hasValuesForAll,
  variablesOfRecipient,
  type XSmtpApi,
} from '../../compose/x-smtpapi.ts'
import { Fault } from '../../errors.ts'
import { insertPreviewText } from '../../tracking/preview-text.ts'
import type { Submission, Submit } from '../../service/submit/submit.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope, type SendCloudEnvelope, type SendCloudCode } from './envelope.ts'
import { CONTENT_PARAMETERS, RECIPIENT_PARAMETERS, SENDER_PARAMETERS, UNSUPPORTED_PARAMETERS } from './mail-send-parameters.ts'
import { readParameters, type RequestParameters, type ParameterValues } from './parameters.ts'
import type { MultipartForm, UploadedFile } from '../server/upload.ts'

export type SendNeeds = { readonly submit: Submit }

/** SendCloud's limit, in octets. */
export const MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024

/** Collects the parameters of a request without truncating them. The body overrides the query. Total. */
export function collectSendParameters(request: Pick<FastifyRequest, 'query' | 'body'>, form: MultipartForm | null): RequestParameters {
  const parameters = new Map<string, string>()
  for (const source of [request.query, form === null ? request.body : form.fields]) {
    if (typeof source !== 'object' || source === null) continue
    for (const [name, value] of Object.entries(source)) {
      const text = toFormText(value)
      if (text !== null) parameters.set(name, text)
    }
  }
  return parameters
}

/** Converts a JSON value to the text that a form would contain. */
function toFormText(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return value.map((each) => toFormText(each) ?? '').join(';')
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : null
}

/** Creates the operation for the files of one request. */
export function createSendOperation(files: readonly UploadedFile[]): SendCloudOperation<SendNeeds> {
  return async (context) => {
    const read = readSubmission(context.parameters, files)
    if (!read.ok) return read.envelope
    try {
      const submitted = await context.services.submit(context.caller, read.submission)
      return createEnvelope(200, read.returnsEmailIds ? { emailIdList: submitted.recipients.map(({ emailId }) => emailId) } : {})
    } catch (error) {
      return toFaultEnvelope(error)
    }
  }
}

/** Faults of the submission that SendCloud has a code for. */
const FAULT_CODES: Readonly<Partial<Record<Fault['code'], SendCloudCode>>> = { forbidden: 40802, not_found: 40015, quota_exceeded: 40913 }

/** Faults without a code of SendCloud whose message the client can act on. */
const MESSAGE_FAULTS: readonly Fault['code'][] = ['bad_request', 'header_invalid', 'insufficient_storage']

function toFaultEnvelope(error: unknown): SendCloudEnvelope {
  const code = error instanceof Fault ? FAULT_CODES[error.code] : undefined
  if (code !== undefined) return createEnvelope(code)
  if (error instanceof Fault && MESSAGE_FAULTS.includes(error.code)) return createEnvelope(501, {}, error.message)
  throw error
}

type SubmissionResult =
  | { readonly ok: true; readonly submission: Submission; readonly returnsEmailIds: boolean }
  | { readonly ok: false; readonly envelope: SendCloudEnvelope }

const refuseSubmission = (code: SendCloudCode, message?: string): SubmissionResult => ({
  ok: false,
  envelope: createEnvelope(code, {}, message),
})

/** Reads a request; the first invalid parameter decides the error. Pure. */
function readSubmission(parameters: RequestParameters, files: readonly UploadedFile[]): SubmissionResult {
  const unsupported = findUnsupported(parameters)
  if (unsupported !== null) return unsupported
  const sender = readParameters(SENDER_PARAMETERS, parameters)
  if (!sender.ok) return refuseSubmission(sender.code)
  const { xsmtpapi } = sender.values
  if (xsmtpapi === 'recipients') return refuseSubmission(40807)
  const isSeparate = xsmtpapi !== null && xsmtpapi.to !== null
  const recipientsResult = isSeparate ? { ok: true as const, values: NO_RECIPIENTS } : readParameters(RECIPIENT_PARAMETERS, parameters)
  if (!recipientsResult.ok) return refuseSubmission(recipientsResult.code)
  const { to, cc, bcc } = recipientsResult.values
  const allRecipients = xsmtpapi?.to ?? [...to, ...cc, ...bcc]
  if (allRecipients.length > MAX_XSMTPAPI_RECIPIENTS) return refuseSubmission(40807)
  const smtpApi = xsmtpapi ?? EMPTY_XSMTPAPI
  if (!hasValuesForAll(smtpApi.sub, allRecipients.length)) return refuseSubmission(40813)
  const content = readParameters(CONTENT_PARAMETERS, parameters)
  if (!content.ok) return refuseSubmission(content.code, content.code === 501 ? `${content.name} is invalid` : undefined)
  if (files.reduce((sum, file) => sum + file.content.length, 0) > MAX_ATTACHMENT_BYTES) return refuseSubmission(40819)
  const html = parameters.get('html') ?? ''
  const plain = parameters.get('plain') ?? ''
  if (html.trim() === '' && plain.trim() === '') return refuseSubmission(40870)
  // RFC 5322 §3.5: no NUL in a mail. Programs cut or drop what contains one.
  if (html.includes('\0')) return refuseSubmission(40871, 'html is invalid: it contains NUL')
  if (plain.includes('\0')) return refuseSubmission(40831, 'plain is invalid: it contains NUL')
  const recipients = allRecipients.map((recipient, index) => ({ recipient, variables: variablesOfRecipient(smtpApi.sub, index) }))
  const visibleRecipients = { to: isSeparate ? null : to, cc }
  const submission = { ...toSubmission(sender.values, content.values, { smtpApi, visibleRecipients, html, plain, files }), recipients }
  return { ok: true, submission, returnsEmailIds: content.values.respEmailId }
}

/** Address lists and compressed content: asked for, or asked for in a way that cannot be read. */
function findUnsupported(parameters: RequestParameters): SubmissionResult | null {
  const read = readParameters(UNSUPPORTED_PARAMETERS, parameters)
  if (!read.ok) return refuseSubmission(read.code, `${read.name} is invalid: true or false`)
  const { useAddressList, use_maillist: useMailList, gzipCompress, gzip_compress: gzipBody } = read.values
  if (useAddressList || useMailList)
    return refuseSubmission(
      40820,
      `${useAddressList ? 'useAddressList' : 'use_maillist'}: address lists are not supported; name the recipients in to`,
    )
  return gzipCompress || gzipBody ? refuseSubmission(40861) : null
}

const NO_RECIPIENTS: ParameterValues<typeof RECIPIENT_PARAMETERS> = { to: [], cc: [], bcc: [] }
const EMPTY_XSMTPAPI: XSmtpApi = { to: null, sub: {}, section: {}, tracking: ACCOUNT_DEFAULT_TRACKING }

type SubmissionParts = {
  readonly smtpApi: XSmtpApi
  readonly visibleRecipients: { readonly to: readonly string[] | null; readonly cc: readonly string[] }
  readonly html: string
  readonly plain: string
  readonly files: readonly UploadedFile[]
}

function toSubmission(
  { from, fromName }: ParameterValues<typeof SENDER_PARAMETERS>,
  content: ParameterValues<typeof CONTENT_PARAMETERS>,
  { smtpApi, visibleRecipients, html, plain, files }: SubmissionParts,
): Omit<Submission, 'recipients'> {
  const { subject, replyTo, labelId, labelName, headers, sendRequestId, contentSummary } = content
  const messageIdHeader = Object.entries(headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  return {
    body: {
      from: from.address,
      fromName: fromName ?? (from.displayName === '' ? null : from.displayName),
      replyTo,
      ...visibleRecipients,
      subject,
      html: html.trim() === '' ? null : contentSummary === null ? html : insertPreviewText(html, contentSummary),
      plain: plain.trim() === '' ? null : plain,
      headers: Object.fromEntries([
        ...Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'message-id'),
        ...notificationFields(content, from.address),
      ]),
      attachments: files.map(({ name, type, content }) => ({ name, type, content: content.toString('base64'), cid: null })),
      sections: smtpApi.section,
      raw: null,
      messageId: messageIdHeader === undefined ? null : parseSenderMessageId(messageIdHeader),
      emailType: 'trigger',
      tracking: smtpApi.tracking,
    },
    originatorDomains: [...from.domains, ...(readShownDomains(fromName ?? '') ?? [])],
    label: labelId > 0 ? { id: labelId } : labelName === null ? null : { name: labelName },
    userHeaders: headers,
    requestId: sendRequestId,
  }
}

/** The request for a read receipt (RFC 8098 §2.1), unless `headers` contains one. */
function notificationFields(
  { headers, useNotification, dispositionNotificationTo }: ParameterValues<typeof CONTENT_PARAMETERS>,
  from: string,
): readonly (readonly [string, string])[] {
  const to = dispositionNotificationTo ?? (useNotification ? from : null)
  const isGiven = Object.keys(headers).some((name) => name.toLowerCase() === 'disposition-notification-to')
  return to === null || isGiven ? [] : [['Disposition-Notification-To', to]]
}
