/**
 * reply-search - finds the SMTP replies inside human-readable text
 *
 * Recognises a reply by its shape: three digits where a reply can begin (after "said:" or "<<<", at the start of a line, before a status
 * …),
 * or a status marked as such (`#5.1.1`). The text before it shows whether a remote server sent it, and which.
 *
 * Pure, total, linear: lookbehind and lookahead have fixed lengths. See also: mail/smtp/reply, mail/smtp/last-reply.
 */
import { MAX_REPLY_LENGTH, type SmtpReply, findEnhancedStatus, isReplyCodeAt, parseReply } from './reply.ts'

/** `index` to `end`: its place in the text. `host`: the server that sent it (lower case), if named. `isRemote`: sent by another server. */
export type FoundReply = {
  readonly reply: SmtpReply
  readonly index: number
  readonly end: number
  readonly host: string | null
  readonly isRemote: boolean
}

/** Longer texts are cut. Diagnostics come before the returned message. */
const MAX_SEARCHED_TEXT = 262_144
const MAX_REPLIES = 200
/** The longest known reply has 20 lines. */
const MAX_LINES = 40
/** Length of the text before a reply that is searched for its introduction. */
const MAX_INTRODUCTION_LENGTH = 300

/** A code, or a status after punctuation, a quote or white space. */
const CANDIDATE =
  /(?<![\w.@+/-])(?:[245]\d\d(?=[\s\-:;,#)\]"'.]|$)(?![.:,]\d|-\d(?!\.\d))|(?<![^#([\s"':;])#?[245]\.\d{1,3}\.\d{1,3}(?!\.?\d|[\w@/]|-\w))/g
/** The code that a status belongs to follows it. */
const FOLLOWING_CODE = /^[^A-Za-z0-9]{0,4}(?:smtp\s?;\s?)?[245]\d\d/i
/** Text before a status without a code. */
const STATUS_INTRODUCTION =
  /(?:^|\n)[ \t]*$|[(#]$|\b(?:said|says|returned|error|status|code|reply|response|smtp|was)(?: code)?\s?[:;"'(]{0,2}\s?$|smtp;\s?$/i
/** Text before the reply of another server. */
const REMOTE_INTRODUCTION =
  /(?:<<<|[:;]\s?["'(<[]{0,2}|\b(?:said|says|replied|responded|answered|returned|with|response|reply)\s?["'(<[]{0,2}|<[\w.-]{1,200}\s?#?)$/i
/** A host in the text: after a word such as "host", before its IP address, or at the start of a qmail sentence. */
const QUOTED_HOST =
  /\b(?:host|server|mta|by|at|to|from)\s{1,3}(?:\(|<|\[)?((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24}|(?:\d{1,3}\.){3}\d{1,3})(?=\.?(?:[\s[()\]>:;,'"]|$))|((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24})\.?\s?[[(](?:\d{1,3}\.){3}\d{1,3}|((?:\d{1,3}\.){3}\d{1,3})(?= (?:does not|failed|sent|rejected))|<((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24})\s?#?$/gi
/** Text that follows a reply in the same line. */
const REPLY_END = / ?\(in reply to| ?\(state \d\d|##|#smtp#/i
/** A line after a reply that does not continue it: a transcript mark, a rule, a recipient, a field, a sentence of the reporter. */
const NEXT_ITEM =
  /^(?:\s{0,8}(?:>>>|\.\.\. |---|===|<?[\w.+=-]{1,80}@[\w.-]{1,80}>?:?\s*$)|<[^<>\s]{1,200}@[^<>\s]{1,200}>:|[A-Z][a-z]{1,20}-[A-Za-z-]{1,30}:|(?:giving up on|remote host said|smtp error from|i'm not going to|this is a permanent|the response|original message)\b)/i

/**
 * All replies in a text in order, at most 200. Total; linear.
 *
 *     findReplies('host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)')
 *     → [{ reply: { code: 550, status: '5.1.1', text: 'No such user' }, host: 'mx.example.com', isRemote: true, … }]
 */
export function findReplies(text: string): readonly FoundReply[] {
  const source = text.length > MAX_SEARCHED_TEXT ? text.slice(0, MAX_SEARCHED_TEXT) : text
  const found: FoundReply[] = []
  let currentHost: string | null = null
  let searchStart = 0
  CANDIDATE.lastIndex = 0
  for (let candidate = CANDIDATE.exec(source); candidate !== null; candidate = CANDIDATE.exec(source)) {
    const index = candidate.index
    const matched = candidate[0]
    if (index < searchStart || !(matched.includes('.') ? isStatusAt(source, index) : isReplyAt(source, index))) continue
    const end = findReplyEnd(source, index)
    const reply = parseReply(source.slice(index, end).replace(/\n\s{0,8}<<< ?/g, '\n'))
    if (reply.code === null && reply.status === null) continue
    // `5.1.0 - Unknown address error 550-'5.1.1 …`: the reporter's status precedes the reply of the server.
    if (matched.includes('.') && reply.code !== null && !FOLLOWING_CODE.test(source.slice(index + matched.length, end))) continue
    const before = source.slice(Math.max(searchStart, index - MAX_INTRODUCTION_LENGTH), index)
    const isRemote = REMOTE_INTRODUCTION.test(before.slice(-260).trimEnd())
    // A transcript names its server once, before the first reply.
    currentHost = findLastHost(before) ?? (/<<<\s?$/.test(before) ? currentHost : null)
    found.push({ reply, index, end, host: isRemote ? currentHost : null, isRemote })
    if (found.length >= MAX_REPLIES) break
    searchStart = end
  }
  return found
}

/** A code at the start of a line inside a sentence (`… after⏎450 attempts`) is not a reply. */
function isReplyAt(source: string, index: number): boolean {
  if (!isReplyCodeAt(source, index)) return false
  const before = source.slice(Math.max(0, index - 80), index)
  if (!/\n[ \t]*$/.test(before) || /^(?:-|[ ]#?[245]\.\d)/.test(source.slice(index + 3, index + 8))) return true
  const previous = before.replace(/\n[ \t]*$/, '')
  return /(?:^|\n)[ \t\r]*$|[.:;>)\]"'!?-]\s*$/.test(previous)
}

function isStatusAt(source: string, index: number): boolean {
  const before = source.slice(Math.max(0, index - 30), index)
  return (
    (source.charAt(index) === '#' || STATUS_INTRODUCTION.test(before)) &&
    findEnhancedStatus(source.slice(Math.max(0, index - 20), index + 12)) !== null
  )
}

/** Offset of the end of the reply at `index`: after its last line, at its closing bracket, or before text of the reporter. */
function findReplyEnd(source: string, index: number): number {
  const limit = Math.min(source.length, index + 2 * MAX_REPLY_LENGTH)
  const isSession = /<<<\s?$/.test(source.slice(Math.max(0, index - 5), index))
  let end = findLineEnd(source, index, limit)
  for (let i = 0; i < MAX_LINES && end < limit; i++) {
    const next = findLineEnd(source, end + 1, limit)
    const line = source.slice(end + 1, next)
    const isPartOfReply = isSession
      ? source.charAt(index + 3) === '-' && isSessionLine(line, source.slice(index, index + 3))
      : isContinuationLine(line, source.slice(index, index + 3))
    if (!isPartOfReply) break
    end = next
  }
  const body = source.slice(index, end)
  const stop = REPLY_END.exec(body)?.index ?? body.length
  return index + Math.min(stop, findClosingMark(source, index, body))
}

function findLineEnd(source: string, from: number, limit: number): number {
  const newline = source.indexOf('\n', from)
  return newline < 0 || newline > limit ? limit : newline
}

function isSessionLine(line: string, code: string): boolean {
  return /^\s{0,8}<<< /.test(line.slice(0, 12)) && line.trimStart().startsWith(`<<< ${code}`)
}

/** The introduction of a reply of another server. */
const NEW_SPEAKER = /\b(?:said|says|replied|responded):\s{1,3}[245]\d\d\b/i

function isContinuationLine(line: string, code: string): boolean {
  if (NEW_SPEAKER.test(line.slice(0, 300))) return false
  if (line.trim() === '' || NEXT_ITEM.test(line.slice(0, 300)) || /^\s{0,8}<<</.test(line)) return false
  const other = /^\s{0,8}([245]\d\d)[ -]/.exec(line.slice(0, 12))?.[1]
  return other === undefined || other === code
}

/** A reply in brackets or quotes ends at the closing one. */
function findClosingMark(source: string, index: number, body: string): number {
  const opener = /(?:<(?:[\w.-]{0,200} ?#?(?:[\d.]{5,9} [a-z]{2,8}; ?)?)?|([("[])(?:#)?)$/i.exec(
    source.slice(Math.max(0, index - 230), index),
  )
  // Words contain apostrophes, so a closing quote must end the line or a sentence.
  if (source.charAt(index - 1) === "'") return /'\.?(?:\s|$)/.exec(body)?.index ?? body.length
  if (opener === null || /<<<\s?$/.test(source.slice(Math.max(0, index - 5), index))) return body.length
  const mark = opener[1] === '(' ? ')' : opener[1] === '[' ? ']' : opener[1] === '"' ? '"' : '>'
  const at = body.indexOf(mark)
  // `(550) No such user`: the parentheses contain only the code.
  return at < 0 || (at < 12 && body.slice(at + 1).trim() !== '' && mark !== '>') ? body.length : at
}

function findLastHost(before: string): string | null {
  let host: string | null = null
  QUOTED_HOST.lastIndex = 0
  for (let found = QUOTED_HOST.exec(before); found !== null; found = QUOTED_HOST.exec(before))
    host = found[1] ?? found[2] ?? found[3] ?? found[4] ?? host
  return host === null ? null : host.toLowerCase()
}
