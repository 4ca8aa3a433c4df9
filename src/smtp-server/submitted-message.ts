/**
 * submitted-message - what a submitted mail says beside its text: from whom, with which variables, to whom
 *
 * The recipients are those of the envelope, unless X-SMTPAPI names separate ones. Every recipient gets a mail of his own. The sender's MIME is kept
 * whole; the extension and blind copies go at the send.
 *
 * Pure, total. See also: docs/SENDING.md, compose/x-smtpapi, compose/rewrite-mime, smtp-server/submission-session.
 */
import { splitFields, valueOf, writtenName, type FieldLine } from '../compose/header-line.ts'
import { ownMessageId } from '../compose/header-set.ts'
import { fits, readXSmtpApi, UNTRACKED, variablesAt, type XSmtpApi } from '../compose/x-smtpapi.ts'
import { addressesIn, bareAddress } from '../mail/mime/address.ts'
import { decodeWords } from '../mail/mime/header.ts'
import type { Submission } from '../service/submit/submit.ts'

export type Letter =
  | { readonly ok: true; readonly submission: Submission }
  | { readonly ok: false; readonly why: 'largeHeader' | 'noSender' | 'extension' | 'manySeparate' }

/** The envelope's side. */
export type Handed = { readonly recipients: readonly string[]; readonly labelId: number | null }

/** Mail programs write it in any case; webhooks give it back as the vendor does. */
const USER_PREFIX = 'SC-Custom-'

/** Headers that webhooks give back: more of them, or longer ones, are no marks of a mail. */
const MAX_USER_HEADERS = 100
const MAX_USER_VALUE = 998

/** Of all fields but the extension, whose own limit is larger; the largest real headers have a tenth. Each send reads it again. */
const MAX_HEADER = 262_144
/** As it is shown in a status; the mail keeps its own. */
const MAX_SUBJECT = 998

const NO_EXTENSION: XSmtpApi = { to: null, sub: {}, section: {}, tracking: UNTRACKED }

/** Reads a mail with CR LF line ends. */
export function readLetter(raw: Uint8Array, { recipients, labelId }: Handed): Letter {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength)
  const fields = splitFields(headOf(bytes))
  if (sizeOf(fields) > MAX_HEADER) return { ok: false, why: 'largeHeader' }
  const from = fromOf(fields)
  if (from === null) return { ok: false, why: 'noSender' }
  const extension = fields.filter(({ name }) => name === 'x-smtpapi').map(textValue)
  const read = extension.length === 0 ? ({ ok: true, value: NO_EXTENSION } as const) : readXSmtpApi(extension.join(''))
  if (!read.ok) return { ok: false, why: read.why === 'recipients' ? 'manySeparate' : 'extension' }
  const { to, sub, section, tracking } = read.value
  const all = to ?? recipients
  if (!fits(sub, all.length)) return { ok: false, why: 'extension' }
  const own = textOf(fields, 'message-id')
  const unsubscribe = textOf(fields, 'list-unsubscribe')
  return {
    ok: true,
    submission: {
      body: {
        from,
        fromName: null,
        replyTo: [],
        to: to === null ? [] : null,
        cc: [],
        subject: (textOf(fields, 'subject') ?? '').slice(0, MAX_SUBJECT),
        html: null,
        plain: null,
        headers: unsubscribe === null ? {} : { 'List-Unsubscribe': unsubscribe },
        attachments: [],
        sections: section,
        raw: bytes.toString('base64'),
        messageId: own === null ? null : ownMessageId(own),
        emailType: 'trigger',
        tracking,
      },
      recipients: all.map((recipient, index) => ({ recipient: bareAddress(recipient) ?? recipient, variables: variablesAt(sub, index) })),
      label: labelId === null ? null : { id: labelId },
      userHeaders: userHeadersOf(fields),
      requestId: null,
    },
  }
}

const sizeOf = (fields: readonly FieldLine[]): number =>
  fields.reduce((sum, { name, text }) => sum + (name === 'x-smtpapi' ? 0 : text.length), 0)

function headOf(bytes: Buffer): string {
  const end = bytes.indexOf('\r\n\r\n')
  return bytes.subarray(0, end < 0 ? bytes.length : end).toString('latin1')
}

/** One From with one address (RFC 5322 §3.6): of two, nobody could say which one is signed and which one is shown. */
function fromOf(fields: readonly FieldLine[]): string | null {
  const found = fields.filter(({ name }) => name === 'from')
  const [only] = found
  if (only === undefined || found.length > 1) return null
  const value = textValue(only)
  const bare = bareAddress(value)
  if (bare !== null) return bare
  const inside = addressesIn(value, 2)
  return inside.length === 1 ? (inside[0]?.address ?? null) : null
}

/** Without folds; mail programs write a value with quotes as encoded words. */
const textValue = (field: FieldLine): string => decodeWords(Buffer.from(valueOf(field), 'latin1').toString('utf8'))

function textOf(fields: readonly FieldLine[], name: string): string | null {
  const found = fields.find((field) => field.name === name)
  return found === undefined ? null : textValue(found)
}

function userHeadersOf(fields: readonly FieldLine[]): Readonly<Record<string, string>> {
  const found = fields.filter(({ name }) => name.startsWith('sc-custom-')).slice(0, MAX_USER_HEADERS)
  return Object.fromEntries(
    found.map((field) => [`${USER_PREFIX}${writtenName(field).slice(USER_PREFIX.length)}`, textValue(field).slice(0, MAX_USER_VALUE)]),
  )
}
