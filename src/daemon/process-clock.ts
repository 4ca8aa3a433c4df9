/**
 * process-clock - the clocks of this process: the time of the store, and a clock for intervals; logs when the machine's clock is wrong
 *
 * See also: steady-clock (what becomes of a jump), store/engine/shared-clock, docs/RELIABILITY.md (Clocks).
 */
import { uptime } from 'node:os'
import type { DatabaseReader } from '../store/engine/engine.ts'
import { startSharedClock } from '../store/engine/shared-clock.ts'
import { createElapsedClock, type ClockJump } from '../steady-clock.ts'
import type { Telemetry } from '../telemetry.ts'

export type ProcessClock = {
  /** The time by the clock of the store, epoch ms. Never decreases. */
  readonly now: () => number
  /** Milliseconds since any moment: for intervals, leases and deadlines. */
  readonly elapsed: () => number
  readonly stop: () => void
}

/** How often the clocks are compared, even if nobody asks for the time. */
const COMPARE_INTERVAL_MS = 1_000

const JUMP_TEXTS = {
  ignored: 'the clock has jumped: bounced goes on with its own for ten minutes, and follows if the clock stays',
  returned: 'the clock is back where it was; nothing has changed',
  followed:
    'the clock has stayed where it jumped to: bounced follows it, forward at once, backwards at half speed; a restart follows at once',
} as const satisfies Record<ClockJump['kind'], string>

/** Starts the clocks. Faults: store_busy. */
export async function startProcessClock(reader: DatabaseReader, { log, setGauge }: Telemetry): Promise<ProcessClock> {
  const wall = Date.now
  const elapsed = createElapsedClock({ wall, monotonic: () => performance.now(), uptime: () => uptime() * 1_000 })
  const onJump = ({ kind, millis }: ClockJump): void => log.warn({ seconds: Math.round(millis / 1_000) }, JUMP_TEXTS[kind])
  const clock = await startSharedClock(reader, { wall, elapsed, onJump })
  const timer = setInterval(() => setGauge('bounced_clock_offset_seconds', (wall() - clock.now()) / 1_000), COMPARE_INTERVAL_MS)
  timer.unref()
  const stop = (): void => {
    clearInterval(timer)
    clock.stop()
  }
  return { now: clock.now, elapsed, stop }
}
