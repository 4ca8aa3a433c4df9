/**
 * follow-log - follows a log: reads its lines and has them recorded, with the position after them
 *
 * If the store is unavailable, the lines wait and are recorded again. Standard input and other streams have no position; they are read to their end.
 *
 * See also: import/log-file, service/follow/read-lines, import/log-followers, commands/reading/follow.
 */
import { isRetryable } from '../errors.ts'
import type { LogFormat } from '../mta-log/log-formats.ts'
import type { LogText, ReadCounts, LogReadResult } from '../service/follow/read-lines.ts'
import type { FollowedLog } from '../store/mail/followed-logs.ts'
import { linesOf, readLogFile, type LogFileOptions } from './log-file.ts'

/** Where lines are recorded: the store, or a daemon. Faults: store_busy; conflict (another reader follows the log). */
export type LogStore = {
  readonly find: (source: string) => Promise<FollowedLog | null>
  readonly read: (text: LogText) => Promise<LogReadResult>
}

export type FollowOptions = {
  readonly format: LogFormat
  readonly host: string
  readonly zone: string
  readonly relays: readonly string[]
  readonly notify: boolean
  readonly store: LogStore
  readonly onCounts: (counts: ReadCounts) => void
  /** Called before lines are recorded again. */
  readonly onRetry: (error: unknown) => Promise<void>
}

type FileOptions = Omit<LogFileOptions, 'position'> & {
  /** The name under which the position is stored. */
  readonly source: string
}

/** Follows a file. Resolves when it is stopped, or at the end of the file if it does not follow. Faults: not_found, conflict. */
export async function followFile(options: FollowOptions, file: FileOptions): Promise<void> {
  const { source } = file
  const stored = await options.store.find(source)
  let { columns, hosts, revision } = stored ?? { columns: [], hosts: [], revision: 0 }
  for await (const { lines, position } of readLogFile({ ...file, position: stored?.position ?? null })) {
    const log = { source, position, revision, hosts }
    const result = await readUntilStored(options, { lines, columns, log })
    if (result === null) return
    ;({ columns, hosts, revision } = result)
    options.onCounts(result.counts)
  }
}

/** Reads a stream to its end. */
export async function followStream(options: FollowOptions, stream: AsyncIterable<unknown>): Promise<void> {
  let columns: readonly string[] = []
  let rest = ''
  const decoder = new TextDecoder()
  const record = async (text: string): Promise<void> => {
    const result = text === '' ? null : await readUntilStored(options, { lines: linesOf(text), columns, log: null })
    if (result === null) return
    columns = result.columns
    options.onCounts(result.counts)
  }
  for await (const chunk of stream) {
    const text = rest + (chunk instanceof Uint8Array ? decoder.decode(chunk, { stream: true }) : String(chunk))
    const end = text.lastIndexOf('\n') + 1
    rest = text.slice(end)
    await record(text.slice(0, end))
  }
  await record(rest)
}

async function readUntilStored(
  { format, host, zone, relays, notify, store, onRetry }: FollowOptions,
  part: Pick<LogText, 'lines' | 'columns' | 'log'>,
): Promise<LogReadResult | null> {
  for (;;) {
    try {
      return await store.read({ format, host, zone, relays, notify, ...part })
    } catch (error) {
      if (!isRetryable(error)) throw error
      await onRetry(error)
    }
  }
}
