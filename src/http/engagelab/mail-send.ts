/**
 * mail-send - EngageLab's `/v1/mail/send` and `/v1/mail/send_mime`
 *
 * `send_mode` 0 sends each recipient a mail that shows only them; cc and bcc have no effect. 1 shows all recipients, and also sends to cc and
 * bcc. 2 is an address list, which is refused. `sandbox` checks the request and sends nothing.
 *
 * See also: http/engagelab/mail-body (fields and limits), service/submit/submit, docs/SENDCLOUD.md.
 */
import { Fault } from '../../errors.ts'
import { insertPreviewText } from '../../tracking/preview-text.ts'
import { CUSTOM_ARGS_HEADER } from '../../webhook/payload-format.ts'
import type { Composition } from '../../compose/composition.ts'
import { parseSenderMessageId } from '../../compose/header-set.ts'
import { parseSubmittedMessage } from '../../service/submit/submitted-message.ts'
import type { Submission, Submit } from '../../service/submit/submit.ts'
import { readEngageLabMail, readEngageLabMime, type EngageLabEnvelope, type EngageLabMail, type EngageLabMime } from './mail-body.ts'
import { MAIL_REFUSALS, refuseField } from './mail-codes.ts'
import type { EngageLabOperation, EngageLabOperationContext, EngageLabRefusal } from './operation.ts'

type SendNeeds = { readonly submit: Submit }

type SendResponse = { readonly email_ids?: readonly string[]; readonly request_id: string }

/** `POST /v1/mail/send`. */
export const sendEngageLabMail: EngageLabOperation<SendNeeds, SendResponse> = async (context) => {
  const read = readEngageLabMail(context.body)
  if (!read.ok) return read.refusal
  const mail = read.value
  const recipients = readRecipients(mail.to, mail)
  return 'code' in recipients ? recipients : submit(context, mail, toSubmission(mail, recipients))
}

/** `POST /v1/mail/send_mime`. */
export const sendEngageLabMime: EngageLabOperation<SendNeeds, SendResponse> = async (context) => {
  const read = readEngageLabMime(context.body)
  if (!read.ok) return read.refusal
  const submission = toMimeSubmission(read.value)
  return 'code' in submission ? submission : submit(context, read.value, submission)
}

/** `POST /v1/mail/sendtemplate`. */
export const refuseEngageLabTemplate: EngageLabOperation = () => Promise.resolve(MAIL_REFUSALS.templates)

/** `POST /v1/mail/sendcalendar`. */
export const refuseEngageLabCalendar: EngageLabOperation = () => Promise.resolve(MAIL_REFUSALS.calendars)

async function submit(
  { caller, services }: EngageLabOperationContext<SendNeeds>,
  { body, request_id: requestId }: EngageLabEnvelope,
  submission: Submission,
): Promise<SendResponse | EngageLabRefusal> {
  const answered = { request_id: requestId ?? '' }
  if (body.settings?.sandbox === true) return { email_ids: [], ...answered }
  try {
    const { recipients } = await services.submit(caller, submission)
    return body.settings?.return_email_id === false ? answered : { email_ids: recipients.map(({ emailId }) => emailId), ...answered }
  } catch (error) {
    const refusal = error instanceof Fault ? refusalOf(error) : null
    if (refusal === null) throw error
    return refusal
  }
}

function refusalOf({ code, message }: Fault): EngageLabRefusal | null {
  if (code === 'forbidden') return MAIL_REFUSALS.foreignSender
  if (code === 'not_found') return MAIL_REFUSALS.unknownLabel
  if (code === 'quota_exceeded') return MAIL_REFUSALS.quota
  if (code === 'bad_request' || code === 'header_invalid') return { code: 400, message }
  return code === 'insufficient_storage' ? { code: 507, message, status: 507 } : null
}

const BROADCAST_MODE = 1
const ADDRESS_LIST_MODE = 2

type Recipients = Pick<Submission, 'recipients'> & Pick<Composition, 'to' | 'cc'>

/** The recipients with their variables, and what To and Cc show. */
function readRecipients(to: readonly string[], { body }: EngageLabEnvelope): Recipients | EngageLabRefusal {
  if (body.settings?.send_mode === ADDRESS_LIST_MODE) return MAIL_REFUSALS.addressLists
  if (body.dynamic_vars !== null) return MAIL_REFUSALS.dynamicVars
  const isBroadcast = body.settings?.send_mode === BROADCAST_MODE
  const cc = isBroadcast ? (body.cc ?? []) : []
  const all = isBroadcast ? [...to, ...cc, ...(body.bcc ?? [])] : to
  const vars = Object.entries(body.vars ?? {})
  const counts = isBroadcast ? [1, to.length, all.length] : [all.length]
  const wrong = vars.find(([, values]) => !counts.includes(values.length))
  if (wrong !== undefined) return refuseField('body.vars', 'invalid', `${wrong[0]} needs one value for each recipient`)
  const recipients = all.map((recipient, index) => ({
    recipient,
    variables: Object.fromEntries(vars.map(([name, values]) => [name, values[index] ?? values[0] ?? ''])),
  }))
  return { recipients, to: isBroadcast ? to : null, cc }
}

function toSubmission(mail: EngageLabMail, { recipients, to, cc }: Recipients): Submission {
  const { from, body } = mail
  const { html, text, preview_text: preview } = body.content
  const headers = headersOf(mail)
  const messageId = Object.entries(headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  return {
    body: {
      from: from.address,
      fromName: from.displayName === '' ? null : from.displayName,
      replyTo: body.reply_to ?? [],
      to,
      cc,
      subject: body.subject,
      html: html === null || html.trim() === '' ? null : preview === null ? html : insertPreviewText(html, preview),
      plain: text === null || text.trim() === '' ? null : text,
      headers: {
        ...Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'message-id')),
        ...(body.settings?.notification === true ? { 'Disposition-Notification-To': from.address } : {}),
      },
      attachments: (body.attachments ?? []).map(({ filename, type, content, disposition, content_id: cid }) => ({
        name: filename,
        type: type ?? '',
        content: content.replaceAll(/\s/g, ''),
        cid: disposition === 'inline' ? cid : null,
      })),
      sections: {},
      raw: null,
      messageId: messageId === undefined ? null : parseSenderMessageId(messageId),
      emailType: 'trigger',
      tracking: trackingOf(mail),
    },
    originatorDomains: from.domains,
    recipients,
    label: labelOf(mail),
    userHeaders: headers,
    requestId: mail.request_id,
  }
}

/** The sender's headers, and custom_args in a header of its own, which webhooks return. */
function headersOf({ body, custom_args: customArgs }: EngageLabEnvelope): Readonly<Record<string, string>> {
  const hasCustomArgs = customArgs !== null && Object.keys(customArgs).length > 0
  return { ...body.headers, ...(hasCustomArgs ? { [CUSTOM_ARGS_HEADER]: JSON.stringify(customArgs) } : {}) }
}

/** Null: as the account is set (tracking/tracking-switches). */
const trackingOf = ({ body: { settings } }: EngageLabEnvelope): Composition['tracking'] => ({
  open: settings?.open_tracking ?? null,
  click: settings?.click_tracking ?? null,
  subscription: settings?.unsubscribe_tracking ?? null,
})

/** 0 is no label, as in the SendCloud API. */
const labelOf = ({ body: { label_id: id, label_name: name } }: EngageLabEnvelope): Submission['label'] =>
  id !== null && id > 0 ? { id } : name === null ? null : { name }

/** The most of a submitted mail (`submission.mailBytes`). */
const MAX_MIME_BYTES = 20 * 1024 * 1024

function toMimeSubmission(mime: EngageLabMime): Submission | EngageLabRefusal {
  const { body, from } = mime
  const raw = Buffer.from(withCrLf(body.content.raw_message), 'utf8')
  if (raw.length > MAX_MIME_BYTES) return refuseField('body.content.raw_message', 'tooMany')
  const parsed = parseSubmittedMessage(raw, { recipients: mime.to ?? [], labelId: null })
  if (!parsed.ok)
    return refuseField(parsed.refusal === 'noSender' ? 'from' : 'body.content.raw_message', 'invalid', MIME_PROBLEMS[parsed.refusal])
  const { submission } = parsed
  if (from !== null && from.address !== submission.body.from) return refuseField('from', 'invalid', 'it differs from From of raw_message')
  const to = submission.recipients.map(({ recipient }) => recipient)
  if (to.length === 0) return refuseField('to', 'empty')
  const recipients = readRecipients(to, mime)
  if ('code' in recipients) return recipients
  const hasVars = body.vars !== null
  return {
    ...submission,
    body: { ...submission.body, to: recipients.to === null ? null : [], tracking: trackingOf(mime) },
    recipients: hasVars ? recipients.recipients : recipients.recipients.map((each, index) => submission.recipients[index] ?? each),
    label: labelOf(mime),
    userHeaders: { ...submission.userHeaders, ...headersOf(mime) },
    requestId: mime.request_id,
  }
}

const MIME_PROBLEMS = {
  noSender: 'raw_message has no From, or several',
  ambiguousSender: 'From or Sender can be read in different ways',
  largeHeader: 'the header is too large',
  extension: 'X-SMTPAPI is invalid',
  manySeparate: 'X-SMTPAPI has more than 100 recipients',
} as const

/** JSON texts often have bare line feeds; RFC 5322 §2.3 asks for CR LF. */
const withCrLf = (text: string): string => text.replaceAll(/\r\n|\r|\n/g, '\r\n')
