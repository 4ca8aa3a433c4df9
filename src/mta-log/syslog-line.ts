/**
 * syslog-line - the time, host and program in front of a log line
 *
 * Reads what syslog daemons, Postfix's postlogd, journalctl and containers write: RFC 5424, RFC 3164, and lines of the program alone.
 *
 * Pure, total. RFC 3164 §4.1, RFC 5424 §6. See also: mta-log/log-time.
 */
import { type LogClock, parseLogTime } from './log-time.ts'

type SyslogLine = {
  readonly time: number | null
  readonly host: string | null
  /** `postfix/smtp`; '' if the line names none. */
  readonly program: string
  readonly message: string
}

const RFC_5424 = /^(?:<\d{1,3}>)1 (\S+) (\S+) (\S+) \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?(.*)$/
const RFC_3164_TIME = /^(?:<\d{1,3}>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) (.*)$/
const ISO_TIME = /^(?:<\d{1,3}>)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?) (.*)$/
const PROGRAM = /^([A-Za-z][\w./-]{0,62})(?:\[\d{1,10}\])?: (.*)$/
const HOST_AND_REST = /^(\S{1,255}) (.*)$/

/** Null: neither a time nor a program is in front. */
export function parseSyslogLine(line: string, clock: LogClock): SyslogLine | null {
  const modern = RFC_5424.exec(line)
  if (modern !== null) {
    const [, time = '', host = '', program = '', message = ''] = modern
    return { time: parseLogTime(time, clock), host: presentHost(host), program: program === '-' ? '' : program, message }
  }
  const [, timeText = null, rest = line] = RFC_3164_TIME.exec(line) ?? ISO_TIME.exec(line) ?? []
  const time = timeText === null ? null : parseLogTime(timeText, clock)
  const alone = PROGRAM.exec(rest)
  if (alone !== null) return { time, host: null, program: alone[1] ?? '', message: alone[2] ?? '' }
  if (timeText === null) return null
  const [, host = '', afterHost = ''] = HOST_AND_REST.exec(rest) ?? []
  const named = PROGRAM.exec(afterHost)
  return { time, host: presentHost(host), program: named?.[1] ?? '', message: named?.[2] ?? afterHost }
}

const presentHost = (host: string): string | null => (host === '' || host === '-' ? null : host.toLowerCase())

/** The host in front of a program; null: the line names no program, so that what looks like a host may be a word of the program. */
export const programHostOf = (line: SyslogLine | null): string | null => (line === null || line.program === '' ? null : line.host)
