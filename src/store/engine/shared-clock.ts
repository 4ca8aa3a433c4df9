/**
 * shared-clock - the clock of the store, which all nodes share
 *
 * A due time or the end of a claim that one node writes is compared by another. With the clocks of the nodes, one that is minutes ahead would take
 * what another still holds. With PostgreSQL the time is therefore the server's: it is read now and then, and the time since is measured on
 * the monotonic clock of the process, so that a change of the wall clock moves nothing. SQLite has one node, whose clock it is.
 *
 * See also: store/engine/lease (which reads the clock within its transaction), service/context.
 */
import type { DatabaseReader } from './engine.ts'

/** The clock of the store, epoch ms. `now`: the clock of this process, which is that of an embedded store. */
export async function readStoreClock(reader: DatabaseReader, now: number): Promise<number> {
  if (reader.kind === 'sqlite') return now
  const row = await reader.one('select (extract(epoch from clock_timestamp()) * 1000)::bigint as now')
  return Number(row?.['now'])
}

type SharedClock = {
  /** The time by the clock of the store, epoch ms. */
  readonly now: () => number
  /** Reads the clock of the store again. Faults: store_busy; the clock then goes on as before. */
  readonly measure: () => Promise<void>
  /** Stops measuring. */
  readonly stop: () => void
}

/** Clocks drift by seconds a day, so a minute is far more often than a claim of minutes needs. */
const MEASURE_INTERVAL_MS = 60_000

type SharedClockOptions = {
  /** The wall clock of this process, epoch ms. */
  readonly now: () => number
  /** Milliseconds since any moment, which no change of the wall clock moves. */
  readonly monotonic?: () => number
}

/** Creates the clock. It measures once, and then every minute. Faults: store_busy. */
export async function startSharedClock(
  reader: DatabaseReader,
  { now, monotonic = () => performance.now() }: SharedClockOptions,
): Promise<SharedClock> {
  if (reader.kind === 'sqlite') return { now, measure: () => Promise.resolve(), stop: () => undefined }
  let offset = 0
  const measure = async (): Promise<void> => {
    const before = monotonic()
    const read = await readStoreClock(reader, now())
    // The server read its clock between the two moments.
    offset = read - (before + monotonic()) / 2
  }
  await measure()
  const timer = setInterval(() => void measure().catch(() => undefined), MEASURE_INTERVAL_MS)
  timer.unref()
  return { now: () => Math.round(monotonic() + offset), measure, stop: () => clearInterval(timer) }
}
