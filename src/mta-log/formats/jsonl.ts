/**
 * jsonl - outcomes as JSON, one object a line: the form for every other program
 *
 *     {"event":"bounced","time":"2026-11-29T11:33:04Z","queueId":"71","sender":"…","recipient":"a@example.org","code":550,"text":"5.1.1 no such user"}
 *
 * Unknown fields are ignored. `event` and `recipient` (or `queueId`) are required. docs/FOLLOW.md lists the fields.
 *
 * Pure, total. See also: mta-log/log-outcome.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { DIALOGUE_ERRORS, type DialogueError } from '../../ledger/facts/delivery-facts.ts'
import { filledTextOf, type LogRecord, parseLogRecord, textOf, wholeNumberOf } from '../log-record.ts'
import { createLogOutcome, LOG_EVENTS, type LogEvent, type LogOutcome, type LogRelay } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { type LogClock, parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'

/** What other programs call the events. */
const SYNONYMS: Readonly<Record<string, LogEvent>> = {
  delivered: 'sent',
  accepted: 'sent',
  failed: 'bounced',
  rejected: 'bounced',
  completed: 'removed',
}

const RELAY_KINDS: readonly LogRelay['kind'][] = ['host', 'socket', 'pipe', 'local']

export const parseJsonlLine: ParseLine = (line, { clock }) => {
  const record = parseLogRecord(line)
  return record === null ? null : readJsonlRecord(record, clock)
}

function readJsonlRecord(record: LogRecord, clock: LogClock): readonly LogOutcome[] | null {
  const name = textOf(record['event'])?.toLowerCase() ?? ''
  const event = LOG_EVENTS.find((each) => each === name) ?? (Object.hasOwn(SYNONYMS, name) ? SYNONYMS[name] : undefined)
  const queueId = filledTextOf(record['queueId']) ?? ''
  const recipient = filledTextOf(record['recipient'])
  if (event === undefined || (queueId === '' && recipient === null)) return null
  const messageId = filledTextOf(record['messageId'])
  const reply = replyOf(record)
  return [
    {
      ...createLogOutcome(event, queueId),
      time: timeOf(record['time'], clock),
      host: filledTextOf(record['host'])?.toLowerCase() ?? null,
      sender: textOf(record['sender']),
      recipient,
      origTo: filledTextOf(record['origTo']),
      recipientCount: wholeNumberOf(record['recipientCount']),
      relay: relayOf(record),
      ...reply,
      messageId: messageId === null ? null : bareMessageId(messageId),
      queuedAs: filledTextOf(record['queuedAs']) ?? (event === 'sent' ? readQueuedAs(reply.text) : null),
      egressIp: filledTextOf(record['egressIp']),
      attempt: wholeNumberOf(record['attempt']),
    },
  ]
}

const timeOf = (value: unknown, clock: LogClock): number | null =>
  typeof value === 'number' && value > 0 && value < 1e14
    ? Math.floor(value < 1e11 ? value * 1_000 : value)
    : parseLogTime(textOf(value) ?? '', clock)

function replyOf(record: LogRecord): Pick<LogOutcome, 'code' | 'dsn' | 'text' | 'error'> {
  const code = wholeNumberOf(record['code'])
  const text = textOf(record['text']) ?? ''
  const isStated = code !== null && code >= 200 && code < 600
  const read = readReplyText(isStated && !text.startsWith(String(code)) ? `${code} ${text}` : text)
  const error = DIALOGUE_ERRORS.find((each): each is DialogueError => each === record['error'])
  return { dsn: filledTextOf(record['dsn']), ...read, error: read.code === null ? (error ?? read.error) : null }
}

function relayOf(record: LogRecord): LogRelay | null {
  const name = filledTextOf(record['relay'])?.toLowerCase() ?? null
  const ip = filledTextOf(record['relayIp'])
  const kind = RELAY_KINDS.find((each) => each === record['relayKind']) ?? 'host'
  return name === null && ip === null && kind === 'host' ? null : { kind, name, ip }
}
