/**
 * backoff-state - the state machine of a backoff, as one table and one step
 *
 * A row is the present state of an episode, a column is the signal, the cell is the next state. No cell: the state stays.
 *
 *     tripped    the class reached its threshold, and its first action is to throttle
 *     blocked    the class reached its threshold, and its action is to pause
 *     hit        one reply of the class
 *     quiet      nothing of the class for its base time
 *     due        the next sending time has come
 *     over       the same, under a policy that sends no probes
 *     recover    an operator's Recover
 *     probe      an operator's Recover, by a probe
 *     clean      every result of the probe is in and none is of the class; or the last rung of the recovery ladder is passed
 *     silent     no result of a probe in time
 *     empty      no message waits that could be a probe
 *
 * Pure. See also: queue/backoff/backoff (finds the signal), queue/backoff/backoff-classes (the classes).
 */
const BACKOFF_SIGNALS = ['tripped', 'blocked', 'hit', 'quiet', 'due', 'over', 'recover', 'probe', 'clean', 'silent', 'empty'] as const

export type BackoffSignal = (typeof BACKOFF_SIGNALS)[number]

/** In the order in which the API lists them. */
export const BACKOFF_STATES = ['active', 'throttled', 'paused', 'probing', 'recovering'] as const

export type BackoffState = (typeof BACKOFF_STATES)[number]

const TRANSITIONS = {
  active: { tripped: 'throttled', blocked: 'paused' },
  throttled: { blocked: 'paused', quiet: 'recovering', recover: 'active' },
  paused: { due: 'probing', over: 'active', recover: 'active', probe: 'probing' },
  probing: { clean: 'recovering', hit: 'paused', silent: 'paused', empty: 'active', recover: 'active' },
  recovering: { hit: 'paused', clean: 'active', recover: 'active' },
} as const satisfies Record<BackoffState, Partial<Record<BackoffSignal, BackoffState>>>

/** The state after one signal. An unlisted signal changes nothing. */
export function nextBackoffState(state: BackoffState, signal: BackoffSignal): BackoffState {
  const row: Partial<Record<BackoffSignal, BackoffState>> = TRANSITIONS[state]
  return row[signal] ?? state
}
