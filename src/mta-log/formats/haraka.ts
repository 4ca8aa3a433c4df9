/**
 * haraka - the log of Haraka, and the records of the plugin in docs/FOLLOW.md
 *
 * Haraka's own lines name a recipient only when it takes the mail, so they find a mail by the Return-Path alone: one mail for each recipient. The
 * plugin writes one record of the format jsonl for each recipient, which needs no such care.
 *
 *     [NOTICE] [71A0….1.1] [outbound] delivered file=… domain=example.org host=mx.example.org ip=192.0.2.25 … response="250 OK" delay=0.5 …
 *
 * Pure, total. See also: mta-log/formats/jsonl.
 */
import { bareMessageId } from '../../correlate/references.ts'
import { createLogOutcome, type LogOutcome } from '../log-outcome.ts'
import type { ParseLine } from '../line-parser.ts'
import { parseLogTime } from '../log-time.ts'
import { readQueuedAs, readReplyText } from '../reply-text.ts'
import { parseSyslogLine, programHostOf } from '../syslog-line.ts'
import { parseJsonlLine } from './jsonl.ts'

const LINE = /\[([A-Z]{2,9})\] \[([0-9A-Fa-f-]{8,40}(?:\.\d{1,6}){0,3}|-)\] \[([\w/.-]{1,60})\] (.*)$/
const TIME = /^(\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?)/
const SENDER = /\bsender="?<?([^"<>]*)>?"?/
const MESSAGE_ID = /^message mid="?(\S+?)"?(?: |$)/
const DEFERRED = /^(?:temp failing|temporary (?:failure|error)|deferred)\b.*?: (.*)$/i
const BOUNCED = /^(?:bouncing mail|bounced?)\b.*?: (.*)$/i

export const parseHarakaLine: ParseLine = (line, context) => {
  if (line.startsWith('{')) return parseJsonlLine(line, context)
  const syslog = parseSyslogLine(line, context.clock)
  const found = LINE.exec(line)
  if (found === null) return syslog === null ? null : []
  const [, , uuid = '', program = '', message = ''] = found
  const timeText = TIME.exec(line)?.[1]
  const time = syslog?.time ?? (timeText === undefined ? null : parseLogTime(timeText, context.clock))
  const read = uuid === '-' ? null : program === 'outbound' ? readDelivery(message) : readArrival(message)
  return read === null ? [] : [{ ...createLogOutcome(read.event ?? 'named', queueIdOf(uuid)), ...read, time, host: programHostOf(syslog) }]
}

/** `UUID.1` is a mail, `UUID.1.2` its second delivery. */
const queueIdOf = (uuid: string): string => uuid.split('.').slice(0, 2).join('.')

function readArrival(message: string): Partial<LogOutcome> | null {
  const messageId = MESSAGE_ID.exec(message)?.[1]
  if (messageId !== undefined) return { event: 'named', messageId: bareMessageId(messageId) }
  const sender = message.startsWith('recipient ') ? SENDER.exec(message)?.[1] : undefined
  return sender === undefined ? null : { event: 'named', sender }
}

function readDelivery(message: string): Partial<LogOutcome> | null {
  if (message.startsWith('delivered ')) {
    const response = fieldOf(message, 'response') ?? ''
    const { code, text } = readReplyText(response)
    const name = fieldOf(message, 'host')
    const relay = { kind: 'host', name: name?.toLowerCase() ?? null, ip: fieldOf(message, 'ip') } as const
    return { event: 'sent', relay, code, text, queuedAs: readQueuedAs(response) }
  }
  const deferred = DEFERRED.exec(message)?.[1]
  if (deferred !== undefined) return { event: 'deferred', ...readReplyText(deferred) }
  const bounced = BOUNCED.exec(message)?.[1]
  return bounced === undefined ? null : { event: 'bounced', ...readReplyText(bounced) }
}

function fieldOf(message: string, name: string): string | null {
  const found = new RegExp(` ${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|(\\S*))`).exec(message)
  return found === null ? null : (found[1] ?? found[2] ?? null)
}
