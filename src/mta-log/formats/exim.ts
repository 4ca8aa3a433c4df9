/**
 * exim - the main log of Exim
 *
 * A mail begins with `<=` and ends with `Completed`; each recipient has lines with `=>` or `->` (delivered), `==` (deferred), `**` (failed).
 * An address in angle brackets after the recipient is the one before aliases. A failure that ends in `retry timeout exceeded` has expired.
 *
 *     2026-11-29 11:33:04 1tGabc-000001ab-2X => a@example.org R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.25] C="250 OK"
 *
 * Pure, total. Exim specification, chapter "Log files". See also: mta-log/queue-join.
 */
import { createLogOutcome, type LogOutcome, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'
import { parseSyslogLine } from '../syslog-line.ts'

const TIME = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [+-]\d{4})?) (?:\[\d+\] )?(.*)$/
/** Sixteen characters before Exim 4.97, 23 since. */
const MESSAGE = /^([0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})) (.*)$/
const FLAGGED = /^(<=|=>|->|>>|==|\*\*) (.*)$/
const MESSAGE_ID = / id=(\S+)/
const ADDRESS = /^(\S+)(?: (?:\([^)]*\) )?<([^>]*)>)?/
const HOST = / H=(\S+)(?: \(\S*\))?(?: \[([0-9a-fA-F.:]+)\])?(?::\d+)?/
const EGRESS = / I=\[([0-9a-fA-F.:]+)\]/
const CONFIRMATION = / C="((?:[^"\\]|\\.)*)"/
const TRANSPORT = / T=(\S+?):?(?: |$)/
const FIELDS = /^(?: (?:\([^)]*\) )?<[^>]*>)?(?: [A-Z]{1,3}=(?:"(?:[^"\\]|\\.)*"|\S+)(?: \([^)]*\))?(?: \[[^\]]*\](?::\d+)?)?)*/
const REMOTE_ERROR = /^SMTP error from remote mail server after .*?: (?=[245]\d\d[ -])/
const DEFER = /^ ?defer \((-?\d+)\)(?: H=(\S+)(?: \[([^\]]+)\])?(?::\d+)?)?:? ?/
const EXPIRED = /: retry timeout exceeded$|^retry timeout exceeded$/
/** Exim did not try; a queue run came before the time of the next attempt. */
const NOT_TRIED = /retry time not reached/

const EVENT_BY_FLAG = { '=>': 'sent', '->': 'sent', '>>': 'sent', '==': 'deferred', '**': 'bounced' } as const

export const parseEximLine: ParseLine = (line, { clock }) => {
  const syslog = line.startsWith('2') ? null : parseSyslogLine(line, clock)
  const text = syslog === null ? line : syslog.message
  const [, timeText = null, rest = text] = TIME.exec(text) ?? []
  if (timeText === null && syslog === null) return null
  const time = timeText === null ? (syslog?.time ?? null) : parseLogTime(timeText, clock)
  const [, queueId = '', message = ''] = MESSAGE.exec(rest) ?? []
  const read = queueId === '' ? null : readMessage(message)
  return read === null ? [] : [{ ...createLogOutcome(read.event ?? 'named', queueId), ...read, time, host: syslog?.host ?? null }]
}

function readMessage(message: string): Partial<LogOutcome> | null {
  if (message === 'Completed' || message.startsWith('Completed ')) return { event: 'removed' }
  const [, flag = '', rest = ''] = FLAGGED.exec(message) ?? []
  if (flag === '<=') return readArrival(rest)
  const event = flag === '' ? undefined : EVENT_BY_FLAG[flag as keyof typeof EVENT_BY_FLAG] // Checked cast: the flags of the pattern.
  return event === undefined ? null : readDelivery(event, rest)
}

function readArrival(rest: string): Partial<LogOutcome> {
  const sender = ADDRESS.exec(rest)?.[1] ?? ''
  return { event: 'received', sender: sender === '<>' ? '' : sender, messageId: MESSAGE_ID.exec(rest)?.[1] ?? null }
}

function readDelivery(event: 'sent' | 'deferred' | 'bounced', rest: string): Partial<LogOutcome> | null {
  const [, address = '', parent = null] = ADDRESS.exec(rest) ?? []
  const fields = FIELDS.exec(rest.slice(address.length))?.[0] ?? ''
  const statement = rest.slice(address.length + fields.length).replace(/^:? /, '')
  const recipient = address.replace(/:$/, '')
  const isCommand = recipient.startsWith('|')
  const isFile = recipient.startsWith('/')
  const base = {
    recipient: (isCommand || isFile) && parent !== null ? parent : recipient,
    origTo: parent,
    egressIp: EGRESS.exec(fields)?.[1] ?? null,
  }
  if (event === 'sent') return { event, ...base, ...readAcceptance(fields, isCommand) }
  const deferred = DEFER.exec(statement)
  const [whole = '', , deferHost = null, deferIp = null] = deferred ?? []
  const reason = statement.slice(whole.length)
  if (NOT_TRIED.test(statement)) return null
  const isExpired = event === 'bounced' && EXPIRED.test(reason)
  const reply = readReplyText(reason.replace(EXPIRED, '').replace(REMOTE_ERROR, ''))
  const relay = readHost(fields) ?? (deferHost === null ? null : { kind: 'host' as const, name: deferHost.toLowerCase(), ip: deferIp })
  return { event: isExpired ? 'expired' : event, ...base, relay, ...reply }
}

/** A delivery without a host is local, runs a command, or goes to the socket of an LMTP server, which confirms it. */
function readAcceptance(fields: string, isCommand: boolean): Pick<LogOutcome, 'relay' | 'code' | 'text' | 'queuedAs'> {
  const confirmation = (CONFIRMATION.exec(fields)?.[1] ?? '').replaceAll('\\"', '"')
  const { code, text } = readReplyText(confirmation)
  const transport = TRANSPORT.exec(fields)?.[1] ?? null
  const kind = isCommand || /pipe/i.test(transport ?? '') ? 'pipe' : confirmation === '' ? 'local' : 'socket'
  const relay = readHost(fields) ?? { kind, name: transport, ip: null }
  return { relay, code, text, queuedAs: readQueuedAs(confirmation) }
}

function readHost(fields: string): LogRelay | null {
  const [, name = null, ip = null] = HOST.exec(fields) ?? []
  return name === null ? null : { kind: 'host', name: name.toLowerCase(), ip }
}
