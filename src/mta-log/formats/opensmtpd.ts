/**
 * opensmtpd - the log of OpenSMTPD
 *
 * Each line of a delivery has sender and recipients. The first half of an envelope's id is the id of its mail, which the server also names when it
 * accepts one.
 *
 *     smtpd[71]: 0a… mta delivery evpid=0b… from=<s@…> to=<a@example.org> rcpt=<-> source="192.0.2.1" relay="192.0.2.25 (mx…)" result="Ok" stat="250 …"
 *
 * Pure, total. smtpd(8). See also: mta-log/log-formats.
 */
import { createLogOutcome, type LogEvent, type LogOutcome, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'
import { parseSyslogLine } from '../syslog-line.ts'

const DELIVERY = /^[0-9a-f]{16} (mta|mda) delivery evpid=([0-9a-f]{8})[0-9a-f]{8} (.*)$/
const QUEUE = /^(?:relay|delivery): (\w+) for ([0-9a-f]{8})[0-9a-f]{8}: (.*)$/
const RECEIVED = /^[0-9a-f]{16} smtp message msgid=([0-9a-f]{8}) /
const RECIPIENT_COUNT = / nrcpts?=(\d{1,9})\b/
const RELAY = /^(\S+)(?: \(([^)]*)\))?$/

const EVENTS: Readonly<Record<string, LogEvent>> = {
  ok: 'sent',
  tempfail: 'deferred',
  permfail: 'bounced',
  loopfail: 'bounced',
  loop: 'bounced',
  expire: 'expired',
  expired: 'expired',
}

export const parseOpensmtpdLine: ParseLine = (line, { clock }) => {
  const syslog = parseSyslogLine(line, clock)
  if (syslog === null) return null
  const { time, host, message } = syslog
  const outcome = readReceived(message) ?? readDelivery(message) ?? readExpiry(message)
  return outcome === null ? [] : [{ ...outcome, time, host }]
}

function readReceived(message: string): LogOutcome | null {
  const queueId = RECEIVED.exec(message)?.[1]
  if (queueId === undefined) return null
  return { ...createLogOutcome('received', queueId), recipientCount: Number(RECIPIENT_COUNT.exec(message)?.[1] ?? 1) }
}

function readDelivery(message: string): LogOutcome | null {
  const [, program = '', queueId = '', fields = ''] = DELIVERY.exec(message) ?? []
  const event = EVENTS[fieldOf(fields, 'result')?.toLowerCase() ?? '']
  if (queueId === '' || event === undefined) return null
  const text = fieldOf(fields, 'stat') ?? ''
  const source = fieldOf(fields, 'source')
  return {
    ...createLogOutcome(event, queueId),
    ...addressesOf(fields),
    relay: program === 'mda' ? { kind: 'local', name: 'mda', ip: null } : relayOf(fieldOf(fields, 'relay') ?? ''),
    ...readReplyText(text),
    queuedAs: event === 'sent' ? readQueuedAs(text) : null,
    egressIp: source === null || source === '-' ? null : source,
  }
}

/** What the queue decides without an attempt: the mail expired. */
function readExpiry(message: string): LogOutcome | null {
  const [, result = '', queueId = '', fields = ''] = QUEUE.exec(message) ?? []
  if (EVENTS[result.toLowerCase()] !== 'expired') return null
  return { ...createLogOutcome('expired', queueId), ...addressesOf(fields), text: fieldOf(fields, 'stat') ?? '' }
}

/** `rcpt` is the recipient before aliases, `-` if it is the same. */
function addressesOf(fields: string): Pick<LogOutcome, 'sender' | 'recipient' | 'origTo'> {
  const original = fieldOf(fields, 'rcpt')
  const sender = fieldOf(fields, 'from')
  return {
    sender: sender === '@' ? '' : sender,
    recipient: fieldOf(fields, 'to') || null,
    origTo: original === null || original === '-' || original === '' ? null : original,
  }
}

/** `name=<value>`, `name="value"` or `name=value`. */
function fieldOf(fields: string, name: string): string | null {
  const found = new RegExp(`(?:^|[ ,])${name}=(?:<([^>]*)>|"(.*?)"(?= [a-z]+=|$)|([^ ,]*))`).exec(fields)
  return found === null ? null : (found[1] ?? found[2] ?? found[3] ?? null)
}

/** `192.0.2.25 (mx.example.org)`. */
function relayOf(text: string): LogRelay | null {
  const [, address = null, name = null] = RELAY.exec(text) ?? []
  if (address === null || address === '-') return null
  if (address.startsWith('/')) return { kind: 'socket', name: address, ip: null }
  return { kind: 'host', name: name === null || name === '' ? null : name.toLowerCase(), ip: address }
}
