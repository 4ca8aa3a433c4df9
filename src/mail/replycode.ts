/**
 * replycode - which digits of a text are an SMTP reply code, and which an enhanced status
 *
 * Bounces are full of other numbers: addresses, ports, sizes, dates, queue ids, versions. Three digits are a code where something
 * introduces them and no unit follows; `d.d.d` is a status where it is no piece of something longer.
 *
 * Pure, total, linear. RFC 5321 §4.2, RFC 3463. See also: mail/reply.
 */

/** A status that is no piece of an address, a version or a date. */
const STATUS = /(?<![\w.:/@-])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|[\w@/]|-\w)/g
const VERSION =
  /(?:version|ver|v|exim|postfix|sendmail|qmail|courier|php|release|build|esmtp|exchange|mailer|milter|clamav|spamassassin|dovecot)[\s/:(-]{1,3}$/i
/** A code in the midst of a text: something that introduces it before, a status or a word behind. */
const CODE_INSIDE = /(?<![\w.:/@+-])([245]\d\d)(?=[\s\-:;,)\]"'.]|$)(?![.:,]\d)/g
const INTRODUCED =
  /(?:[:;#>="'([]|\b(?:said|says|error|code|reply|response|status|returned|returns|answered|smtp|with|was|is|a|got|failed|failure|permanent|temporary))\s{0,4}["'([<#]?$/i
const NO_INTRODUCTION =
  /\b(?:port|line|lines|size|id|uid|pid|queue|limit|max|maximum|http|tls|ref|ticket|no|number|page|year)\.?\s{0,3}[:=#]?\s{0,3}$/i
const UNIT =
  /^[\s-]{1,2}(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|bytes?|octets|[kmg]i?b|characters?|lines?|times|messages?|mails?|emails?|recipients?|users?|connections?|attempts?|am|pm|gmt|utc|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\b/i

/** The first code inside a text that something introduces and that counts nothing; null without one. */
export function findCode(text: string): number | null {
  for (const found of text.matchAll(CODE_INSIDE)) {
    if (isCodeAt(text, found.index)) return Number(found[1])
  }
  return null
}

/** Whether the three digits at `index` are a reply code by what stands before and behind them. */
export function isCodeAt(text: string, index: number): boolean {
  const behind = text.slice(index + 3, index + 24)
  const before = text.slice(Math.max(0, index - 40), index)
  if (UNIT.test(behind) || NO_INTRODUCTION.test(before)) return false
  if (/^[\s-]{1,2}[#(]?[245]\.\d{1,3}\.\d/.test(behind)) return true
  return /^(?:-|\s)?[\s"'(<[]{0,3}[A-Za-z\u0080-\uffff]|^["'\])]|^\s*$/.test(behind) && (INTRODUCED.test(before) || before.trim() === '')
}

/** The first enhanced status inside a text; null without one. */
export function findStatus(text: string): string | null {
  for (const found of text.matchAll(STATUS)) {
    if (!VERSION.test(text.slice(Math.max(0, found.index - 20), found.index))) return found[1] ?? null
  }
  return null
}
