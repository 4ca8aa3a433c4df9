/**
 * follow - records the outcomes that the log of another MTA names
 *
 * A file is followed until the command is interrupted, also over rotations, and continues where it stopped. Standard input is read to its end. A
 * daemon that runs on the data folder does the recording. Prints a summary at the end.
 *
 * See also: import/follow-log, commands/reading/follow-lines, docs/FOLLOW.md.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { logHostOf, logSourceOf } from '../../import/log-followers.ts'
import { followFile, followStream, type FollowOptions } from '../../import/follow-log.ts'
import { LOG_STARTS, type LogStart } from '../../import/log-file.ts'
import { LOG_FORMATS, type LogFormat } from '../../mta-log/log-formats.ts'
import type { ReadCounts } from '../../service/follow/read-lines.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { createCommandSession } from '../command-session.ts'
import { formatColumns, printLines } from '../output.ts'
import type { Settings } from '../../settings/schema.ts'
import { createRemoteLogStore } from './follow-lines.ts'

type Options = {
  readonly format: LogFormat
  readonly once?: true
  readonly start?: LogStart
  readonly host?: string
  readonly zone?: string
  readonly relay?: string[]
  readonly notify: boolean
}

export const followCommand: DefineCommand = (command) => {
  command
    .argument('<file>', 'the log; - is standard input')
    .addOption(new Option('--format <format>', 'the MTA that writes it').choices(LOG_FORMATS).makeOptionMandatory())
    .option('--once', 'read to the end of the file and stop')
    .addOption(new Option('--start <where>', 'where to begin in a log that was never read (default: follow.start)').choices(LOG_STARTS))
    .option('--host <name>', 'the name of the MTA, where its lines have none (default: follow.host)')
    .option('--zone <zone>', 'the time zone of times without an offset (default: follow.zone)')
    .option('--relay <relay...>', 'servers of your own that only pass mail on (default: follow.relays)')
    .option('--no-notify', 'send no webhooks for the changes, to read old logs')
    .action(runFollow)
}

const POLL_MS = 250
const RETRY_MS = 1_000

async function runFollow(file: string, options: Options, self: Command): Promise<void> {
  const { settings } = loadConfigFor(self)
  const summary = createSummary()
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const session = createCommandSession(self, settings.data)
  const follow = { ...followOptionsOf(options, settings, stop.signal), store: createRemoteLogStore(session.run), onCounts: summary.add }
  try {
    if (file === '-') await followStream(follow, process.stdin)
    else {
      if (options.once !== true && !existsSync(file)) printLines(`${file} does not exist yet; waiting for it`)
      await followFile(follow, fileOptionsOf(file, options, settings, stop.signal))
    }
  } finally {
    await session.close()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
  printLines(...summary.lines())
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)

function followOptionsOf(options: Options, { follow }: Settings, signal: AbortSignal): Omit<FollowOptions, 'store' | 'onCounts'> {
  return {
    format: options.format,
    host: options.host ?? logHostOf(follow),
    zone: options.zone ?? follow.zone,
    relays: options.relay ?? follow.relays,
    notify: options.notify,
    onRetry: (error) => {
      signal.throwIfAborted()
      printLines(`${error instanceof Error ? error.message : 'the store is busy'}; trying again`)
      return pause(RETRY_MS, signal)
    },
  }
}

function fileOptionsOf(path: string, options: Options, { follow }: Settings, signal: AbortSignal): Parameters<typeof followFile>[1] {
  return {
    path,
    source: logSourceOf(path),
    start: options.start ?? follow.start,
    isFollowing: options.once !== true,
    wait: () => pause(POLL_MS, signal),
    isStopped: () => signal.aborted,
    onLost: () => printLines('the place where reading stopped is in no file any more; reading from the beginning'),
  }
}

type Summary = { readonly add: (counts: ReadCounts) => void; readonly lines: () => readonly string[] }

function createSummary(): Summary {
  const totals = new Map<string, number>()
  const add = (name: string, count: number): unknown => totals.set(name, (totals.get(name) ?? 0) + count)
  return {
    add: ({ byResult, ...counts }) => {
      for (const [name, count] of [...Object.entries(counts), ...Object.entries(byResult)]) add(name, count)
    },
    lines: () => {
      const count = (name: string): number => totals.get(name) ?? 0
      const rows = SUMMARY_ROWS.map(([name, what]) => [String(count(name)), what])
      const isForeign = count('unreadable') > 0 && count('unreadable') * 2 >= count('lines')
      return [...formatColumns(rows), ...(isForeign ? ['Most lines are not of this format: check --format.'] : [])]
    },
  }
}

const SUMMARY_ROWS = [
  ['lines', 'lines'],
  ['unreadable', 'not of this format'],
  ['ignored', 'without an outcome'],
  ['sent', 'delivered'],
  ['deferred', 'deferred'],
  ['bounced', 'bounced'],
  ['expired', 'expired'],
  ['known', 'recorded before'],
  ['handedOver', 'handed over to a relay, socket or pipe'],
  ['unmatched', 'of mails that are not registered here'],
] as const
