/**
 * reply - one SMTP reply as values
 *
 * A reply arrives in three forms: the lines of a live server, the Diagnostic-Code of a DSN, and a sentence in a bounce written as prose.
 * All three become one SmtpReply, so that rules see one form. Bounces contain many other numbers (addresses, ports, sizes, dates, queue
 * ids,
 * versions). Three digits are a code only if something introduces them and no unit follows; `d.d.d` is a status only if it is not part of
 * a longer token.
 *
 * Pure, total, linear: lookbehind and lookahead have fixed lengths. RFC 5321 §4.2 (reply lines), RFC 3463 (status codes).
 * See also: mail/smtp/reply-search (replies inside a text), mail/dsn/dsn, classify/classify.
 */

/** An absent code or status is null. `text` is one line, trimmed, without the code and status at its front. */
export type SmtpReply = { readonly code: number | null; readonly status: string | null; readonly text: string }

/** The reply of a report that quotes none. */
export const NO_REPLY: SmtpReply = { code: null, status: null, text: '' }

/** Longer replies are cut, because rules run on text that a stranger wrote. */
export const MAX_REPLY_LENGTH = 2_048
/** `smtp;`, `X-Postfix;`: RFC 3464 §2.1.1. */
const DIAGNOSTIC_TYPE = /^\s{0,9}[A-Za-z][A-Za-z0-9_.-]{0,30}\s{0,3};\s{0,9}/
/** IronPort writes its own status and words before the reply: `5.1.0 - Unknown address error 550-'5.7.1 …'`. The reply decides. */
const GATEWAY_SUMMARY = /^[45]\.\d{1,3}\.\d{1,3} - [A-Za-z() ]{4,60} (?=[245]\d\d-')/
/** Punctuation around a code or status, including the `smtp;` that Exchange writes between the two. */
const LEADING_PUNCTUATION = /^[\s#"'([{<*:;,\-_]{0,9}(?:smtp\s?;\s{0,3}|b(?=["']))?["']?/i
const LEADING_CODE = /^([245]\d\d)(?![\w/%@]|\.\w|:\d|,\d{3}|-\d{2}-)/
const LEADING_STATUS = /^([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|\w)/
const TRAILING_PUNCTUATION = /^[\s\-:;,.)\]}"'#]{0,9}/

/** A status that is not part of an address, a version or a date. */
const STATUS = /(?:(?<![\w.:/@-])|(?<=(?:code|status|error) ?:))([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|[\w@/]|-\w)/gi
/** Text before a version number. */
const VERSION_PREFIX =
  /(?:version|ver|v|exim|postfix|sendmail|qmail|courier|php|release|build|esmtp|exchange|mailer|milter|clamav|spamassassin|dovecot)[\s/:(-]{1,3}$/i
/** Three digits that are not part of an address, a time, a size or an id. */
const CODE = /(?<![\w.:/@+-])([245]\d\d)(?=[\s\-:;,)\]"'.]|$)(?![.:,]\d|-\d(?!\.\d))/g
/** Text that can introduce a code. */
const CODE_INTRODUCTION =
  /(?:[:：;#>="'([（]|<<<|(?:код|ошибк[аи]|代码|代碼|错误|錯誤|コード|エラー|코드|오류)|\b(?:fehler|fehlercode|erreur|errore|erro|codice|código|fout|fel|fejl|hata|said|says|error|code|reply|response|status|returned|returns|answered|smtp|with|was|is|an?|got|failed|failure|permanent|temporary))\s{0,4}["'([<#]?$/i
/** Labels of other numbers. */
const NUMBER_LABEL =
  /\b(?:port|lines?|size|id|uid|pid|queue|limit|max|maximum|http|https|tls|ref|ticket|no|number|page|year|after|over|than|exceeds?|of|top|score|count|total|phone|tel|fax|room|suite|channel)\.?\s{0,3}[:=#]?\s{0,3}$/i
/** Units that make the digits a measure. Counted nouns (below) do so only if nothing introduces the digits. */
const UNIT_SUFFIX =
  /^[\s-]{1,2}(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|bytes?|octets|[kmg]i?b|percent|am|pm|gmt|utc|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:[a-z]{1,6})?\s\d)\b/i
const COUNTED_NOUN = /^ (?:characters|lines|times|messages|mails|emails|e-mails|recipients|users|connections|attempts|people|members)\b/i
const FOLLOWING_STATUS = /^[\s,:-]{1,2}(?:[245]\d\d[ -])?b?[#("']{0,2}[245]\.\d{1,3}\.\d/
/** `550, User unknown` and `{"code":550,"message":…}` need an introduction, because street numbers look the same. */
const FOLLOWING_COMMA_TEXT = /^,\s?["'(]{0,2}[A-Za-z\u0080-\uffff]/
const FOLLOWING_TEXT = /^[-\s:]{0,2}[\s"'(<[*]{0,3}[A-Za-z\u0080-\uffff]|^["'\])]|^[.;]?\s*$/
/** A reply that a reporter quotes: some servers write a number of their own after the code (`554 30 Sorry, …`). */
const QUOTED_INTRODUCTION = /(?:<<<|\b(?:said|says|replied|responded|answered|returned))\s?:?\s{0,3}["']?$/i
const FOLLOWING_NUMBER = /^[ -]\d{1,4}(?![\d.:/])/
/** The digits after an area code, and those of a local number after a word such as "call". */
const TELEPHONE_SUFFIX = /^\)?[\s.-]{0,2}\d{3}[\s.-]{0,2}\d{4}(?!\d)/
const LOCAL_NUMBER_SUFFIX = /^[\s.-]\d{4}(?!\d)/
const TELEPHONE_INTRODUCTION =
  /(?:\b(?:at|call|calling|dial|phone|telephone|tel|fax|mobile|hotline)\b\.?:?\s{0,3}(?:\+?1[\s.-])?|\(?\d{3}\)?[\s.-]{1,2}|\+\d{1,3}[\s.(-]{1,3})$/i
/** A 2xx in prose is a number unless one of these introduces it. */
const SUCCESS_INTRODUCTION = /(?:[:;>]|\b(?:said|returned|answered|replied))\s{0,3}["']?$/i

/**
 * Reads a reply from one or more lines. The first code and the first status win. Total: any string gives a reply.
 *
 *     parseReply('smtp; 550-5.1.1 No such\r\n550 5.1.1 user here')
 *     → { code: 550, status: '5.1.1', text: 'No such user here' }
 */
export function parseReply(raw: string): SmtpReply {
  const line = collapseWhitespace(raw.slice(0, 4 * MAX_REPLY_LENGTH))
    .replace(DIAGNOSTIC_TYPE, '')
    .replace(GATEWAY_SUMMARY, '')
  const leading = readLeadingCodes(line)
  const rest = line.slice(leading.length)
  const code = leading.code ?? findReplyCode(rest)
  const status = leading.status ?? findEnhancedStatus(rest)
  const text = removeRepeatedCodes(rest, leading.code, leading.status)
  return { code, status, text: text.slice(0, MAX_REPLY_LENGTH).trim() }
}

/** Returns the text as one line with single spaces. */
export function collapseWhitespace(text: string): string {
  return text.replace(/(?:[^\S ]|\0)[\s\0]*| [\s\0]+/g, ' ').trim()
}

/** Reads code and status at the front, in either order, possibly repeated, with the punctuation around them. */
function readLeadingCodes(line: string): { code: number | null; status: string | null; length: number } {
  let code: number | null = null
  let status: string | null = null
  let length = 0
  for (let i = 0; i < 4; i++) {
    const lead: number = LEADING_PUNCTUATION.exec(line.slice(length, length + 20))?.[0].length ?? 0
    const next: string = line.slice(length + lead, length + lead + 16)
    const asCode: string | undefined = LEADING_CODE.exec(next)?.[1]
    const asStatus: string | undefined = LEADING_STATUS.exec(next)?.[1]
    if (asCode !== undefined && (code === null || code === Number(asCode))) code = Number(asCode)
    else if (asStatus !== undefined && (status === null || status === asStatus)) status = asStatus
    else break
    length += lead + (asCode ?? asStatus ?? '').length
  }
  if (length === 0) return { code, status, length }
  return { code, status, length: length + (TRAILING_PUNCTUATION.exec(line.slice(length, length + 10))?.[0].length ?? 0) }
}

/** Removes the code and status that each line of a multi-line reply repeats (RFC 5321 §4.2.1). */
function removeRepeatedCodes(rest: string, code: number | null, status: string | null): string {
  if (code === null) return rest
  let text = rest.startsWith(`${code} `) ? rest.slice(4) : rest
  if (status !== null) text = text.replaceAll(`${code}-${status} `, '').replaceAll(`${code} ${status} `, '')
  return text.replaceAll(` ${code}-`, ' ').replaceAll(` ${code} `, ' ')
}

/** The first code in a text that something introduces and that is not a count; null without one. */
function findReplyCode(text: string): number | null {
  CODE.lastIndex = 0
  for (let found = CODE.exec(text); found !== null; found = CODE.exec(text)) {
    if (isReplyCodeAt(text, found.index)) return Number(found[1])
  }
  return null
}

/** Whether the three digits at `index` are a reply code, judged by the text before and after them. */
export function isReplyCodeAt(text: string, index: number): boolean {
  const following = text.slice(index + 3, index + 27)
  if (FOLLOWING_STATUS.test(following)) return true
  const preceding = text.slice(Math.max(0, index - 40), index)
  if (isTelephoneNumberAt(text, index)) return false
  if (FOLLOWING_NUMBER.test(following) && text.charAt(index) !== '2' && QUOTED_INTRODUCTION.test(preceding)) return true
  if (UNIT_SUFFIX.test(following) || NUMBER_LABEL.test(preceding)) return false
  if (!FOLLOWING_TEXT.test(following)) return FOLLOWING_COMMA_TEXT.test(following) && CODE_INTRODUCTION.test(preceding)
  if (text.charAt(index) === '2') return SUCCESS_INTRODUCTION.test(preceding)
  const isFirst = preceding.trim() === '' || /\n[ \t]*$/.test(preceding)
  return isFirst ? !COUNTED_NOUN.test(following) : CODE_INTRODUCTION.test(preceding)
}

/** Whether the three digits at `index` belong to a telephone number: `(480) 555-0100`, "call 555 0100", `+49 441 …`. Total. */
export function isTelephoneNumberAt(text: string, index: number): boolean {
  const following = text.slice(index + 3, index + 18)
  const preceding = text.slice(Math.max(0, index - 24), index)
  if (TELEPHONE_SUFFIX.test(following)) return true
  if (/\+\d{1,3}[\s.(-]{1,3}$/.test(preceding)) return true
  return LOCAL_NUMBER_SUFFIX.test(following) && TELEPHONE_INTRODUCTION.test(preceding)
}

/** The first enhanced status code in a text; null without one. Total. */
export function findEnhancedStatus(text: string): string | null {
  STATUS.lastIndex = 0
  for (let found = STATUS.exec(text); found !== null; found = STATUS.exec(text)) {
    if (!VERSION_PREFIX.test(text.slice(Math.max(0, found.index - 20), found.index))) return found[1] ?? null
  }
  return null
}
