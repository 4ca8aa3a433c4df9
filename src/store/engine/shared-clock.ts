/**
 * shared-clock - the clock of the store, which all nodes share
 *
 * A due time or the end of a claim that one node writes is compared by another. With the clocks of the nodes, one that is minutes ahead would take
 * what another still holds. With PostgreSQL the time is therefore the server's: it is read now and then, and the time since is measured on
 * the monotonic clock of the process, so that a change of the wall clock moves nothing. SQLite has one node, whose clock it is. Either clock may be set while
 * we run: it is followed as `steady-clock` says.
 *
 * See also: steady-clock, store/engine/lease (which reads the clock within its transaction), service/context.
 */
import { createSteadyClock, type ClockJump } from '../../steady-clock.ts'
import type { DatabaseReader } from './engine.ts'

/** The clock of the store, epoch ms. `now`: the clock of this process, which is that of an embedded store. */
export async function readStoreClock(reader: DatabaseReader, now: number): Promise<number> {
  if (reader.kind === 'sqlite') return now
  const row = await reader.one('select (extract(epoch from clock_timestamp()) * 1000)::bigint as now')
  return Number(row?.['now'])
}

type SharedClock = {
  /** The time by the clock of the store, epoch ms. Never decreases. */
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
  readonly wall: () => number
  /** Milliseconds since any moment, which no change of the wall clock moves. */
  readonly elapsed: () => number
  readonly onJump?: (jump: ClockJump) => void
}

/** Creates the clock. It measures once, and then every minute. Faults: store_busy. */
export async function startSharedClock(reader: DatabaseReader, { wall, elapsed, onJump }: SharedClockOptions): Promise<SharedClock> {
  const steady = { elapsed, ...(onJump === undefined ? {} : { onJump }) }
  if (reader.kind === 'sqlite') {
    const now = createSteadyClock({ ...steady, offset: () => wall() - elapsed() })
    return { now, measure: () => Promise.resolve(), stop: () => undefined }
  }
  const readOffset = async (): Promise<number> => {
    const before = elapsed()
    const read = await readStoreClock(reader, wall())
    // The server read its clock between the two moments.
    return read - (before + elapsed()) / 2
  }
  let offset = await readOffset()
  const measure = async (): Promise<void> => {
    offset = await readOffset()
  }
  const timer = setInterval(() => void measure().catch(() => undefined), MEASURE_INTERVAL_MS)
  timer.unref()
  return { now: createSteadyClock({ ...steady, offset: () => offset }), measure, stop: () => clearInterval(timer) }
}
