/**
 * bulk-removal - removes many suppression entries at once
 *
 * Each change is a new fact that names its actor; no fact is deleted. Reads the entries a page at a time and changes each page in one
 * transaction, so that other writes never wait for a large removal. A call that is interrupted leaves the earlier pages removed; calling it
 * again removes the rest.
 *
 * See also: service/lists/block-allow and service/lists/unsubscribe (add entries), ledger/decide/operator-action, http/api/suppressions/suppressions.
 */
import { decideBulkRemoval, decideListChange, matchesRemovalFilter, type BulkRemovalFilter } from '../../ledger/decide/operator-action.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { listSuppressions, type SuppressionCursor, type SuppressionFilters } from '../../store/lists/suppressions.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** Entries that one transaction changes. */
const PAGE_SIZE = 500

/** Reads the entries that match the filters, newest first, a page at a time. */
async function* suppressionPages(
  context: Context,
  account: number,
  filters: SuppressionFilters,
): AsyncGenerator<readonly SuppressionRow[]> {
  let after: SuppressionCursor | undefined
  for (;;) {
    const { rows } = await listSuppressions(context.engine.read, account, filters, {
      limit: PAGE_SIZE,
      ...(after === undefined ? {} : { after }),
    })
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_SIZE) return
    after = { from: last.from, addressHash: last.addressHash, scope: last.scope }
  }
}

const addressesOf = (rows: readonly SuppressionRow[]): readonly { readonly account: number; readonly addressHash: string }[] =>
  rows.map(({ account, addressHash }) => ({ account, addressHash }))

/** Removes every entry that matches the filters. Resolves to the number of entries that were in force. Faults: store_busy. */
export async function removeSuppressions(context: Context, caller: Caller, filters: SuppressionFilters): Promise<number> {
  const settings = (await context.accountCache.snapshot()).settingsOf(caller.account)
  let removed = 0
  for await (const rows of suppressionPages(context, caller.account, filters)) {
    removed += await transact(context, { addresses: addressesOf(rows) }, ({ ledgerState: ledger, moment, apply }) => {
      const operator = { actor: actorOf(caller), settings, moment }
      const changed = rows.filter((key) => apply(decideListChange({ ledger, key, change: { action: 'remove' } }, operator)) > 0)
      return { result: changed.length }
    })
  }
  return removed
}

/**
 * Removes the bounce-list entries of an account that match a filter, for example after a provider's outage. Resolves to the removed entries,
 * or with `dryRun` to the entries that would be removed. Faults: store_busy.
 */
export async function reactivateAddresses(
  context: Context,
  { account, actor }: { readonly account: number; readonly actor: string },
  { filter, dryRun }: { readonly filter: BulkRemovalFilter; readonly dryRun: boolean },
): Promise<readonly SuppressionRow[]> {
  const settings = (await context.accountCache.snapshot()).settingsOf(account)
  const reactivated: SuppressionRow[] = []
  for await (const page of suppressionPages(context, account, suppressionFiltersOf(filter))) {
    const rows = page.filter((row) => matchesRemovalFilter(row, filter, context.now()))
    reactivated.push(...rows)
    if (dryRun || rows.length === 0) continue
    await transact(context, { addresses: addressesOf(rows) }, ({ ledgerState, moment }) => {
      const current = rows.flatMap((row) => ledgerState.suppressions.get(suppressionKey(row)) ?? [])
      return { result: null, facts: decideBulkRemoval({ rows: current, filter, account }, { actor, settings, moment }) }
    })
  }
  return reactivated
}

function suppressionFiltersOf({ site, rule, since, until }: BulkRemovalFilter): SuppressionFilters {
  return {
    list: 'bounce',
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(since === undefined ? {} : { from: since }),
    ...(until === undefined ? {} : { to: until }),
  }
}
