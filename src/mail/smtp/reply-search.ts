/**
 * reply-search - the SMTP replies inside a text that people are to read
 *
 * Found by shape: three digits where a reply can stand (behind "said:", "<<<", at a line's start, with a status behind them …), or a
 * status marked as one (`#5.1.1`). What introduces it tells whether a remote server spoke, and which.
 *
 * Pure, total, linear: every look around is of fixed length. See also: mail/smtp/reply, mail/freeform/formats.
 */
import { MAX_REPLY, type Reply, findStatus, isCodeAt, parseReply } from './reply.ts'

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
/** The longest reply seen had 20 lines. */
const MAX_LINES = 40
/** How far back an introduction may begin. */
const REACH = 300

/** A code, or a status that a mark, a quote or white space precedes. */
const CANDIDATE =
  /(?<![\w.@+/-])(?:[245]\d\d(?=[\s\-:;,#)\]"'.]|$)(?![.:,]\d|-\d(?!\.\d))|(?<![^#([\s"':;])#?[245]\.\d{1,3}\.\d{1,3}(?!\.?\d|[\w@/]|-\w))/g
/** A status that belongs to the code behind it. */
const CODE_NEXT = /^[^A-Za-z0-9]{0,4}(?:smtp\s?;\s?)?[245]\d\d/i
/** What a status without a code is introduced by. */
const MARKED =
  /(?:^|\n)[ \t]*$|[(#]$|\b(?:said|says|returned|error|status|code|reply|response|smtp|was)(?: code)?\s?[:;"'(]{0,2}\s?$|smtp;\s?$/i
/** What introduces another server's words. */
const REMOTE =
  /(?:<<<|[:;]\s?["'(<[]{0,2}|\b(?:said|says|replied|responded|answered|returned|with|response|reply)\s?["'(<[]{0,2}|<[\w.-]{1,200}\s?#?)$/i
/** A host that a text names: said to be one, or with its address behind it, or in front of qmail's sentences. */
const HOST =
  /\b(?:host|server|mta|by|at|to|from)\s{1,3}(?:\(|<|\[)?((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24}|(?:\d{1,3}\.){3}\d{1,3})(?=\.?(?:[\s[()\]>:;,'"]|$))|((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24})\.?\s?[[(](?:\d{1,3}\.){3}\d{1,3}|((?:\d{1,3}\.){3}\d{1,3})(?= (?:does not|failed|sent|rejected))|<((?:[a-z0-9_-]{1,63}\.){1,10}[a-z]{2,24})\s?#?$/gi
/** What a reply's words end before, within a line. */
const STOP = / ?\(in reply to| ?\(state \d\d|##|#smtp#/i
/** A line that is none of the reply's: a session's mark, a rule, a recipient, a field, another reporter's sentence. */
const NEXT_ITEM =
  /^(?:\s{0,8}(?:>>>|\.\.\. |---|===|<?[\w.+=-]{1,80}@[\w.-]{1,80}>?:?\s*$)|<[^<>\s]{1,200}@[^<>\s]{1,200}>:|[A-Z][a-z]{1,20}-[A-Za-z-]{1,30}:|(?:giving up on|remote host said|smtp error from|i'm not going to|this is a permanent|the response|original message)\b)/i

/**
 * Every reply in a text, in order, at most 200. Total; linear.
 *
 *     findReplies('host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)')
 *     → [{ reply: { code: 550, status: '5.1.1', text: 'No such user' }, host: 'mx.example.com', isRemote: true, … }]
 */
export function findReplies(text: string): readonly FoundReply[] {
  const source = text.length > MAX_SCAN ? text.slice(0, MAX_SCAN) : text
  const found: FoundReply[] = []
  let talking: string | null = null
  let floor = 0
  CANDIDATE.lastIndex = 0
  for (let candidate = CANDIDATE.exec(source); candidate !== null; candidate = CANDIDATE.exec(source)) {
    const index = candidate.index
    const word = candidate[0]
    if (index < floor || !(word.includes('.') ? isStatusAt(source, index) : isReplyAt(source, index))) continue
    const end = replyEnd(source, index)
    const reply = parseReply(source.slice(index, end).replace(/\n\s{0,8}<<< ?/g, '\n'))
    if (reply.code === null && reply.status === null) continue
    // `5.1.0 - Unknown address error 550-'5.1.1 …`: what the reporter made of it stands before what was said.
    if (word.includes('.') && reply.code !== null && !CODE_NEXT.test(source.slice(index + word.length, end))) continue
    const before = source.slice(Math.max(floor, index - REACH), index)
    const isRemote = REMOTE.test(before.slice(-260).trimEnd())
    // A session quoted line by line names its server once.
    talking = hostIn(before) ?? (/<<<\s?$/.test(before) ? talking : null)
    found.push({ reply, index, end, host: isRemote ? talking : null, isRemote })
    if (found.length >= MAX_REPLIES) break
    floor = end
  }
  return found
}

/** The last refusal of a remote server; where no introduction tells who spoke, the last one. Null without any. */
export function lastRemoteReply(text: string): FoundReply | null {
  const refusals = findReplies(text).filter((one) => one.reply.code === null || one.reply.code >= 400)
  const coded = refusals.filter((one) => one.reply.code !== null)
  return coded.findLast((one) => one.isRemote) ?? coded.at(-1) ?? refusals.at(-1) ?? null
}

/** A code behind a line's beginning, a colon or a sentence, whatever stands above it; the weakest shape of a reply. */
const CODED =
  /(?:^[ \t]*(?:<<<|out:)?[ \t]*|[：:;.!?(（]\s{0,3}|(?:code|status|reply|error)[ \t]{0,2}[:=]?[ \t]{0,2})([45]\d\d)(?=[ :,-]\s?[^\s\d]|[ -]['"]?[45]\.|: ?[45]\.|[)）,，:：]|$)/gim
/** Where a server begins to speak; the last one of several attempts is believed. */
const SPEAKS = /(?:\bsaid|\bsays|\breplied|\bresponded|<<<|\bout):?[ \t]{1,3}[45]\d\d/gi

export type LastSaid = { readonly reply: Reply; readonly host: string | null }

/** The last refusal that a text quotes, of a remote server before the reporter's, in its weakest shape where no better one is found; null without any. Total. */
export function lastSaid(text: string): LastSaid | null {
  const found = lastRemoteReply(lastAttempt(text))
  if (found !== null && found.reply.code !== null) return found
  const coded = lastCoded(text)
  if (found === null) return coded
  return coded !== null && coded.reply.status !== null ? coded : found
}

/** From the line of the last attempt on, where a text quotes several. */
function lastAttempt(text: string): string {
  let count = 0
  let last = 0
  SPEAKS.lastIndex = 0
  for (let match = SPEAKS.exec(text); match !== null; match = SPEAKS.exec(text)) {
    // A session that goes on after its refusal says nothing more about it.
    if (/5(?:03|00)$/.test(match[0]) && count > 0) continue
    count++
    last = match.index
  }
  return count > 1 ? text.slice(text.lastIndexOf('\n', last) + 1) : text
}

function lastCoded(text: string): LastSaid | null {
  let from = -1
  CODED.lastIndex = 0
  for (let match = CODED.exec(text); match !== null; match = CODED.exec(text)) from = match.index + match[0].length - 3
  if (from < 0) return null
  const line = text.slice(from, from + MAX_REPLY).split('\n', 1)[0] ?? ''
  return { reply: { ...parseReply(line.replace(':', '')), code: Number(text.slice(from, from + 3)) }, host: null }
}

/** A code at a line's start inside of a sentence (`… after⏎450 attempts`) is none. */
function isReplyAt(source: string, index: number): boolean {
  if (!isCodeAt(source, index)) return false
  const before = source.slice(Math.max(0, index - 80), index)
  if (!/\n[ \t]*$/.test(before) || /^(?:-|[ ]#?[245]\.\d)/.test(source.slice(index + 3, index + 8))) return true
  const previous = before.replace(/\n[ \t]*$/, '')
  return /(?:^|\n)[ \t\r]*$|[.:;>)\]"'!?-]\s*$/.test(previous)
}

function isStatusAt(source: string, index: number): boolean {
  const before = source.slice(Math.max(0, index - 30), index)
  return (source.charAt(index) === '#' || MARKED.test(before)) && findStatus(source.slice(Math.max(0, index - 20), index + 12)) !== null
}

/** Where the words of the reply at `index` end: with its lines, its bracket, or what a reporter puts behind them. */
function replyEnd(source: string, index: number): number {
  const limit = Math.min(source.length, index + 2 * MAX_REPLY)
  const isSession = /<<<\s?$/.test(source.slice(Math.max(0, index - 5), index))
  let end = lineEnd(source, index, limit)
  for (let i = 0; i < MAX_LINES && end < limit; i++) {
    const next = lineEnd(source, end + 1, limit)
    const line = source.slice(end + 1, next)
    const isMore = isSession
      ? source.charAt(index + 3) === '-' && isSessionLine(line, source.slice(index, index + 3))
      : isContinued(line, source.slice(index, index + 3))
    if (!isMore) break
    end = next
  }
  const body = source.slice(index, end)
  const stop = STOP.exec(body)?.index ?? body.length
  return index + Math.min(stop, closing(source, index, body))
}

function lineEnd(source: string, from: number, limit: number): number {
  const newline = source.indexOf('\n', from)
  return newline < 0 || newline > limit ? limit : newline
}

function isSessionLine(line: string, code: string): boolean {
  return /^\s{0,8}<<< /.test(line.slice(0, 12)) && line.trimStart().startsWith(`<<< ${code}`)
}

/** Another server begins to speak. */
const SPEAKER = /\b(?:said|says|replied|responded):\s{1,3}[245]\d\d\b/i

function isContinued(line: string, code: string): boolean {
  if (SPEAKER.test(line.slice(0, 300))) return false
  if (line.trim() === '' || NEXT_ITEM.test(line.slice(0, 300)) || /^\s{0,8}<<</.test(line)) return false
  const other = /^\s{0,8}([245]\d\d)[ -]/.exec(line.slice(0, 12))?.[1]
  return other === undefined || other === code
}

/** A reply that stands in brackets or quotes ends where they close. */
function closing(source: string, index: number, body: string): number {
  const opener = /(?:<(?:[\w.-]{0,200} ?#?(?:[\d.]{5,9} [a-z]{2,8}; ?)?)?|([("[])(?:#)?)$/i.exec(
    source.slice(Math.max(0, index - 230), index),
  )
  // An apostrophe stands inside words too: the closing one ends the line or a sentence.
  if (source.charAt(index - 1) === "'") return /'\.?(?:\s|$)/.exec(body)?.index ?? body.length
  if (opener === null || /<<<\s?$/.test(source.slice(Math.max(0, index - 5), index))) return body.length
  const mark = opener[1] === '(' ? ')' : opener[1] === '[' ? ']' : opener[1] === '"' ? '"' : '>'
  const at = body.indexOf(mark)
  // `(550) No such user` closes around the code alone.
  return at < 0 || (at < 12 && body.slice(at + 1).trim() !== '' && mark !== '>') ? body.length : at
}

function hostIn(before: string): string | null {
  let host: string | null = null
  HOST.lastIndex = 0
  for (let found = HOST.exec(before); found !== null; found = HOST.exec(before)) host = found[1] ?? found[2] ?? found[3] ?? found[4] ?? host
  return host === null ? null : host.toLowerCase()
}
