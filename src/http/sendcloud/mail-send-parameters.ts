/**
 * mail-send-parameters - the parameters of mail/send: how each is read, and the code of an invalid value
 *
 * The tables are in the order of the checks. Where SendCloud has no code, the code is 501 with our own message. Headers that we set ourselves,
 * and headers that describe the MIME structure, are dropped.
 *
 * See also: http/sendcloud/mail-send, docs/SENDING.md.
 */
import { readXSmtpApi, type XSmtpApiResult } from '../../compose/x-smtpapi.ts'
import { isReservedHeader } from '../../compose/header-set.ts'
import { readOriginator, readShownDomains, type Originator } from '../../compose/originator.ts'
import { asObject, asString } from '../../mail/mime/json-reader.ts'
import { parseBareAddress, parseAddress } from '../../mail/mime/address.ts'
import type { SendCloudCode } from './envelope.ts'
import { readList, readWhole, defineParameter } from './parameters.ts'

const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/u

/** The longest line of RFC 5322 §2.1.1. */
const MAX_LINE_LENGTH = 998
/** SendCloud's limit. */
const MAX_REQUEST_ID_LENGTH = 128
const MAX_REPLY_TO_ADDRESSES = 3
const MAX_LABEL_LENGTH = 128
const MAX_HEADERS = 100
const MAX_LISTED_ADDRESSES = 10_000

/** One line without control characters, because a line break would inject a header. */
const readLine = (text: string): string | null => (text.length <= MAX_LINE_LENGTH && !CONTROL_CHARACTERS.test(text) ? text : null)

/** A name in From, which must not look like an address that nobody has checked. */
const readFromName = (text: string): string | null => (readLine(text) === null || readShownDomains(text) === null ? null : text)

/** An address with or without a display name. */
const readAddressLine = (text: string): string | null =>
  text.length <= MAX_LINE_LENGTH && !CONTROL_CHARACTERS.test(text) && parseAddress(text) !== null ? text : null

/** One address that is not valid makes the list invalid. */
function readRecipients(text: string): readonly string[] | null {
  const found = readList(MAX_LISTED_ADDRESSES)(text)?.map(readRecipient) ?? [null]
  return found.some((each) => each === null) ? null : found.flatMap((each) => each ?? [])
}

const readRecipient = (text: string): string | null =>
  text.length <= MAX_LINE_LENGTH && !CONTROL_CHARACTERS.test(text) ? parseBareAddress(text) : null

function readReplyTo(text: string): readonly string[] | null {
  const found = readList(MAX_REPLY_TO_ADDRESSES)(text)
  return found === null || found.some((each) => readAddressLine(each) === null) ? null : found
}

const HEADER_NAME = /^[!-9;-~]{1,76}$/

function readHeaders(text: string): Readonly<Record<string, string>> | null {
  const fields = parseJson(text)
  if (fields === null || Object.keys(fields).length > MAX_HEADERS) return null
  const given = Object.entries(fields).filter(([, value]) => value !== null)
  const found = given.map(
    ([name, value]) => [name, readLine(typeof value === 'boolean' ? String(value) : (asString(value) ?? '\n'))] as const,
  )
  if (found.some(([name, value]) => value === null || !HEADER_NAME.test(name))) return null
  return Object.fromEntries(found.filter(([name]) => !isReservedHeader(name)).map(([name, value]) => [name, value ?? '']))
}

function parseJson(text: string): ReturnType<typeof asObject> {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return null
  }
}

const readText =
  (maxLength: number) =>
  (text: string): string | null =>
    text.length <= maxLength && !CONTROL_CHARACTERS.test(text) ? text : null

const readBoolean = (text: string): boolean | null => (/^(?:true|1)$/i.test(text) ? true : /^(?:false|0)$/i.test(text) ? false : null)

const readSmtpApi = (text: string): Extract<XSmtpApiResult, { ok: true }>['value'] | 'recipients' | null => {
  const read = readXSmtpApi(text)
  if (read.ok) return read.value
  return read.problem === 'recipients' ? 'recipients' : null
}

type SmtpApiValue = ReturnType<typeof readSmtpApi>
type TextList = readonly string[]
type HeaderMap = Readonly<Record<string, string>>

const createSwitch = (name: string, invalidCode: SendCloudCode) =>
  defineParameter<boolean>({ names: [name], missingCode: null, invalidCode, read: readBoolean, defaultValue: false })

/** What we do not do. Checked first: such a request must never reach a part of its recipients. */
export const UNSUPPORTED_PARAMETERS = {
  useAddressList: createSwitch('useAddressList', 40874),
  use_maillist: createSwitch('use_maillist', 40874),
  gzipCompress: createSwitch('gzipCompress', 40861),
  gzip_compress: createSwitch('gzip_compress', 40861),
}

/** Checked before the recipients, because xsmtpapi may contain them. */
export const SENDER_PARAMETERS = {
  from: defineParameter<Originator>({
    names: ['from'],
    missingCode: 40801,
    invalidCode: 40802,
    read: readOriginator,
    defaultValue: { displayName: '', address: '', domains: [] },
  }),
  fromName: defineParameter<string | null>({
    names: ['fromName', 'fromname'],
    missingCode: null,
    invalidCode: 40804,
    read: readFromName,
    defaultValue: null,
  }),
  xsmtpapi: defineParameter<SmtpApiValue>({
    names: ['xsmtpapi', 'x_smtpapi'],
    missingCode: null,
    invalidCode: 40813,
    read: readSmtpApi,
    defaultValue: null,
  }),
}

/** Checked only if xsmtpapi has no recipients. */
export const RECIPIENT_PARAMETERS = {
  to: defineParameter<TextList>({ names: ['to'], missingCode: 40805, invalidCode: 40806, read: readRecipients, defaultValue: [] }),
  cc: defineParameter<TextList>({ names: ['cc'], missingCode: null, invalidCode: 40853, read: readRecipients, defaultValue: [] }),
  bcc: defineParameter<TextList>({ names: ['bcc'], missingCode: null, invalidCode: 40856, read: readRecipients, defaultValue: [] }),
}

/** Checked after the recipients. */
export const CONTENT_PARAMETERS = {
  subject: defineParameter<string>({ names: ['subject'], missingCode: 40808, invalidCode: 40809, read: readLine, defaultValue: '' }),
  replyTo: defineParameter<TextList>({
    names: ['replyTo', 'replyto'],
    missingCode: null,
    invalidCode: 40879,
    read: readReplyTo,
    defaultValue: [],
  }),
  labelId: defineParameter<number>({
    names: ['labelId'],
    missingCode: null,
    blankCode: 40014,
    invalidCode: 40015,
    read: readWhole(0, 999_999_999),
    defaultValue: 0,
  }),
  labelName: defineParameter<string | null>({
    names: ['labelName'],
    missingCode: null,
    invalidCode: 40015,
    read: readText(MAX_LABEL_LENGTH),
    defaultValue: null,
  }),
  headers: defineParameter<HeaderMap>({ names: ['headers'], missingCode: null, invalidCode: 40869, read: readHeaders, defaultValue: {} }),
  useNotification: createSwitch('useNotification', 40829),
  dispositionNotificationTo: defineParameter<string | null>({
    names: ['dispositionNotificationTo'],
    missingCode: null,
    invalidCode: 40829,
    read: readAddressLine,
    defaultValue: null,
  }),
  contentSummary: defineParameter<string | null>({
    names: ['contentSummary'],
    missingCode: null,
    invalidCode: 501,
    read: readLine,
    defaultValue: null,
  }),
  sendRequestId: defineParameter<string | null>({
    names: ['sendRequestId'],
    missingCode: null,
    invalidCode: 501,
    read: readText(MAX_REQUEST_ID_LENGTH),
    defaultValue: null,
  }),
  respEmailId: defineParameter<boolean>({
    names: ['respEmailId'],
    missingCode: null,
    invalidCode: 40859,
    read: readBoolean,
    defaultValue: true,
  }),
}
