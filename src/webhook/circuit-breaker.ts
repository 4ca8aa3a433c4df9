/**
 * circuit-breaker - decides whether requests are sent to an endpoint
 *
 * After a few consecutive failures the breaker opens. While it is open, no request is sent and no event loses an attempt. When the open time is
 * over, one trial request is sent; each failed trial doubles the open time.
 *
 * Pure; `now` is a clock for intervals. See also: service/notify/notifier.
 */

type BreakerEvent = 'tripped' | 'due' | 'good' | 'bad'

/** The row is the current state, the column is the event, and the cell is the next state. If there is no cell, the state stays. */
const TRANSITIONS = {
  closed: { tripped: 'open' },
  open: { due: 'trial', good: 'closed' },
  trial: { good: 'closed', bad: 'open' },
} as const satisfies Record<string, Partial<Record<BreakerEvent, string>>>

type BreakerState = keyof typeof TRANSITIONS

export type CircuitBreaker = {
  readonly state: BreakerState
  /** Consecutive failures. */
  readonly failures: number
  /** The length of the current or next open time. */
  readonly openMs: number
  /** When the open time ends; 0 if the breaker is not open. */
  readonly openUntil: number
}

/** Four concurrent requests can fail during one short deployment; five consecutive failures are no coincidence. */
const FAILURES_TO_OPEN = 5
const INITIAL_OPEN_MS = 15_000
/** An endpoint that has recovered gets events again within five minutes. */
const MAX_OPEN_MS = 300_000

export const CLOSED_BREAKER: CircuitBreaker = { state: 'closed', failures: 0, openMs: INITIAL_OPEN_MS, openUntil: 0 }

function nextState(state: BreakerState, event: BreakerEvent): BreakerState {
  const row: Partial<Record<BreakerEvent, BreakerState>> = TRANSITIONS[state]
  return row[event] ?? state
}

/** Returns the breaker at a time: when the open time is over, the state becomes `trial`. Pure. */
export function advanceBreaker(breaker: CircuitBreaker, now: number): CircuitBreaker {
  return breaker.state === 'open' && now >= breaker.openUntil ? { ...breaker, state: nextState('open', 'due') } : breaker
}

/** Returns the breaker after a response. A success resets it. Pure. */
export function recordResult(breaker: CircuitBreaker, isSuccess: boolean, now: number): CircuitBreaker {
  if (isSuccess) return { ...CLOSED_BREAKER, state: nextState(breaker.state, 'good') }
  const failures = breaker.failures + 1
  const event: BreakerEvent = breaker.state === 'closed' && failures >= FAILURES_TO_OPEN ? 'tripped' : 'bad'
  const state = nextState(breaker.state, event)
  if (state !== 'open' || breaker.state === 'open') return { ...breaker, failures, state }
  return { state, failures, openMs: Math.min(breaker.openMs * 2, MAX_OPEN_MS), openUntil: now + breaker.openMs }
}
