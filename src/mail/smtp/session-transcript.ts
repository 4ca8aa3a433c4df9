/**
 * session-transcript - the refusal in an SMTP session that a report quotes line by line
 *
 *     ... while talking to mx.example.com.:
 *     >>> RCPT To:<ann@example.com>
 *     <<< 550 5.1.1 No such user
 *     >>> DATA
 *     <<< 503 5.5.1 Need RCPT first
 *
 * With pipelining, the replies to RCPT follow a later command. The last session with a refusal decides, because earlier ones were retried
 * elsewhere. In it the first refusal decides: the later ones are consequences. Replies about the order of commands (500, 502, 503) never do.
 * MDaemon writes `-->` and `<--`, with a date before them.
 *
 * Pure, total, linear. RFC 5321 §4.2. See also: mail/smtp/last-reply.
 */
import { parseReply } from './reply.ts'
import type { SmtpReply } from './reply.ts'

type Refusal = { readonly reply: SmtpReply; readonly host: string | null; readonly command: string }

const MAX_LINES = 2_000
const SESSION_START = /\b(?:while talking to|smtp connection to)\s+\[?([\w.-]{1,255}?)\.?(?::\d{1,5})?\]?:?\s*$/i
const COMMAND = /^\s{0,8}(?:>>>|(?:[\w ,:.+-]{1,40}: )?-->)\s?(.{1,500})/
const REPLY = /^\s{0,8}(?:<<<|(?:[\w ,:.+-]{1,40}: )?<--)\s?([245]\d\d)([ -].{0,2000}|$)/
const SEQUENCE_CODES: ReadonlySet<string> = new Set(['500', '502', '503'])

/** Whether a text quotes an SMTP session line by line. Total. */
export function hasSessionTranscript(text: string): boolean {
  return text.includes('<<<') || text.includes('<--')
}

const PASSED_LINE = /^[^\n]{0,50}(?:>>>|-->)[^\n]{0,500}(?:\n|$)|^[^\n]{0,50}(?:<<<|<--)\s?[23]\d\d[^\n]{0,500}(?:\n|$)/gm

/** A text without the commands and positive replies of a quoted session, which contain words about the sender. Total. */
export function removePassedCommands(text: string): string {
  return hasSessionTranscript(text) ? text.replace(PASSED_LINE, '') : text
}

/** The refusal that decides about `recipient`, or about the message; null if no session was refused. Total. */
export function findSessionRefusal(
  text: string,
  recipient: string | null,
): { readonly reply: SmtpReply; readonly host: string | null } | null {
  const refusals = readLastSession(text.split('\n', MAX_LINES))
  const own = recipient === null ? undefined : refusals.find((one) => one.command.toLowerCase().includes(`<${recipient.toLowerCase()}>`))
  return own ?? refusals.find((one) => !isAboutAnother(one, recipient)) ?? refusals[0] ?? null
}

/** Whether a refusal answers the RCPT command of another recipient, or its reply begins with another address. */
function isAboutAnother(refusal: Refusal, recipient: string | null): boolean {
  return recipient !== null && /^rcpt to:\s?<[^<>]*@/i.test(refusal.command)
}

/** The refusals of the last session that has any. */
function readLastSession(lines: readonly string[]): readonly Refusal[] {
  let last: readonly Refusal[] = []
  let current: Refusal[] = []
  let host: string | null = null
  let command = ''
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const start = SESSION_START.exec(line)
    if (start !== null) {
      if (current.length > 0) last = current
      current = []
      host = (start[1] ?? '').toLowerCase()
      command = ''
      continue
    }
    command = COMMAND.exec(line)?.[1] ?? command
    const code = REPLY.exec(line)?.[1]
    if (code === undefined) continue
    const replyLines = takeReplyLines(lines, at, code)
    at += replyLines.length - 1
    if (code.startsWith('2') || SEQUENCE_CODES.has(code)) continue
    const reply = parseReply(replyLines.join('\n'))
    if (reply.text !== '') current.push({ reply, host, command })
  }
  return current.length > 0 ? current : last
}

/** The lines of one reply, without the transcript mark. */
function takeReplyLines(lines: readonly string[], from: number, code: string): readonly string[] {
  const taken: string[] = []
  for (let at = from; at < lines.length; at++) {
    const match = REPLY.exec(lines[at] ?? '')
    if (match === null || match[1] !== code) break
    taken.push(`${code}${match[2] ?? ''}`)
    if (!(match[2] ?? '').startsWith('-')) break
  }
  return taken
}
