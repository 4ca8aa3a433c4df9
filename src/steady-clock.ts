/**
 * steady-clock - the clock of the process: it never goes back, never leaps because of a clock that is wrong for minutes, and never stands still
 *
 * A wall clock is set: by an operator, by a virtual machine, by NTP after a wrong start. Due times, leases and counts of the last minutes that follow it would
 * fire all at once after a jump forward, and stand still after a jump back. The steady clock therefore runs on the monotonic clock and only compares the
 * wall clock with it:
 *
 * - A difference of at most two seconds is followed at once, backwards at half speed.
 * - A jump is ignored for ten minutes. If the wall clock is back by then, nothing has happened.
 * - If it is not, the jump was a correction. Forward, the clock takes it in one step, because that time has passed. Backwards, it goes on at half speed until the wall
 *   clock has caught up.
 * - Time in which the machine slept has passed: `createElapsedClock` counts it, so that waking up is no jump.
 *
 * Pure but for the clocks, which are arguments. See also: store/engine/shared-clock (compares with the clock of PostgreSQL instead), daemon/process-clock.
 */

/** The clocks of a machine, all in milliseconds. */
type MachineClocks = {
  /** Epoch ms. Can be set. */
  readonly wall: () => number
  /** Since any moment; it does not run while the machine sleeps. */
  readonly monotonic: () => number
  /** Since any moment; it runs while the machine sleeps. It may be coarse and costly: it is read only after the other two disagree. */
  readonly uptime: () => number
}

/** Below it, clocks only drift. */
const JUMP_MS = 2_000

/** Longer than it takes to notice and mend a wrong clock, and short enough that a corrected one is soon believed. */
const DISBELIEF_MS = 600_000

/** The speed at which the clock waits for a wall clock that is behind. */
const WAITING_SPEED = 0.5

/** Creates a monotonic clock that counts the time in which the machine slept. Total. */
export function createElapsedClock({ wall, monotonic, uptime }: MachineClocks): () => number {
  const startedAt = uptime() - monotonic()
  let seen = wall() - monotonic()
  let sleptMs = 0
  return () => {
    const now = monotonic()
    const offset = wall() - now
    if (Math.abs(offset - seen) >= JUMP_MS) {
      seen = offset
      const unaccounted = uptime() - now - startedAt
      if (unaccounted - sleptMs >= JUMP_MS) sleptMs = unaccounted
    }
    return now + sleptMs
  }
}

/** What became of a jump of the source by `millis`. */
export type ClockJump = { readonly kind: 'ignored' | 'returned' | 'followed'; readonly millis: number }

type SteadyClockOptions = {
  /** Milliseconds that have passed since any moment. Never decreases. */
  readonly elapsed: () => number
  /** Epoch ms minus `elapsed`, by the clock that is followed. */
  readonly offset: () => number
  readonly onJump?: (jump: ClockJump) => void
}

type Pending = { readonly offset: number; readonly since: number; readonly millis: number }

/** Creates the clock, which begins at the time of its source. The result is called for the time, epoch ms. Total. */
export function createSteadyClock({ elapsed, offset, onJump = () => undefined }: SteadyClockOptions): () => number {
  let followed = offset()
  let pending: Pending | null = null
  let last = elapsed() + followed
  let lastElapsed = elapsed()
  const follow = (at: number): void => {
    const current = offset()
    const millis = Math.round(current - followed)
    if (Math.abs(current - followed) < JUMP_MS) {
      if (pending !== null) onJump({ kind: 'returned', millis: pending.millis })
      pending = null
      followed = current
      return
    }
    if (pending === null || Math.abs(current - pending.offset) >= JUMP_MS) {
      pending = { offset: current, since: at, millis }
      onJump({ kind: 'ignored', millis })
    }
    if (at - pending.since < DISBELIEF_MS) return
    pending = null
    followed = current
    onJump({ kind: 'followed', millis })
  }
  return () => {
    const at = elapsed()
    follow(at)
    last = Math.max(at + followed, last + (at - lastElapsed) * WAITING_SPEED)
    lastElapsed = at
    return Math.round(last)
  }
}
