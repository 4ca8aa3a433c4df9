/**
 * postfix - the log of Postfix
 *
 * One mail has many lines, which the queue id joins: cleanup gives the Message-ID, qmgr the sender and the end, a delivery agent one line for each
 * recipient and attempt.
 *
 *     postfix/smtp[71]: 4ABCDE1234: to=<a@example.org>, relay=mx.example.org[192.0.2.25]:25, delay=1, dsn=5.1.1, status=bounced (host … said: 550 …)
 *
 * Pure, total. Postfix: postconf(5) syslog_name, qmgr(8), smtp(8), bounce(5). See also: mta-log/queue-join.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createLogOutcome, type LogOutcome, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'
import { parseSyslogLine } from '../syslog-line.ts'

/** Short ids are hexadecimal, long ones have no vowels but those at their place (postconf(5), enable_long_queue_ids). */
const QUEUE_ID = /^([0-9A-Za-z]{5,20}): (.*)$/
const MESSAGE_ID = /^(?:resent-)?message-id=(.*)$/
const SENDER = /^from=<(.*?)>, (.*)$/
const RECIPIENT_COUNT = /\bnrcpt=(\d{1,9})\b/
const EXPIRED = /^status=(?:force-)?expired, /
const RECIPIENT = /^to=<(.*?)>, (?:orig_to=<(.*?)>, )?relay=(.*?), (?:conn_use=\d+, )?delay=/
const STATUS = /(?:^|, )status=(sent|deferred|bounced) \((.*)\)$/
const DSN = /, dsn=([245]\.\d{1,3}\.\d{1,3}), status=/
const HOST_REPLY = /^host (\S+?)\[([^\]]+)\](?::\d+)? (?:said|refused to talk to me): (.*)$/
const COMMAND = / \(in reply to [^()]{1,60}\)$/
const SUSPENDED = /^delivery temporarily suspended: /
const HOST_RELAY = /^([^[\]\s]+)\[([^\]]+)\](?::\d+)?$/

/** Programs that put mail into the queue. */
const RECEIVERS = new Set(['smtpd', 'pickup', 'qmqpd'])

export const parsePostfixLine: ParseLine = (line, { clock }) => {
  const syslog = parseSyslogLine(line, clock)
  if (syslog === null) return null
  const [, queueId = '', message = ''] = QUEUE_ID.exec(syslog.message) ?? []
  if (queueId === '' || queueId === 'warning' || queueId === 'NOQUEUE') return []
  const program = syslog.program.slice(syslog.program.lastIndexOf('/') + 1)
  const read = readMessage(program, message)
  return read === null ? [] : [{ ...createLogOutcome(read.event ?? 'named', queueId), ...read, time: syslog.time, host: syslog.host }]
}

function readMessage(program: string, message: string): Partial<LogOutcome> | null {
  if (message === 'removed') return { event: 'removed' }
  if (RECEIVERS.has(program) && (message.startsWith('client=') || message.startsWith('uid='))) return { event: 'received' }
  const messageId = MESSAGE_ID.exec(message)?.[1]
  if (messageId !== undefined)
    return messageId === '<>' || messageId === '' ? null : { event: 'named', messageId: bareMessageId(messageId) }
  const sender = SENDER.exec(message)
  return sender === null ? readDelivery(message) : readSender(sender)
}

/** qmgr: the sender with each activation, or the end of the time in the queue. */
function readSender([, sender = '', rest = '']: RegExpExecArray): Partial<LogOutcome> | null {
  if (EXPIRED.test(rest)) return { event: 'expired', sender, text: rest }
  const count = RECIPIENT_COUNT.exec(rest)?.[1]
  return count === undefined ? null : { event: 'named', sender, recipientCount: Number(count) }
}

/** A delivery agent: one recipient, one attempt. */
function readDelivery(message: string): Partial<LogOutcome> | null {
  const found = RECIPIENT.exec(message)
  const status = STATUS.exec(message)
  if (found === null || status === null) return null
  const [, recipient = '', origTo = null, relayText = ''] = found
  const [, event = '', statement = ''] = status
  const dsn = DSN.exec(message)?.[1] ?? null
  const relay = readRelay(relayText, statement)
  if (event === 'sent') {
    const { code, text } = readReplyText(statement)
    return { event, recipient, origTo, relay, dsn, code, text, queuedAs: readQueuedAs(statement) }
  }
  const [, host = null, ip = null, reply = null] = HOST_REPLY.exec(statement.replace(SUSPENDED, '').replace(COMMAND, '')) ?? []
  const answered: LogRelay | null = host === null ? null : { kind: 'host', name: host.toLowerCase(), ip }
  return {
    event: event === 'bounced' ? 'bounced' : 'deferred',
    recipient,
    origTo,
    dsn,
    relay: relay?.kind === 'host' ? relay : (answered ?? relay),
    ...readReplyText(reply ?? statement.replace(COMMAND, '')),
  }
}

/** `relay=none` is no relay; `local` and `virtual` are mailboxes, unless they ran a command. */
function readRelay(text: string, statement: string): LogRelay | null {
  if (text === 'none') return null
  const host = HOST_RELAY.exec(text)
  const [, name = '', address = ''] = host ?? []
  // LMTP over a Unix socket: mail.example.com[private/dovecot-lmtp].
  if (host !== null && !/^[\d.]+$|:/.test(address)) return { kind: 'socket', name: address, ip: null }
  if (host !== null) return { kind: 'host', name: name.toLowerCase(), ip: address.replace(/^IPv6:/i, '') }
  if (/^delivered to command: |^delivered via \S+ service\b/.test(statement)) return { kind: 'pipe', name: text, ip: null }
  return { kind: 'local', name: text, ip: null }
}
