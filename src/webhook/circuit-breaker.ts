/**
 * circuit-breaker - whether an endpoint is asked at all
 *
 * After a few failures in a row it is left alone; then one request tries. While it is left alone nothing waits on it and nothing of what
 * is due loses an attempt. Each try that fails doubles the rest.
 *
 * Pure. See also: service/notify/notifier.
 */

type Signal = 'tripped' | 'due' | 'good' | 'bad'

/** A row is where an endpoint stands, a column what was heard, the cell where it goes. No cell: stay. */
const STATES = {
  closed: { tripped: 'open' },
  open: { due: 'trial', good: 'closed' },
  trial: { good: 'closed', bad: 'open' },
} as const satisfies Record<string, Partial<Record<Signal, string>>>

export type BreakerState = keyof typeof STATES

export type Breaker = {
  readonly state: BreakerState
  /** Failures in a row. */
  readonly failures: number
  /** How long the present or next rest is. */
  readonly restMs: number
  /** When the rest ends; 0 while there is none. */
  readonly until: number
}

/** Four could be a deployment's hiccup under way at once; five in a row are no accident. */
const TRIP = 5
const FIRST_REST_MS = 15_000
/** Well again within so long of being well again. */
const MOST_REST_MS = 300_000

export const CLOSED: Breaker = { state: 'closed', failures: 0, restMs: FIRST_REST_MS, until: 0 }

function step(state: BreakerState, signal: Signal): BreakerState {
  const row: Partial<Record<Signal, BreakerState>> = STATES[state]
  return row[signal] ?? state
}

/** The breaker at a moment: a rest that is over becomes a trial. */
export function atTime(breaker: Breaker, now: number): Breaker {
  return breaker.state === 'open' && now >= breaker.until ? { ...breaker, state: step('open', 'due') } : breaker
}

/** The breaker after an answer. Good ones forget everything. */
export function heard(breaker: Breaker, isGood: boolean, now: number): Breaker {
  if (isGood) return { ...CLOSED, state: step(breaker.state, 'good') }
  const failures = breaker.failures + 1
  const signal: Signal = breaker.state === 'closed' && failures >= TRIP ? 'tripped' : 'bad'
  const state = step(breaker.state, signal)
  if (state !== 'open' || breaker.state === 'open') return { ...breaker, failures, state }
  return { state, failures, restMs: Math.min(breaker.restMs * 2, MOST_REST_MS), until: now + breaker.restMs }
}
