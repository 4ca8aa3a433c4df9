/**
 * reply - one SMTP reply as values
 *
 * A reply reaches us in three dresses: a live server's lines, the Diagnostic-Code of a DSN, and a sentence
 * inside a human-written bounce. All three become one Reply, so that the rules see one shape.
 *
 * Pure, total, linear. RFC 5321 §4.2 (reply lines), RFC 3463 (status codes). See also: mail/replycode, mail/dsn, mail/formats, classify/classify.
 */
import { findCode, findStatus, isCodeAt } from './replycode.ts'

/** What the sender left out is null; `text` is one line, trimmed, without the code and status that were read from its front. */
export type Reply = { readonly code: number | null; readonly status: string | null; readonly text: string }

/** The reply of a report that quotes none. */
export const NO_REPLY: Reply = { code: null, status: null, text: '' }

/** Longer replies are cut: rules run on text that a stranger wrote. */
export const MAX_REPLY = 2_048

/** `smtp;`, `X-Postfix;`: RFC 3464 §2.1.1; but no code that ends in a semicolon. */
const TYPE = /^\s{0,9}[A-Za-z][A-Za-z0-9_.-]{0,30}\s{0,3};\s{0,9}/
/** The marks that stand around a code or a status. */
const MARKS = /^[\s#"'([{<*:;,\-_]{0,9}/
const CODE_IN_FRONT = /^([245]\d\d)(?![\w/%@]|[.:]\d|,\d{3}|-\d{2}-)/
const STATUS_IN_FRONT = /^([245]\.\d{1,3}\.\d{1,3})(?!\.?\d|\w)/

/**
 * Reads a reply out of one or more lines. Total: any string gives a Reply. The first code and the first status win.
 *
 *     parseReply('smtp; 550-5.1.1 No such\r\n550 5.1.1 user here')
 *     → { code: 550, status: '5.1.1', text: 'No such user here' }
 */
export function parseReply(raw: string): Reply {
  const line = oneLine(raw.slice(0, 4 * MAX_REPLY)).replace(TYPE, '')
  const front = readFront(line)
  const rest = line.slice(front.length)
  const code = front.code ?? findCode(rest)
  const status = front.status ?? findStatus(rest)
  const text = dropEchoes(rest, front.code, front.status)
  return { code, status, text: text.slice(0, MAX_REPLY).trim() }
}

/** A text as one line with single spaces. */
export function oneLine(text: string): string {
  return text.replace(/[\s\u00a0\0]+/g, ' ').trim()
}

/** Code and status at the front, in either order, with the marks around them. */
function readFront(line: string): { code: number | null; status: string | null; length: number } {
  let code: number | null = null
  let status: string | null = null
  let length = 0
  for (let i = 0; i < 2; i++) {
    const lead = MARKS.exec(line.slice(length, length + 10))?.[0].length ?? 0
    const next = line.slice(length + lead, length + lead + 16)
    const asCode: RegExpExecArray | null = code === null ? CODE_IN_FRONT.exec(next) : null
    const asStatus: RegExpExecArray | null = asCode === null && status === null ? STATUS_IN_FRONT.exec(next) : null
    const found: string | undefined = (asCode ?? asStatus)?.[1]
    if (found === undefined) break
    if (asCode !== null) code = Number(found)
    else status = found
    length += lead + found.length
  }
  if (length === 0) return { code, status, length }
  return { code, status, length: length + (/^[\s\-:;,.)\]}"'#]{0,9}/.exec(line.slice(length, length + 10))?.[0].length ?? 0) }
}

/** Each line of a long reply repeats its code (RFC 5321 §4.2.1) and often its status; once is enough. */
function dropEchoes(rest: string, code: number | null, status: string | null): string {
  if (code === null) return rest
  let text = rest
  const hadHyphen = text.includes(`${code}-`)
  if (status !== null) text = text.replaceAll(`${code}-${status} `, '').replaceAll(`${code} ${status} `, '')
  if (/(?:^| )\d{3}-/.test(text)) text = text.replaceAll(` ${code}-`, ' ')
  return hadHyphen ? text.replaceAll(` ${code} `, ' ') : text
}

/** `index` to `end` is its place in the text; `host` said it (lower case), where the text says so; `isRemote`: another server's words. */
export type FoundReply = {
  readonly reply: Reply
  readonly index: number
  readonly end: number
  readonly host: string | null
  readonly isRemote: boolean
}

/** Longer texts are cut: the reasons stand in front of what is returned. */
const MAX_SCAN = 262_144
const MAX_REPLIES = 200
/** How far back an introduction may begin. */
const REACH = 300

const CANDIDATE = /(?<![\w.@+/-])(?:[245]\d\d(?=[\s\-:;,#)\]"'.]|$)(?![.:,]\d)|(?<=[#(\s"'])#?[245]\.\d{1,3}\.\d{1,3}(?!\.?\d|[\w@/]|-\w))/g

/** What introduces another server's words. */
const REMOTE =
  /(?:<<<|\b(?:said|says|replied|responded|answered|returned|respond(?:ed)? with|refused to talk to me|greeting(?: failed)?|after [A-Z ]{4,10}[^\n]{0,120}|was|is|server|response|reply|message|error|smtp|returns|transaction|diagnostic(?:-code)?|reported))\s{0,3}[:;]?\s{0,8}["'(<]{0,2}\s?$/i
const HOSTS =
  /\b(?:host|server|mta|by|from|to|at|talking to)\s{1,3}(?:at\s)?<?((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24}|\[?(?:\d{1,3}\.){3}\d{1,3}\]?)\.?(?=[\s[(>:;,'"]|$)|^\s{0,8}((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24})\s{0,2}[[(]?|((?:\d{1,3}\.){3}\d{1,3}) (?:does not like|failed after)|<((?:[a-z0-9-]{1,63}\.){1,10}[a-z]{2,24}) #/gim
/** What a reply's text ends before. */
const END =
  /\n[ \t\r]*\n|\(in reply to|##|#SMTP#|\n\s{0,8}(?:<<<|>>>|\.\.\.|---|<?[\w.+=-]{1,80}@[\w.-]{1,80}>?:?\s*\n|<[^<>\s]{1,200}@[^<>\s]{1,200}>:?[ \t])/g

/**
 * Every reply in a text, in order, at most 200. Total; linear.
 *
 *     findReplies('host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)')
 *     → [{ reply: { code: 550, status: '5.1.1', text: 'No such user' }, host: 'mx.example.com', isRemote: true, … }]
 */
export function findReplies(text: string): readonly FoundReply[] {
  const source = text.length > MAX_SCAN ? text.slice(0, MAX_SCAN) : text
  const found: FoundReply[] = []
  let talkedTo: string | null = null
  let floor = 0
  for (const candidate of source.matchAll(CANDIDATE)) {
    const index = candidate.index
    if (index < floor || !isReplyAt(source, index, candidate[0])) continue
    const before = source.slice(Math.max(floor, index - REACH), index)
    const end = replyEnd(source, index, candidate[0])
    const reply = parseReply(source.slice(index, end))
    if (reply.code === null && reply.status === null) continue
    const named = hostIn(before)
    const isRemote = REMOTE.test(oneLine(before.slice(-160)))
    talkedTo = named ?? (/<<<\s*$/.test(before) ? (talkedTo ?? found.at(-1)?.host ?? null) : null)
    found.push({ reply, index, end, host: talkedTo, isRemote })
    if (found.length >= MAX_REPLIES) break
    floor = end
  }
  return found
}

/** The last thing a remote server said; where no introduction tells who spoke, the last refusal. Null without any. */
export function lastRemoteReply(text: string): Reply | null {
  const refusals = findReplies(text).filter((one) => one.reply.code === null || one.reply.code >= 400)
  return (
    (
      refusals.findLast((one) => one.isRemote && one.reply.code !== null) ??
      refusals.findLast((one) => one.reply.code !== null) ??
      refusals.at(-1)
    )?.reply ?? null
  )
}

function isReplyAt(source: string, index: number, word: string): boolean {
  if (word.includes('.')) return word.startsWith('#') || isMarkedStatus(source, index)
  const before = source.slice(Math.max(0, index - 40), index)
  const behind = source.slice(index + 3, index + 40)
  if (/^[\s-]{1,2}[#(]{0,2}[245]\.\d{1,3}\.\d/.test(behind)) return true
  if (/\n[ \t]*$/.test(before) || index === before.length)
    return /^(?:-| [A-Za-z<"'(#[])/.test(behind) && startsParagraph(before) && isCodeAt(source.slice(index, index + 40), 0)
  return isCodeAt(source, index)
}

/** A code at a line's start inside of a sentence (`… after⏎450 attempts`) is none. */
function startsParagraph(before: string): boolean {
  const previous = before.replace(/\n[ \t]*$/, '').trimEnd()
  return previous === '' || /[\n.:;>)\]"'!?-]$/.test(previous) || /\n\s*$/.test(before.replace(/\n[ \t]*$/, ''))
}

function isMarkedStatus(source: string, index: number): boolean {
  const line = source.slice(Math.max(0, source.lastIndexOf('\n', index) + 1, index - 80), index)
  return (
    findStatus(source.slice(Math.max(0, index - 20), index + 12)) !== null &&
    /^\s*$|[(#]$|(?:said|says|returned|error|status|code|reply|response|smtp|was)\s?[:;"']\s?$/i.test(line)
  )
}

function replyEnd(source: string, index: number, word: string): number {
  END.lastIndex = index
  const limit = Math.min(source.length, index + 2 * MAX_REPLY)
  const stop = END.exec(source.slice(0, limit))
  let end = stop === null ? limit : stop.index
  if (word.startsWith('#') && source.charAt(index - 1) === '(') end = Math.min(end, closing(source, index, ')'))
  const opener =
    /<[\w.-]{0,200}\s?$/.test(source.slice(Math.max(0, index - 220), index)) ||
    /<[\w.-]{0,200} #[\d.]{5,9} [a-z]{2,8};\s?$/i.test(source.slice(Math.max(0, index - 240), index))
  if (opener) end = Math.min(end, closing(source, index, '>'))
  return Math.max(index + word.length, end)
}

function closing(source: string, from: number, mark: string): number {
  const at = source.indexOf(mark, from)
  return at < 0 ? source.length : at
}

function hostIn(before: string): string | null {
  let host: string | null = null
  for (const found of before.matchAll(HOSTS)) host = found[1] ?? found[2] ?? found[3] ?? found[4] ?? host
  return host === null ? null : host.replace(/^\[|\]$/g, '').toLowerCase()
}
