/**
 * reclassification-states - the states of a reclassification, and the signals that move it
 *
 * Each row is a state, each column a signal, each cell the next state. A signal without a cell changes nothing, and the caller is notified.
 * Every reclassification is checked first: a dry run, whose result a person reads before anything is changed. A part that was applied
 * before a cancellation or a failure stays applied; another reclassification undoes it.
 *
 * Pure. See also: store/reclassifications (which moves rows by this table), service/reclassify/reclassifier.
 */
import type { ListChoice } from '../ledger/decide/reclassified-lists.ts'

const RECLASSIFICATION_STATES = {
  checking: { ended: 'checked', cancelled: 'cancelled', failed: 'failed' },
  checked: { approved: 'applying', cancelled: 'cancelled' },
  applying: { ended: 'applied', cancelled: 'cancelled', failed: 'failed' },
  applied: {},
  cancelled: {},
  failed: {},
} as const satisfies Record<string, Readonly<Partial<Record<ReclassificationSignal, string>>>>

export type ReclassificationState = keyof typeof RECLASSIFICATION_STATES
export type ReclassificationSignal = 'ended' | 'approved' | 'cancelled' | 'failed'

/** What follows the statuses when a reclassification is applied. */
export type Consequences = { readonly lists: ListChoice; readonly webhooks: boolean }

/** The state after a signal. Null: the signal has no effect in this state. */
export function nextReclassificationState(state: ReclassificationState, signal: ReclassificationSignal): ReclassificationState | null {
  const row: Readonly<Partial<Record<ReclassificationSignal, ReclassificationState>>> = RECLASSIFICATION_STATES[state]
  return row[signal] ?? null
}

/** Whether a node works on a reclassification in this state, or will. */
export const isRunningState = (state: ReclassificationState): state is 'checking' | 'applying' =>
  state === 'checking' || state === 'applying'
