/**
 * read-lines - reads the text of log lines and records what they say
 *
 * The daemon, the command line and the log hook of KumoMTA hand over the text; the format is read here, so that every way in behaves the same.
 *
 * See also: mta-log/log-formats, service/follow/record-lines, import/follow-log.
 */
import { createRelayMatcher } from '../../mta-log/hand-over.ts'
import { type LogFormat, parserOf } from '../../mta-log/log-formats.ts'
import { type LogOutcome, MAX_LOG_LINE_LENGTH } from '../../mta-log/log-outcome.ts'
import type { FollowedLog, LogPosition } from '../../store/mail/followed-logs.ts'
import type { Context } from '../context.ts'
import { type RecordedCounts, recordLines } from './record-lines.ts'

export type LogText = {
  readonly format: LogFormat
  readonly lines: readonly string[]
  /** The host of lines that name none. */
  readonly host: string
  /** The IANA time zone of times without an offset. */
  readonly zone: string
  /** Host names, domains and networks to which mail is only handed over. */
  readonly relays: readonly string[]
  readonly columns: readonly string[]
  /** The log, how it was when it was last saved, and the position after the lines; null: it has no position, as standard input. */
  readonly log: {
    readonly source: string
    readonly position: LogPosition
    readonly revision: number
    readonly hosts: readonly string[]
  } | null
  readonly notify: boolean
  /** Only mails of this account are found; absent or null: those of all. */
  readonly account?: number | null
}

/** `ignored` lines say nothing about an outcome; `unreadable` ones are not of the format. */
export type ReadCounts = RecordedCounts & { readonly lines: number; readonly ignored: number; readonly unreadable: number }

export type LogReadResult = {
  readonly counts: ReadCounts
  readonly columns: readonly string[]
  readonly revision: number
  readonly hosts: readonly string[]
}

type ParsedText = {
  readonly outcomes: readonly LogOutcome[]
  readonly columns: readonly string[]
  readonly ignored: number
  readonly unreadable: number
}

/** Hosts of one log. More are not kept: somebody writes host names into it. */
const MAX_HOSTS = 32

/** Reads and records lines in one transaction. Faults: conflict (another reader follows the log), store_busy. */
export async function readLines(context: Context, text: LogText): Promise<LogReadResult> {
  const now = context.now()
  const { outcomes, columns, ignored, unreadable } = parseText(text, now)
  const ownHost = text.host.toLowerCase()
  const hosts = [...new Set([ownHost, ...(text.log?.hosts ?? []), ...outcomes.flatMap(({ host }) => host ?? [])])].slice(0, MAX_HOSTS)
  const log: FollowedLog | null = text.log === null ? null : { ...text.log, columns, hosts, updatedAt: now }
  const isOwnRelay = createRelayMatcher(text.relays)
  const counts = await recordLines(context, {
    lines: outcomes,
    host: ownHost,
    log,
    notify: text.notify,
    isOwnRelay,
    account: text.account ?? null,
  })
  const read = text.lines.length - ignored - unreadable
  for (const [kind, count] of Object.entries({ read, ignored, unreadable }))
    context.telemetry.count('bounced_log_lines_total', { kind }, count)
  return { counts: { ...counts, lines: text.lines.length, ignored, unreadable }, columns, revision: (text.log?.revision ?? 0) + 1, hosts }
}

function parseText({ format, lines, columns: known, zone }: LogText, now: number): ParsedText {
  const parse = parserOf(format)
  const outcomes: LogOutcome[] = []
  let columns = known
  let ignored = 0
  let unreadable = 0
  for (const line of lines) {
    const parsed = line.length > MAX_LOG_LINE_LENGTH ? null : parse(line, { clock: { now, zone }, columns })
    if (parsed === null) unreadable += line.trim() === '' ? 0 : 1
    else if ('columns' in parsed) columns = parsed.columns
    else if (parsed.length === 0) ignored += 1
    else outcomes.push(...parsed)
  }
  return { outcomes, columns, ignored, unreadable }
}
