/**
 * submitted-message - what a submitted mail says beside its text: from whom, with which variables, to whom
 *
 * The recipients are those of the envelope, unless X-SMTPAPI names separate ones. Every recipient gets a mail of his own. The sender's MIME is kept
 * whole; the extension and blind copies go at the send.
 *
 * Pure, total. See also: docs/SENDING.md, compose/x-smtpapi, compose/rewrite-mime, smtp-server/submission-session.
 */
import { splitHeaderFields, fieldValueOf, fieldNameOf, type HeaderFieldLine } from '../compose/header-line.ts'
import { parseSenderMessageId } from '../compose/header-set.ts'
import { hasValuesForAll, readXSmtpApi, ACCOUNT_DEFAULT_TRACKING, variablesOfRecipient, type XSmtpApi } from '../compose/x-smtpapi.ts'
import { extractAddresses, parseBareAddress } from '../mail/mime/address.ts'
import { decodeEncodedWords } from '../mail/mime/header.ts'
import type { Submission } from '../service/submit/submit.ts'

export type SubmittedMessage =
  | { readonly ok: true; readonly submission: Submission }
  | { readonly ok: false; readonly why: 'largeHeader' | 'noSender' | 'extension' | 'manySeparate' }

/** The envelope's side. */
export type SubmissionEnvelope = { readonly recipients: readonly string[]; readonly labelId: number | null }

/** Mail programs write it in any case; webhooks give it back as the vendor does. */
const USER_HEADER_PREFIX = 'SC-Custom-'

/** Headers that webhooks give back: more of them, or longer ones, are no marks of a mail. */
const MAX_USER_HEADERS = 100
const MAX_USER_VALUE_CHARACTERS = 998

/** Of all fields but the extension, whose own limit is larger; the largest real headers have a tenth. Each send reads it again. */
const MAX_HEADER_BYTES = 262_144
/** As it is shown in a status; the mail keeps its own. */
const MAX_SUBJECT_CHARACTERS = 998

const NO_EXTENSION: XSmtpApi = { to: null, sub: {}, section: {}, tracking: ACCOUNT_DEFAULT_TRACKING }

/** Reads a mail with CR LF line ends. */
export function parseSubmittedMessage(raw: Uint8Array, { recipients, labelId }: SubmissionEnvelope): SubmittedMessage {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const fields = splitHeaderFields(headerOf(bytes))
  if (fieldBytes(fields) > MAX_HEADER_BYTES) return { ok: false, why: 'largeHeader' }
  const from = fromOf(fields)
  if (from === null) return { ok: false, why: 'noSender' }
  const extension = fields.filter(({ name }) => name === 'x-smtpapi').map(decodedValue)
  const extensionResult = extension.length === 0 ? ({ ok: true, value: NO_EXTENSION } as const) : readXSmtpApi(extension.join(''))
  if (!extensionResult.ok) return { ok: false, why: extensionResult.why === 'recipients' ? 'manySeparate' : 'extension' }
  const { to, sub, section, tracking } = extensionResult.value
  const all = to ?? recipients
  if (!hasValuesForAll(sub, all.length)) return { ok: false, why: 'extension' }
  const sentMessageId = decodedFieldOf(fields, 'message-id')
  const unsubscribe = decodedFieldOf(fields, 'list-unsubscribe')
  return {
    ok: true,
    submission: {
      body: {
        from,
        fromName: null,
        replyTo: [],
        to: to === null ? [] : null,
        cc: [],
        subject: (decodedFieldOf(fields, 'subject') ?? '').slice(0, MAX_SUBJECT_CHARACTERS),
        html: null,
        plain: null,
        headers: unsubscribe === null ? {} : { 'List-Unsubscribe': unsubscribe },
        attachments: [],
        sections: section,
        raw: bytes.toString('base64'),
        messageId: sentMessageId === null ? null : parseSenderMessageId(sentMessageId),
        emailType: 'trigger',
        tracking,
      },
      recipients: all.map((recipient, index) => ({
        recipient: parseBareAddress(recipient) ?? recipient,
        variables: variablesOfRecipient(sub, index),
      })),
      label: labelId === null ? null : { id: labelId },
      userHeaders: userHeadersOf(fields),
      requestId: null,
    },
  }
}

const fieldBytes = (fields: readonly HeaderFieldLine[]): number =>
  fields.reduce((sum, { name, text }) => sum + (name === 'x-smtpapi' ? 0 : text.length), 0)

function headerOf(bytes: Buffer): string {
  const end = bytes.indexOf('\r\n\r\n')
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('latin1')
}

/** One From with one address (RFC 5322 §3.6): of two, nobody could say which one is signed and which one is shown. */
function fromOf(fields: readonly HeaderFieldLine[]): string | null {
  const found = fields.filter(({ name }) => name === 'from')
  const [only] = found
  if (only === undefined || found.length > 1) return null
  const value = decodedValue(only)
  const bare = parseBareAddress(value)
  if (bare !== null) return bare
  const addresses = extractAddresses(value, 2)
  return addresses.length === 1 ? (addresses[0]?.address ?? null) : null
}

/** Without folds; mail programs write a value with quotes as encoded words. */
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
