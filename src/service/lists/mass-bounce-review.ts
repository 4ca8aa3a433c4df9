/**
 * mass-bounce-review - an operator looks at what the brake holds, and applies or discards it
 *
 * The site is let go with the first page, so that hits go straight to the list from then on; what waited follows in pages, each a
 * transaction of its own. Who stops between two pages says it again: what was done is not done twice.
 *
 * See also: ledger/suppress/mass-bounce-guard (when it trips), ledger/decide/operator-action (the facts), store/lists/mass-bounce-holds.
 */
import { decideMassBounceReview, type OperatorContext } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { listPendingEntriesForOperator } from '../../store/lists/mass-bounce-holds.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import { logAlarms } from '../alarm-log.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'

export const RELEASE_ACTIONS = ['apply', 'discard'] as const
export type ReleaseAction = (typeof RELEASE_ACTIONS)[number]
export type ReleaseCommand = { readonly site: string; readonly action: ReleaseAction; readonly actor: string }

/** `changed` false: the site was not held, and nothing waited for it. */
export type ReleaseResult = { readonly site: string; readonly changed: boolean; readonly entries: number }

/** Entries that one transaction changes. */
const PAGE_SIZE = 500

/** Releases a site and settles all that waits for it. Faults: store_busy. */
export async function releaseMassBounceGuard(context: Context, call: ReleaseCommand): Promise<ReleaseResult> {
  let after: SuppressionRow | null = null
  let changed = false
  let entries = 0
  for (;;) {
    const rows: readonly SuppressionRow[] = await listPendingEntriesForOperator(context.engine.read, call.site, { limit: PAGE_SIZE, after })
    const done = await releasePage(context, call, rows)
    changed ||= done.changed
    entries += done.entries
    after = rows.at(-1) ?? null
    if (after === null || rows.length < PAGE_SIZE) return { site: call.site, changed, entries }
  }
}

async function releasePage(
  context: Context,
  { site, action, actor }: ReleaseCommand,
  rows: readonly SuppressionRow[],
): Promise<Omit<ReleaseResult, 'site'>> {
  const now = context.now()
  // A site is nobody's: no account's settings shape what is done to it.
  const actionContext: OperatorContext = {
    actor,
    settings: DEFAULT_ACCOUNT_SETTINGS,
    moment: { at: now, receivedAt: now, ids: context.ids },
  }
  const facts = await context.engine.tx(async (db) => {
    const addresses = rows.map(({ account, addressHash }) => ({ account, addressHash }))
    const { ledgerState } = await loadLedgerState(db, { addresses, sites: [{ site, at: now }] })
    const fresh = rows.flatMap((row) => ledgerState.suppressions.get(suppressionKey(row)) ?? [])
    applyFacts(ledgerState, decideMassBounceReview({ world: ledgerState, site, action, rows: fresh }, actionContext))
    await commitLedgerState(db, ledgerState, { now, notify: () => true })
    return ledgerState.newFacts
  })
  logAlarms(context.telemetry, facts)
  return { changed: facts.length > 0, entries: facts.filter(({ kind }) => kind === 'list').length }
}
