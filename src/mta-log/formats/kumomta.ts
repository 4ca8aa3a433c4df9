/**
 * kumomta - the log records of KumoMTA: JSON, one record a line or one record of its log hook
 *
 * A record has everything: the sender, the recipient, the reply and, if `headers` of the logger names it, the Message-ID. An id is one mail, and
 * ends with its final record. What KumoMTA itself says of a connection that failed has a code too; it is no reply.
 *
 * Pure, total. KumoMTA reference: log record, configure_log_hook. See also: http/api/kumomta-hook.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { filledTextOf, isLogRecord, type LogRecord, parseLogRecord, textOf, wholeNumberOf } from '../log-record.ts'
import { createLogOutcome, type LogEvent, type LogOutcome } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'

const EVENTS: Readonly<Record<string, LogEvent>> = {
  Reception: 'received',
  Delivery: 'sent',
  TransientFailure: 'deferred',
  Bounce: 'bounced',
  AdminBounce: 'bounced',
  Expiration: 'expired',
}

const INTERNAL = /^KumoMTA internal: /

export const parseKumomtaLine: ParseLine = (line) => {
  const record = parseLogRecord(line)
  return record === null ? null : readKumomtaRecord(record)
}

/** The outcomes of one record; null: it is none. Total. */
function readKumomtaRecord(record: LogRecord): readonly LogOutcome[] | null {
  const type = textOf(record['type'])
  const queueId = filledTextOf(record['id'])
  if (type === null || queueId === null) return null
  const event = EVENTS[type]
  if (event === undefined) return []
  const outcome: LogOutcome = {
    ...createLogOutcome(event, queueId),
    time: timeOf(record['timestamp']),
    sender: textOf(record['sender']),
    messageId: messageIdOf(record['headers']),
  }
  if (event === 'received') return [outcome]
  const reply = replyOf(record['response'])
  const recipients = recipientsOf(record['recipient'])
  const outcomes = recipients.map((recipient) => ({
    ...outcome,
    recipient,
    recipientCount: recipients.length,
    relay: relayOf(record['peer_address']),
    egressIp: egressOf(record['source_address']),
    ...(event === 'sent' ? { queuedAs: readQueuedAs(reply.text) } : {}),
    ...reply,
    // An expiration's own code says that it expired; the last deferral says why.
    ...(event === 'expired' ? { code: null, error: null } : {}),
    attempt: wholeNumberOf(record['num_attempts']),
  }))
  return event === 'deferred' ? outcomes : [...outcomes, { ...createLogOutcome('removed', queueId), time: outcome.time }]
}

const timeOf = (value: unknown): number | null =>
  typeof value === 'number' && value > 0 && value < 1e11
    ? Math.floor(value * 1_000)
    : typeof value === 'string'
      ? parseLogTime(value, { now: 0, zone: 'UTC' })
      : null

const recipientsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).flatMap((each: unknown) => filledTextOf(each) ?? [])

function replyOf(value: unknown): Pick<LogOutcome, 'code' | 'dsn' | 'text' | 'error'> {
  const response = isLogRecord(value) ? value : {}
  const content = textOf(response['content']) ?? ''
  const { class: kind, subject, detail } = isLogRecord(response['enhanced_code']) ? response['enhanced_code'] : {}
  const numbers = [kind, subject, detail].flatMap((each) => wholeNumberOf(each) ?? [])
  const dsn = numbers.length === 3 ? numbers.join('.') : null
  if (INTERNAL.test(content)) return { dsn, ...readReplyText(content.replace(INTERNAL, '')), code: null }
  const code = wholeNumberOf(response['code'])
  const text = [code, dsn, content].filter((part) => part !== null && part !== '').join(' ')
  return { dsn, ...readReplyText(text) }
}

function relayOf(value: unknown): LogOutcome['relay'] {
  if (!isLogRecord(value)) return null
  const name = filledTextOf(value['name'])
  return { kind: 'host', name: name === null ? null : name.toLowerCase().replace(/\.$/, ''), ip: filledTextOf(value['addr']) }
}

/** `192.0.2.1:53210`, `[2001:db8::1]:53210`. */
function egressOf(value: unknown): string | null {
  const address = isLogRecord(value) ? textOf(value['address']) : null
  return address === null
    ? null
    : (/^\[([^\]]+)\]|^([\d.]+)(?::\d+)?$/
        .exec(address)
        ?.slice(1)
        .find((each) => each !== undefined) ?? null)
}

function messageIdOf(headers: unknown): string | null {
  if (!isLogRecord(headers)) return null
  const value = Object.entries(headers).find(([name]) => name.toLowerCase() === 'message-id')?.[1]
  const text = filledTextOf(Array.isArray(value) ? value[0] : value)
  return text === null ? null : bareMessageId(text)
}
