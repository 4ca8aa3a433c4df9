/**
 * export-states - the states of an export, and the signals that move it
 *
 * Each row is a state, each column a signal, each cell the next state. A signal without a cell changes nothing, and the caller is notified.
 * `removed` is an export that its owner deleted and whose chunks still have to be removed. Nobody sees it.
 *
 * Pure. See also: store/exports (which moves rows by this table), service/export/exporter.
 */
import { Fault } from '../errors.ts'

const EXPORT_STATES = {
  // `erased` moves a queued export only if it has written a part of its file (store/exports).
  queued: { claimed: 'running', erased: 'expired', removed: 'removed' },
  // `released`: a node that stops gives the export back. A second `claimed`: the lease of a dead node has run out.
  running: { ended: 'done', failed: 'failed', released: 'queued', claimed: 'running', erased: 'expired', removed: 'removed' },
  done: { aged: 'expired', erased: 'expired', removed: 'removed' },
  failed: { retried: 'queued', aged: 'expired', erased: 'expired', removed: 'removed' },
  expired: { removed: 'removed' },
  removed: {},
} as const satisfies Record<string, Readonly<Partial<Record<ExportSignal, string>>>>

export type ExportState = keyof typeof EXPORT_STATES
export type ExportSignal = 'claimed' | 'ended' | 'failed' | 'released' | 'retried' | 'aged' | 'erased' | 'removed'

const STATE_NAMES = Object.keys(EXPORT_STATES) as readonly ExportState[] // Checked cast: the table's own keys.

function nextState(state: ExportState, signal: ExportSignal): ExportState | null {
  const row: Readonly<Partial<Record<ExportSignal, ExportState>>> = EXPORT_STATES[state]
  return row[signal] ?? null
}

/** The states that a signal moves, and the state that they move to. A test proves that each signal leads to one state. */
export function transitionsFor(signal: ExportSignal): { readonly from: readonly ExportState[]; readonly to: ExportState } {
  const from = STATE_NAMES.filter((state) => nextState(state, signal) !== null)
  const targets = new Set(from.map((state) => nextState(state, signal)))
  const [to = null] = targets
  if (to === null || targets.size > 1) throw new Fault('internal', `the signal ${signal} leads to ${targets.size} states`)
  return { from, to }
}
