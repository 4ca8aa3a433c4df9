/**
 * reply - one SMTP reply as values
 *
 * A reply reaches us in three dresses: a live server's lines, the Diagnostic-Code of a DSN, and a sentence
 * inside a human-written bounce. All three become one Reply, so that the rules see one shape. Bounces are
 * full of other numbers (addresses, ports, sizes, dates, queue ids, versions), so three digits are a code where something introduces them
 * and no unit follows, and `d.d.d` is a status where it is no piece of something longer.
 *
 * Pure, total, linear: every look around is of fixed length. RFC 5321 §4.2 (reply lines), RFC 3463 (status codes). See also: mail/smtp/reply-search (the replies inside a text),
 * mail/dsn/dsn, classify/classify.
 */

/** What the sender left out is null; `text` is one line, trimmed, without the code and status that were read from its front. */
export type SmtpReply = { readonly code: number | null; readonly status: string | null; readonly text: string }

/** The reply of a report that quotes none. */
export const NO_REPLY: SmtpReply = { code: null, status: null, text: '' }

/** Longer replies are cut: rules run on text that a stranger wrote. */
export const MAX_REPLY_LENGTH = 2_048
/** `smtp;`, `X-Postfix;`: RFC 3464 §2.1.1. */
const DIAGNOSTIC_TYPE = /^\s{0,9}[A-Za-z][A-Za-z0-9_.-]{0,30}\s{0,3};\s{0,9}/
/** The marks that stand around a code or a status, Exchange's `smtp;` between the two included. */
const LEADING_PUNCTUATION = /^[\s#"'([{<*:;,\-_]{0,9}(?:smtp\s?;\s{0,3}|b(?=["']))?["']?/i
const LEADING_CODE = /^([245]\d\d)(?![\w/%@]|\.\w|:\d|,\d{3}|-\d{2}-)/
const LEADING_STATUS = /^([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|\w)/
const TRAILING_PUNCTUATION = /^[\s\-:;,.)\]}"'#]{0,9}/

/** A status that is no piece of an address, a version or a date. */
const STATUS = /(?:(?<![\w.:/@-])|(?<=(?:code|status|error) ?:))([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|[\w@/]|-\w)/gi
/** What a version stands behind. */
const VERSION_PREFIX =
  /(?:version|ver|v|exim|postfix|sendmail|qmail|courier|php|release|build|esmtp|exchange|mailer|milter|clamav|spamassassin|dovecot)[\s/:(-]{1,3}$/i
/** Three digits that are no piece of an address, a time, a size or an id. */
const CODE = /(?<![\w.:/@+-])([245]\d\d)(?=[\s\-:;,)\]"'.]|$)(?![.:,]\d|-\d(?!\.\d))/g
/** What may stand before a code. */
const CODE_INTRODUCTION =
  /(?:[:：;#>="'([（]|<<<|(?:код|ошибк[аи]|代码|代碼|错误|錯誤|コード|エラー|코드|오류)|\b(?:fehler|fehlercode|erreur|errore|erro|codice|código|fout|fel|fejl|hata|said|says|error|code|reply|response|status|returned|returns|answered|smtp|with|was|is|an?|got|failed|failure|permanent|temporary))\s{0,4}["'([<#]?$/i
/** What makes the digits behind it a number of something else. */
const NUMBER_LABEL =
  /\b(?:port|lines?|size|id|uid|pid|queue|limit|max|maximum|http|https|tls|ref|ticket|no|number|page|year|after|over|than|exceeds?|of|top|score|count|total|phone|tel|fax|room|suite|channel)\.?\s{0,3}[:=#]?\s{0,3}$/i
/** What makes the digits before it a measure; a counted noun does so only where nothing introduces the digits. */
const UNIT_SUFFIX =
  /^[\s-]{1,2}(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|bytes?|octets|[kmg]i?b|percent|am|pm|gmt|utc|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?:[a-z]{1,6})?\s\d)\b/i
const COUNTED_NOUN = /^ (?:characters|lines|times|messages|mails|emails|e-mails|recipients|users|connections|attempts|people|members)\b/i
const FOLLOWING_STATUS = /^[\s,:-]{1,2}(?:[245]\d\d[ -])?b?[#("']{0,2}[245]\.\d{1,3}\.\d/
/** `550, User unknown` and `{"code":550,"message":…}`: only behind an introduction, for so do street numbers stand. */
const FOLLOWING_COMMA_TEXT = /^,\s?["'(]{0,2}[A-Za-z\u0080-\uffff]/
const FOLLOWING_TEXT = /^[-\s:]{0,2}[\s"'(<[*]{0,3}[A-Za-z\u0080-\uffff]|^["'\])]|^[.;]?\s*$/
/** A lone 250 in prose is a number. */
const SUCCESS_INTRODUCTION = /(?:[:;>]|\b(?:said|returned|answered|replied))\s{0,3}["']?$/i

/**
 * Reads a reply out of one or more lines. Total: any string gives a Reply. The first code and the first status win.
 *
 *     parseReply('smtp; 550-5.1.1 No such\r\n550 5.1.1 user here')
 *     → { code: 550, status: '5.1.1', text: 'No such user here' }
 */
export function parseReply(raw: string): SmtpReply {
  const line = collapseWhitespace(raw.slice(0, 4 * MAX_REPLY_LENGTH)).replace(DIAGNOSTIC_TYPE, '')
  const leading = readLeadingCodes(line)
  const rest = line.slice(leading.length)
  const code = leading.code ?? findReplyCode(rest)
  const status = leading.status ?? findEnhancedStatus(rest)
  const text = removeRepeatedCodes(rest, leading.code, leading.status)
  return { code, status, text: text.slice(0, MAX_REPLY_LENGTH).trim() }
}

/** A text as one line with single spaces. */
export function collapseWhitespace(text: string): string {
  return text.replace(/(?:[^\S ]|\0)[\s\0]*| [\s\0]+/g, ' ').trim()
}

/** Code and status at the front, in either order, repeated or not, with the marks around them. */
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

/** Each line of a long reply repeats its code (RFC 5321 §4.2.1) and often its status; once is enough. */
function removeRepeatedCodes(rest: string, code: number | null, status: string | null): string {
  if (code === null) return rest
  let text = rest.startsWith(`${code} `) ? rest.slice(4) : rest
  if (status !== null) text = text.replaceAll(`${code}-${status} `, '').replaceAll(`${code} ${status} `, '')
  return text.replaceAll(` ${code}-`, ' ').replaceAll(` ${code} `, ' ')
}

/** The first code inside a text that something introduces and that counts nothing; null without one. */
function findReplyCode(text: string): number | null {
  CODE.lastIndex = 0
  for (let found = CODE.exec(text); found !== null; found = CODE.exec(text)) {
    if (isReplyCodeAt(text, found.index)) return Number(found[1])
  }
  return null
}

/** Whether the three digits at `index` are a reply code by what stands before and behind them. */
export function isReplyCodeAt(text: string, index: number): boolean {
  const following = text.slice(index + 3, index + 27)
  if (FOLLOWING_STATUS.test(following)) return true
  const preceding = text.slice(Math.max(0, index - 40), index)
  if (UNIT_SUFFIX.test(following) || NUMBER_LABEL.test(preceding)) return false
  if (!FOLLOWING_TEXT.test(following)) return FOLLOWING_COMMA_TEXT.test(following) && CODE_INTRODUCTION.test(preceding)
  if (text.charAt(index) === '2') return SUCCESS_INTRODUCTION.test(preceding)
  const isFirst = preceding.trim() === '' || /\n[ \t]*$/.test(preceding)
  return isFirst ? !COUNTED_NOUN.test(following) : CODE_INTRODUCTION.test(preceding)
}

/** The first enhanced status inside a text; null without one. */
export function findEnhancedStatus(text: string): string | null {
  STATUS.lastIndex = 0
  for (let found = STATUS.exec(text); found !== null; found = STATUS.exec(text)) {
    if (!VERSION_PREFIX.test(text.slice(Math.max(0, found.index - 20), found.index))) return found[1] ?? null
  }
  return null
}
