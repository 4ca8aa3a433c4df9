/**
 * filled - a daemon over a store with many deliveries, and what it cost
 *
 * See also: bench/fill (which makes them), bench/api and bench/exports (which ask).
 */
import { fork } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../test/support/daemon.ts'
import type { QueryLatencies, QueryLoad } from './ask.ts'
import { copyDeliveries, copiedEmailIds } from './fill.ts'
import { register, UNLIMITED } from './target.ts'

/** `--deliveries=N,M…`; 100,000 unless told. */
export const DELIVERY_COUNTS = (process.argv.find((word) => word.startsWith('--deliveries='))?.split('=')[1] ?? '100000')
  .split(',')
  .map(Number)

/** Ids of mails that are given back, evenly spread. */
const SAMPLED_IDS = 5_000

/** `--keep=FOLDER`: a store of one number of deliveries, filled once and left for the next run. */
const KEEP = process.argv.find((word) => word.startsWith('--keep='))?.split('=')[1]

/** Runs on a daemon over so many deliveries; the store goes with it, unless it is to be kept. */
export async function withFilledStore<T>(
  deliveries: number,
  work: (daemon: Daemon, emailIds: readonly string[]) => Promise<T>,
): Promise<T> {
  const data = KEEP ?? makeTemporaryFolder()
  try {
    if (KEEP === undefined || !existsSync(join(data, 'bounced.db'))) {
      const first = await startDaemon({ data, env: { ...UNLIMITED } })
      await register(first, 0, 1)
      await first.stop()
      copyDeliveries(join(data, 'bounced.db'), deliveries)
    }
    const daemon = await startDaemon({ data, env: { ...UNLIMITED } })
    const result = await work(daemon, copiedEmailIds(deliveries, SAMPLED_IDS))
    await daemon.stop()
    return result
  } finally {
    if (KEEP === undefined) rmSync(data, { recursive: true, force: true })
  }
}

/** CPU of all threads of a daemon until now. */
export function cpuMillis({ process: { pid } }: Daemon): number {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/\(.*\)/, '()')
    .split(' ')
  // utime and stime, in hundredths of a second: fields 14 and 15 of proc(5).
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** A line of its status in megabytes: VmRSS now, VmHWM at its highest. */
export function residentMegabytes({ process: { pid } }: Daemon, field: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(String.raw`^${field}:\s+(\d+) kB`, 'm').exec(text)?.[1] ?? NaN) / 1024
}

/** Asks from a process of its own. Throws where an answer was not 200. */
export async function runQueryProcess(load: QueryLoad): Promise<QueryLatencies> {
  const child = fork(join(import.meta.dirname, 'ask.ts'))
  child.send(load)
  const latencies = await new Promise<QueryLatencies>((resolve, reject) => {
    // Checked cast: bench/ask answers so.
    child.once('message', (message) => resolve(message as QueryLatencies))
    child.once('exit', (code) => reject(new Error(`bench/ask ended with ${code}`)))
  })
  if (latencies.failed > 0) throw new Error(`${latencies.failed} of ${latencies.count} questions were not answered by 200`)
  return latencies
}
