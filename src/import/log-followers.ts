/**
 * log-followers - follows the logs that `follow.logs` names
 *
 * Each log has a loop of its own. A loop that fails is logged and begins again at the stored position.
 *
 * See also: settings/follow, import/follow-log.
 */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LOG_FORMATS, type LogFormat } from '../mta-log/log-formats.ts'
import type { Context } from '../service/context.ts'
import { readLines } from '../service/follow/read-lines.ts'
import { findFollowedLogForOperator } from '../store/mail/followed-logs.ts'
import { followFile, type FollowOptions, type LogStore } from './follow-log.ts'
import type { LogStart } from './log-file.ts'

/** The settings of `follow`. */
type FollowSettings = {
  readonly logs: readonly string[]
  readonly relays: readonly string[]
  readonly zone: string
  readonly host?: string | undefined
  readonly start: LogStart
}

type LogToFollow = { readonly format: LogFormat; readonly path: string }

/** Reads FORMAT:FILE. Null: the format is unknown, or there is no file. */
export function parseLogToFollow(text: string): LogToFollow | null {
  const colon = text.indexOf(':')
  const format = LOG_FORMATS.find((each) => each === text.slice(0, Math.max(0, colon)))
  const path = text.slice(colon + 1)
  return format === undefined || path === '' ? null : { format, path }
}

/** A report of the MTA comes a moment after its line. */
const POLL_MS = 250
/** The file may be missing or unreadable for hours. */
const RETRY_MS = 5_000

/** Records lines in this process. */
export function createLogStore(context: Context): LogStore {
  return {
    find: (source) => findFollowedLogForOperator(context.engine.read, source),
    read: (text) => readLines(context, text),
  }
}

/** The name under which the position of a file is stored: nodes that share a store have files of the same name. */
export const logSourceOf = (path: string): string => `${hostname()}:${resolve(path)}`

/** The name of the MTA where its lines have none. */
export const logHostOf = ({ host }: Pick<FollowSettings, 'host'>): string => host ?? hostname()

/** Starts to follow. The result stops it, after the lines that are being recorded. */
export function startLogFollowers(context: Context, follow: FollowSettings): () => Promise<unknown> {
  const stop = new AbortController()
  const logs = follow.logs.flatMap((each) => parseLogToFollow(each) ?? [])
  const running = logs.map((log) => followUntilStopped(context, follow, log, stop.signal))
  return () => {
    stop.abort()
    return Promise.all(running)
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => undefined)

async function followUntilStopped(
  context: Context,
  follow: FollowSettings,
  { format, path }: LogToFollow,
  signal: AbortSignal,
): Promise<void> {
  const { log } = context.telemetry
  const options: FollowOptions = {
    format,
    host: logHostOf(follow),
    zone: follow.zone,
    relays: follow.relays,
    notify: true,
    store: createLogStore(context),
    onCounts: (counts) => log.debug({ path, ...counts }, 'log lines recorded'),
    onRetry: (error) => {
      signal.throwIfAborted()
      log.warn({ path, err: error }, 'the store did not take log lines; they are recorded again')
      return pause(RETRY_MS, signal)
    },
  }
  while (!signal.aborted) {
    try {
      await followFile(options, {
        path,
        source: logSourceOf(path),
        start: follow.start,
        isFollowing: true,
        wait: () => pause(POLL_MS, signal),
        isStopped: () => signal.aborted,
        onLost: () => log.warn({ path }, 'the place where reading a log stopped is in no file any more; it is read from its beginning'),
      })
    } catch (error) {
      if (signal.aborted) return
      log.error({ path, err: error }, 'a log cannot be followed; it is tried again')
      await pause(RETRY_MS, signal)
    }
  }
}
