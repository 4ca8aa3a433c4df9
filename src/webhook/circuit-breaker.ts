/**
 * circuit-breaker - whether an endpoint is asked at all
 *
 * After a few failures in a row it is left alone; then one request tries. While it is left alone nothing waits on it and nothing of what
 * is due loses an attempt. Each try that fails doubles the rest.
 *
 * Pure. See also: service/notify/notifier.
 */

type BreakerEvent = 'tripped' | 'due' | 'good' | 'bad'

/** A row is where an endpoint stands, a column what was heard, the cell where it goes. No cell: stay. */
const TRANSITIONS = {
  closed: { tripped: 'open' },
  open: { due: 'trial', good: 'closed' },
  trial: { good: 'closed', bad: 'open' },
} as const satisfies Record<string, Partial<Record<BreakerEvent, string>>>

export type BreakerState = keyof typeof TRANSITIONS

export type CircuitBreaker = {
  readonly state: BreakerState
  /** Failures in a row. */
  readonly failures: number
  /** How long the present or next rest is. */
  readonly openMs: number
  /** When the rest ends; 0 while there is none. */
  readonly openUntil: number
}

/** Four could be a deployment's hiccup under way at once; five in a row are no accident. */
const FAILURES_TO_OPEN = 5
const INITIAL_OPEN_MS = 15_000
/** Well again within so long of being well again. */
const MAX_OPEN_MS = 300_000

export const CLOSED_BREAKER: CircuitBreaker = { state: 'closed', failures: 0, openMs: INITIAL_OPEN_MS, openUntil: 0 }

function nextState(state: BreakerState, event: BreakerEvent): BreakerState {
  const row: Partial<Record<BreakerEvent, BreakerState>> = TRANSITIONS[state]
  return row[event] ?? state
}

/** The breaker at a moment: a rest that is over becomes a trial. */
export function advanceBreaker(breaker: CircuitBreaker, now: number): CircuitBreaker {
  return breaker.state === 'open' && now >= breaker.openUntil ? { ...breaker, state: nextState('open', 'due') } : breaker
}

/** The breaker after an answer. Good ones forget everything. */
export function recordResult(breaker: CircuitBreaker, isSuccess: boolean, now: number): CircuitBreaker {
  if (isSuccess) return { ...CLOSED_BREAKER, state: nextState(breaker.state, 'good') }
  const failures = breaker.failures + 1
  const event: BreakerEvent = breaker.state === 'closed' && failures >= FAILURES_TO_OPEN ? 'tripped' : 'bad'
  const state = nextState(breaker.state, event)
  if (state !== 'open' || breaker.state === 'open') return { ...breaker, failures, state }
  return { state, failures, openMs: Math.min(breaker.openMs * 2, MAX_OPEN_MS), openUntil: now + breaker.openMs }
}
