/**
 * machine-clock - a wall clock for child processes that a test sets while they run
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeTemporaryFolder } from './daemon.ts'

export type MachineClock = {
  /** Variables for the child processes that have this clock. */
  readonly env: Readonly<Record<string, string>>
  /** Sets the clock to so many milliseconds from the right time. It takes effect within moments. */
  readonly set: (millis: number) => void
}

export function createMachineClock(): MachineClock {
  const file = join(makeTemporaryFolder(), 'clock')
  const set = (millis: number): void => writeFileSync(file, String(millis))
  set(0)
  return { env: { CLOCK_FILE: file, NODE_OPTIONS: `--import=${join(import.meta.dirname, 'shifted-clock.ts')}` }, set }
}
