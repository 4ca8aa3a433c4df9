/**
 * mass-bounce-review - releases a site that the mass-bounce guard holds, and applies or discards the held list entries
 *
 * The first transaction releases the site, so that new bounces reach the list again. The held entries follow in pages, each a transaction of
 * its own. If a call is interrupted, repeat it: entries that are settled stay settled.
 *
 * See also: ledger/suppress/mass-bounce-guard (when it trips), ledger/decide/operator-action (the facts), store/lists/mass-bounce-holds.
 */
import { decideMassBounceReview } from '../../ledger/decide/operator-action.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { listPendingEntriesForOperator } from '../../store/lists/mass-bounce-holds.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

export const RELEASE_ACTIONS = ['apply', 'discard'] as const
export type ReleaseAction = (typeof RELEASE_ACTIONS)[number]
export type ReleaseCommand = { readonly site: string; readonly action: ReleaseAction; readonly actor: string }

/** `changed` is false if the site was not held and had no held entries. `entries` counts the entries that were settled. */
export type ReleaseResult = { readonly site: string; readonly changed: boolean; readonly entries: number }

/** Entries that one transaction changes. */
const PAGE_SIZE = 500

/** Releases a site and settles all of its held entries, of all accounts. Idempotent. Faults: store_busy. */
export async function releaseMassBounceGuard(context: Context, command: ReleaseCommand): Promise<ReleaseResult> {
  let after: SuppressionRow | null = null
  let changed = false
  let entries = 0
  for (;;) {
    const rows: readonly SuppressionRow[] = await listPendingEntriesForOperator(context.engine.read, command.site, {
      limit: PAGE_SIZE,
      after,
    })
    const released = await releasePage(context, command, rows)
    changed ||= released.changed
    entries += released.entries
    after = rows.at(-1) ?? null
    if (after === null || rows.length < PAGE_SIZE) return { site: command.site, changed, entries }
  }
}

async function releasePage(
  context: Context,
  { site, action, actor }: ReleaseCommand,
  rows: readonly SuppressionRow[],
): Promise<Omit<ReleaseResult, 'site'>> {
  const needs = { addresses: rows.map(({ account, addressHash }) => ({ account, addressHash })), sites: [{ site, at: context.now() }] }
  return transact(context, needs, ({ ledgerState, moment }) => {
    const current = rows.flatMap((row) => ledgerState.suppressions.get(suppressionKey(row)) ?? [])
    // A site belongs to no account, so no account's settings apply.
    const operator = { actor, settings: DEFAULT_ACCOUNT_SETTINGS, moment }
    const facts = decideMassBounceReview({ ledger: ledgerState, site, action, rows: current }, operator)
    return { result: { changed: facts.length > 0, entries: facts.filter(({ kind }) => kind === 'list').length }, facts }
  })
}
