/**
 * reply-text - the remote server's reply inside of what an MTA logs about an attempt
 *
 * Pure, total. See also: mail/smtp/reply (code and status of the reply).
 */
import type { DialogueError } from '../ledger/facts/delivery-facts.ts'
import { collapseWhitespace, MAX_REPLY_LENGTH, parseReply } from '../mail/smtp/reply.ts'
import type { LogOutcome } from './log-outcome.ts'

/** What MTAs say when no server replied, the first that fits. The words are those of Postfix, Exim, OpenSMTPD, ZoneMTA, Haraka and the C library. */
const ERROR_WORDS: readonly (readonly [error: DialogueError, words: RegExp])[] = [
  [
    'dns',
    /host or domain name not found|name service error|host lookup|unable to resolve|unrouteable address|enotfound|domain (?:does not exist|not found)|no mx|dns (?:error|lookup|timeout)|mx lookup/i,
  ],
  ['tls', /\btls\b|\bssl\b|starttls|certificate/i],
  ['timeout', /timed out|timeout|etimedout/i],
  [
    'connect',
    /connection refused|econnrefused|network is unreachable|no route to host|host is down|failed to connect|could not connect|cannot connect|network error|\bconnect to\b|unable to connect|all hosts|ehostunreach|enetunreach/i,
  ],
  [
    'dropped',
    /lost connection|connection (?:was )?(?:closed|reset|lost|dropped)|remote host closed|broken pipe|econnreset|unexpectedly closed/i,
  ],
]

const STARTS_WITH_CODE = /^[245]\d\d(?:[ -]|$)/

/** Code, text and error of an attempt. `text` is the reply if it begins with a code, else what the MTA says. */
export function readReplyText(text: string): Pick<LogOutcome, 'code' | 'text' | 'error'> {
  const line = collapseWhitespace(text).slice(0, MAX_REPLY_LENGTH)
  if (STARTS_WITH_CODE.test(line)) return { code: parseReply(line).code, text: line, error: null }
  return { code: null, text: line, error: ERROR_WORDS.find(([, words]) => words.test(line))?.[0] ?? null }
}

/** The queue id in the reply of the next server: `queued as` (Postfix), `id=` (Exim), `Message accepted for delivery` (OpenSMTPD); an alias of Postfix. */
const QUEUED_AS = [
  /^forwarded as ([0-9A-Za-z]{5,20})$/,
  /\bqueued as ([0-9A-Za-z][\w.-]{3,63})/i,
  /^250\b.{0,12}\bOK id=([0-9A-Za-z-]{6,32})$/i,
  /^250 2\.0\.0:? ([0-9A-Za-z]{8,32}) Message accepted for delivery/i,
]

/** The queue id under which the mail goes on; null: the text names none. */
export function readQueuedAs(reply: string): string | null {
  return QUEUED_AS.flatMap((pattern) => pattern.exec(reply)?.[1] ?? [])[0] ?? null
}
