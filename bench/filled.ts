/**
 * filled - a daemon on a store with many deliveries, and its CPU and memory
 *
 * See also: bench/fill (creates the deliveries), bench/api, bench/exports.
 */
import { fork } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../test/support/daemon.ts'
import type { QueryLatencies, QueryLoad } from './ask.ts'
import { copyDeliveries, copiedEmailIds } from './fill.ts'
import { register, UNLIMITED } from './target.ts'

/** `--deliveries=N,M…`; 100,000 by default. */
export const DELIVERY_COUNTS = (process.argv.find((word) => word.startsWith('--deliveries='))?.split('=')[1] ?? '100000')
  .split(',')
  .map(Number)

/** The variables of the Dockerfile. */
export const AS_IN_THE_CONTAINER = { NODE_OPTIONS: '--max-semi-space-size=8', MALLOC_ARENA_MAX: '2' } as const

/** How many ids of mails are returned, evenly spread. */
const SAMPLED_IDS = 5_000

/** `--keep=FOLDER`: keeps the store of one size for the next run. */
const KEEP = process.argv.find((word) => word.startsWith('--keep='))?.split('=')[1]

/** Runs `work` with a daemon on that many deliveries, and `afterwards` with the folder of the stopped one. Removes the store then, except with `--keep`. */
export async function withFilledStore<T>(
  deliveries: number,
  work: (daemon: Daemon, emailIds: readonly string[]) => Promise<T>,
  afterwards: (data: string) => Promise<void> = async () => undefined,
): Promise<T> {
  const data = KEEP ?? makeTemporaryFolder()
  try {
    if (KEEP === undefined || !existsSync(join(data, 'bounced.db'))) {
      const first = await startDaemon({ data, env: { ...UNLIMITED } })
      await register(first, 0, 1)
      await first.stop()
      copyDeliveries(join(data, 'bounced.db'), deliveries)
    }
    const daemon = await startDaemon({ data, env: { ...UNLIMITED, ...AS_IN_THE_CONTAINER } })
    const result = await work(daemon, copiedEmailIds(deliveries, SAMPLED_IDS)).finally(daemon.stop)
    await afterwards(data)
    return result
  } finally {
    if (KEEP === undefined) rmSync(data, { recursive: true, force: true })
  }
}

/** CPU time of all threads of a daemon so far. */
export function cpuMillis({ process: { pid } }: Daemon): number {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/\(.*\)/, '()')
    .split(' ')
  // utime and stime, in hundredths of a second: fields 14 and 15 of proc(5).
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** A field of its status in megabytes: VmRSS is the current memory, VmHWM the peak. */
export function residentMegabytes({ process: { pid } }: Daemon, field: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(String.raw`^${field}:\s+(\d+) kB`, 'm').exec(text)?.[1] ?? NaN) / 1024
}

/** Sends queries from a child process. Throws if a response is not 200. */
export async function runQueryProcess(load: QueryLoad): Promise<QueryLatencies> {
  const child = fork(join(import.meta.dirname, 'ask.ts'))
  child.send(load)
  const latencies = await new Promise<QueryLatencies>((resolve, reject) => {
    // Checked cast: bench/ask sends this.
    child.once('message', (message) => resolve(message as QueryLatencies))
    child.once('exit', (code) => reject(new Error(`bench/ask ended with ${code}`)))
  })
  if (latencies.failed > 0) throw new Error(`${latencies.failed} of ${latencies.count} questions were not answered by 200`)
  return latencies
}
