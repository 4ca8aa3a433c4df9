/**
 * shifted-clock - loaded before a program, shifts its wall clock by the milliseconds in a file, which a test may change while the program runs
 *
 * The monotonic clock stays as it is, as when an operator sets the clock. See also: support/machine-clock.
 */
import { readFileSync } from 'node:fs'

const file = process.env['CLOCK_FILE'] ?? ''
const wall = Date.now
let shift = 0

const look = (): void => {
  shift = Number(readFileSync(file, 'utf8')) || 0
}

if (file !== '') {
  look()
  setInterval(look, 20).unref()
  const now = (): number => wall() + shift
  globalThis.Date = class extends Date {
    constructor(...input: readonly unknown[]) {
      // Checked cast: whatever a program passes to Date.
      super(...((input.length === 0 ? [now()] : input) as [number]))
    }
    static override now = now
  } as DateConstructor
}
