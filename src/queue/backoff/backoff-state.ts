/**
 * backoff-state - where a pause stands, as one table and one step
 *
 * Read it as a drawing: a row is where an episode stands, a column what it has just met, the cell where it goes. No cell: stay.
 *
 *     tripped    the class reached its threshold, and its first action is to throttle
 *     blocked    the class reached its threshold, and its action is to pause
 *     hit        one answer of the class
 *     quiet      nothing of the class for its base time
 *     due        the next sending time has come
 *     over       the same, for a policy that sends no probes
 *     recover    an operator's Recover        probe      an operator's Recover, by a probe
 *     clean      every answer of the probe is in, none of the class; or the last rung of the ladder is passed
 *     silent     no answer to a probe         empty      nothing waits that could be a probe
 *
 * Pure. See also: queue/backoff/backoff (who finds the signal), queue/backoff/backoff-classes (the classes).
 */
export const BACKOFF_STATES = {
  active: { tripped: 'throttled', blocked: 'paused' },
  throttled: { blocked: 'paused', quiet: 'recovering', recover: 'active' },
  paused: { due: 'probing', over: 'active', recover: 'active', probe: 'probing' },
  probing: { clean: 'recovering', hit: 'paused', silent: 'paused', empty: 'active', recover: 'active' },
  recovering: { hit: 'paused', clean: 'active', recover: 'active' },
} as const satisfies Record<string, Partial<Record<string, string>>>

export type BackoffState = keyof typeof BACKOFF_STATES

export type BackoffSignal = 'tripped' | 'blocked' | 'hit' | 'quiet' | 'due' | 'over' | 'recover' | 'probe' | 'clean' | 'silent' | 'empty'

/** Where an episode stands after one signal. Unlisted means stay. */
export function nextBackoffState(state: BackoffState, signal: BackoffSignal): BackoffState {
  const row: Partial<Record<BackoffSignal, BackoffState>> = BACKOFF_STATES[state]
  return row[signal] ?? state
}
