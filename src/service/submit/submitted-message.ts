/**
 * submitted-message - parses a submitted mail into a submission: sender, recipients, variables and user headers
 *
 * The recipients are those of the envelope, unless X-SMTPAPI names its own. Each recipient gets a separate mail. The sender's MIME structure
 * is kept; X-SMTPAPI, our own headers and Bcc are removed when the mail is sent.
 *
 * Pure, total. See also: docs/SENDING.md, compose/x-smtpapi, compose/rewrite-mime, smtp-server/submission-session.
 */
import { splitHeaderFields, fieldValueOf, fieldNameOf, type HeaderFieldLine } from '../../compose/header-line.ts'
import { parseSenderMessageId } from '../../compose/header-set.ts'
import { readOriginators } from '../../compose/originator.ts'
import { hasValuesForAll, readXSmtpApi, ACCOUNT_DEFAULT_TRACKING, variablesOfRecipient, type XSmtpApi } from '../../compose/x-smtpapi.ts'
import { parseBareAddress } from '../../mail/mime/address.ts'
import { decodeEncodedWords } from '../../mail/mime/encoded-word.ts'
import { isSendHeader } from './send-header.ts'
import type { Submission } from './submit.ts'

type Unacceptable = { readonly ok: false; readonly refusal: 'largeHeader' | 'noSender' | 'ambiguousSender' | 'extension' | 'manySeparate' }

type SubmittedMessage = { readonly ok: true; readonly submission: Submission } | Unacceptable

/** What the SMTP session knows about the mail. */
type SubmissionEnvelope = { readonly recipients: readonly string[]; readonly labelId: number | null }

/** Mail programs write the prefix in any case. Webhooks return it in SendCloud's spelling. */
const USER_HEADER_PREFIX = 'SC-Custom-'

/** User headers that webhooks return. Further ones, and characters beyond the limit, are ignored. */
const MAX_USER_HEADERS = 100
const MAX_USER_VALUE_CHARACTERS = 998

/** All fields but X-SMTPAPI, which has a larger limit of its own. The largest real headers have a tenth; each delivery parses them again. */
const MAX_HEADER_BYTES = 262_144
/** The subject that a status shows. The mail keeps its own. */
const MAX_SUBJECT_CHARACTERS = 998

const NO_EXTENSION: XSmtpApi = { to: null, sub: {}, section: {}, tracking: ACCOUNT_DEFAULT_TRACKING }

/** Parses a mail with CR LF line endings. Total. */
export function parseSubmittedMessage(raw: Uint8Array, { recipients, labelId }: SubmissionEnvelope): SubmittedMessage {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const fields = splitHeaderFields(headerOf(bytes))
  if (fieldBytes(fields) > MAX_HEADER_BYTES) return { ok: false, refusal: 'largeHeader' }
  const originators = readOriginators(fields)
  if (typeof originators === 'string') return { ok: false, refusal: originators === 'noSender' ? 'noSender' : 'ambiguousSender' }
  const extension = extensionOf(fields)
  if ('refusal' in extension) return extension
  const all = extension.to ?? recipients
  if (!hasValuesForAll(extension.sub, all.length)) return { ok: false, refusal: 'extension' }
  return {
    ok: true,
    submission: {
      body: bodyOf(bytes, { fields, from: originators.from, extension }),
      originatorDomains: originators.domains,
      recipients: all.map((recipient, index) => ({
        recipient: parseBareAddress(recipient) ?? recipient,
        variables: variablesOfRecipient(extension.sub, index),
      })),
      label: labelId === null ? null : { id: labelId },
      userHeaders: userHeadersOf(fields),
      requestId: null,
    },
  }
}

function extensionOf(fields: readonly HeaderFieldLine[]): XSmtpApi | Unacceptable {
  const values = fields.filter(({ name }) => name === 'x-smtpapi').map(decodedValue)
  if (values.length === 0) return NO_EXTENSION
  const result = readXSmtpApi(values.join(''))
  if (result.ok) return result.value
  return { ok: false, refusal: result.problem === 'recipients' ? 'manySeparate' : 'extension' }
}

type ParsedHeader = { readonly fields: readonly HeaderFieldLine[]; readonly from: string; readonly extension: XSmtpApi }

function bodyOf(bytes: Buffer, { fields, from, extension }: ParsedHeader): Submission['body'] {
  const messageId = decodedFieldOf(fields, 'message-id')
  const unsubscribe = decodedFieldOf(fields, 'list-unsubscribe')
  return {
    from,
    fromName: null,
    replyTo: [],
    to: extension.to === null ? [] : null,
    cc: [],
    subject: (decodedFieldOf(fields, 'subject') ?? '').slice(0, MAX_SUBJECT_CHARACTERS),
    html: null,
    plain: null,
    headers: {
      ...(unsubscribe === null ? {} : { 'List-Unsubscribe': unsubscribe }),
      ...sendHeadersOf(fields),
    },
    attachments: [],
    sections: extension.section,
    raw: bytes.toString('base64'),
    messageId: messageId === null ? null : parseSenderMessageId(messageId),
    emailType: 'trigger',
    tracking: extension.tracking,
  }
}

/** The instructions to us. Several of one name are one value, which nothing accepts. */
const sendHeadersOf = (fields: readonly HeaderFieldLine[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [
      ...Map.groupBy(
        fields.filter(({ name }) => isSendHeader(name)),
        ({ name }) => name,
      ),
    ].map(([name, all]) => [name, all.map(decodedValue).join(', ')]),
  )

const fieldBytes = (fields: readonly HeaderFieldLine[]): number =>
  fields.reduce((sum, { name, text }) => sum + (name === 'x-smtpapi' ? 0 : text.length), 0)

function headerOf(bytes: Buffer): string {
  const end = bytes.indexOf('\r\n\r\n')
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('latin1')
}

/** Returns a field's value unfolded and decoded. Mail programs write a value with quotes as encoded words (RFC 2047). */
const decodedValue = (field: HeaderFieldLine): string => decodeEncodedWords(Buffer.from(fieldValueOf(field), 'latin1').toString('utf8'))

function decodedFieldOf(fields: readonly HeaderFieldLine[], name: string): string | null {
  const found = fields.find((field) => field.name === name)
  return found === undefined ? null : decodedValue(found)
}

function userHeadersOf(fields: readonly HeaderFieldLine[]): Readonly<Record<string, string>> {
  const found = fields.filter(({ name }) => name.startsWith('sc-custom-')).slice(0, MAX_USER_HEADERS)
  return Object.fromEntries(
    found.map((field) => [
      `${USER_HEADER_PREFIX}${fieldNameOf(field).slice(USER_HEADER_PREFIX.length)}`,
      decodedValue(field).slice(0, MAX_USER_VALUE_CHARACTERS),
    ]),
  )
}
