/**
 * mail-send-parameters - the parameters of mail/send: how each is read, and by which code it is refused
 *
 * In the order in which they are looked at. What the vendor has no code for is 501 with our words. A header that the mail gets from us, or that
 * says how it is built, is left out.
 *
 * See also: http/sendcloud/mail-send, docs/SENDING.md.
 */
import { readXSmtpApi, type XSmtpApiRead } from '../../compose/x-smtpapi.ts'
import { isOwnHeader } from '../../compose/header-set.ts'
import { asObject, asString } from '../../mail/mime/json-reader.ts'
import { bareAddress, parseAddress } from '../../mail/mime/address.ts'
import { readList, readWhole, parameter } from './parameters.ts'

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f\u2028\u2029]/u

/** RFC 5322 §2.1.1 allows so many in one line. */
const MAX_LINE = 998
/** Longer is no address (RFC 5321 §4.5.3.1), nor a mistyped one. */
const MAX_ADDRESS = 320
/** The vendor's bound. */
const MAX_REQUEST_ID = 128
const MAX_REPLY_TO = 3
const MAX_LABEL = 128
const MAX_HEADERS = 100
const MOST = 10_000

/** One line without controls: a line end would begin a header of the writer's choice. */
const readLine = (text: string): string | null => (text.length <= MAX_LINE && !CONTROLS.test(text) ? text : null)

/** An address with or without a name around it. */
const readFrom = (text: string): string | null =>
  text.length <= MAX_LINE && !CONTROLS.test(text) && parseAddress(text) !== null ? text : null

/** What is merely no address is taken, and answered 404 in its status. */
function readRecipients(text: string): readonly string[] | null {
  const found = readList(MOST)(text)
  return found === null || found.some((each) => each.length > MAX_ADDRESS || CONTROLS.test(each))
    ? null
    : found.map((each) => bareAddress(each) ?? each)
}

function readReplyTo(text: string): readonly string[] | null {
  const found = readList(MAX_REPLY_TO)(text)
  return found === null || found.some((each) => readFrom(each) === null) ? null : found
}

const HEADER_NAME = /^[!-9;-~]{1,76}$/

function readHeaders(text: string): Readonly<Record<string, string>> | null {
  const given = parseJson(text)
  if (given === null || Object.keys(given).length > MAX_HEADERS) return null
  const found = Object.entries(given).map(([name, value]) => [name, readLine(asString(value) ?? '\n')] as const)
  if (found.some(([name, value]) => value === null || !HEADER_NAME.test(name))) return null
  return Object.fromEntries(found.filter(([name]) => !isOwnHeader(name)).map(([name, value]) => [name, value ?? '']))
}

function parseJson(text: string): ReturnType<typeof asObject> {
  try {
    return asObject(JSON.parse(text))
  } catch {
    return null
  }
}

const readText =
  (most: number) =>
  (text: string): string | null =>
    text.length <= most && !CONTROLS.test(text) ? text : null

const readYes = (text: string): boolean | null => (/^(?:true|1)$/i.test(text) ? true : /^(?:false|0)$/i.test(text) ? false : null)

const readApi = (text: string): Extract<XSmtpApiRead, { ok: true }>['value'] | 'recipients' | null => {
  const read = readXSmtpApi(text)
  if (read.ok) return read.value
  return read.why === 'recipients' ? 'recipients' : null
}

type Api = ReturnType<typeof readApi>
type Texts = readonly string[]
type Headers = Readonly<Record<string, string>>

/** Before the recipients, which come from one of two places. */
export const SENDER = {
  from: parameter<string>({ names: ['from'], empty: 40801, invalid: 40802, read: readFrom, absent: '' }),
  fromName: parameter<string | null>({ names: ['fromName', 'fromname'], empty: null, invalid: 40802, read: readLine, absent: null }),
  xsmtpapi: parameter<Api>({ names: ['xsmtpapi', 'x_smtpapi'], empty: null, invalid: 40813, read: readApi, absent: null }),
}

/** Where xsmtpapi names no recipients. */
export const RECIPIENTS = {
  to: parameter<Texts>({ names: ['to'], empty: 40805, invalid: 40806, read: readRecipients, absent: [] }),
  cc: parameter<Texts>({ names: ['cc'], empty: null, invalid: 40806, read: readRecipients, absent: [] }),
  bcc: parameter<Texts>({ names: ['bcc'], empty: null, invalid: 40806, read: readRecipients, absent: [] }),
}

export const CONTENT = {
  subject: parameter<string>({ names: ['subject'], empty: 40808, invalid: 40809, read: readLine, absent: '' }),
  replyTo: parameter<Texts>({ names: ['replyTo', 'replyto'], empty: null, invalid: 40879, read: readReplyTo, absent: [] }),
  labelId: parameter<number>({
    names: ['labelId'],
    empty: null,
    blank: 40014,
    invalid: 40015,
    read: readWhole(0, 999_999_999),
    absent: 0,
  }),
  labelName: parameter<string | null>({ names: ['labelName'], empty: null, invalid: 40015, read: readText(MAX_LABEL), absent: null }),
  headers: parameter<Headers>({ names: ['headers'], empty: null, invalid: 501, read: readHeaders, absent: {} }),
  sendRequestId: parameter<string | null>({
    names: ['sendRequestId'],
    empty: null,
    invalid: 501,
    read: readText(MAX_REQUEST_ID),
    absent: null,
  }),
  respEmailId: parameter<boolean>({ names: ['respEmailId'], empty: null, invalid: 501, read: readYes, absent: true }),
}
