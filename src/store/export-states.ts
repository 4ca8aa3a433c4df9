/**
 * export-states - where an export stands, and what moves it
 *
 * Read it as a drawing: a row is where a job stands, a column what happens to it, the cell where it goes. No cell: it stays, and whoever
 * wanted it is told so. `removed` is a job that its owner deleted, and whose chunks are still to go: nobody sees it any more.
 *
 * Pure. See also: store/exports (which moves by it), service/export/exporter.
 */

export const EXPORT_STATES = {
  queued: { taken: 'running', erased: 'expired', removed: 'removed' },
  // `dropped`: given back by a node that ends. `taken` once more: the lease of a node that died has run out.
  running: { ended: 'done', broken: 'failed', dropped: 'queued', taken: 'running', erased: 'expired', removed: 'removed' },
  done: { aged: 'expired', erased: 'expired', removed: 'removed' },
  failed: { retried: 'queued', aged: 'expired', erased: 'expired', removed: 'removed' },
  expired: { removed: 'removed' },
  removed: {},
} as const satisfies Record<string, Readonly<Record<string, string>>>

export type ExportState = keyof typeof EXPORT_STATES
export type ExportSignal = 'taken' | 'ended' | 'broken' | 'dropped' | 'retried' | 'aged' | 'erased' | 'removed'

const STATE_NAMES = Object.keys(EXPORT_STATES) as readonly ExportState[] // The checked door: the table's own keys.

/** Where a job stands after a signal; null: the table has no cell for it. */
export function nextExportState(state: ExportState, signal: ExportSignal): ExportState | null {
  const row: Readonly<Partial<Record<ExportSignal, ExportState>>> = EXPORT_STATES[state]
  return row[signal] ?? null
}

/** The states that a signal moves, and where to: each signal leads to one. */
export function transitionsFor(signal: ExportSignal): { readonly from: readonly ExportState[]; readonly to: ExportState } {
  const from = STATE_NAMES.filter((state) => nextExportState(state, signal) !== null)
  const [first = 'removed'] = from
  return { from, to: nextExportState(first, signal) ?? 'removed' }
}
