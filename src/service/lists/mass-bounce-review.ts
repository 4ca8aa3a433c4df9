/**
 * mass-bounce-review - an operator looks at what the brake holds, and applies or discards it
 *
 * The site is let go with the first page, so that hits go straight to the list from then on; what waited follows in pages, each a
 * transaction of its own. Who stops between two pages says it again: what was done is not done twice.
 *
 * See also: ledger/suppress/mass-bounce-guard (when it trips), ledger/decide/operator-action (the facts), store/lists/mass-bounce-holds.
 */
import { decideRelease, type Hand } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_SETTINGS } from '../../ledger/account-settings.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { pendingEntriesForOperator } from '../../store/lists/mass-bounce-holds.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import { tellAlarms } from '../alarm-log.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

export const RELEASES = ['apply', 'discard'] as const
export type Release = (typeof RELEASES)[number]
export type ReleaseCall = { readonly site: string; readonly action: Release; readonly actor: string }

/** `changed` false: the site was not held, and nothing waited for it. */
export type Released = { readonly site: string; readonly changed: boolean; readonly entries: number }

/** Entries that one transaction changes. */
const PAGE = 500

/** Releases a site and settles all that waits for it. Faults: store_busy. */
export async function releaseBrake(shop: Shop, call: ReleaseCall): Promise<Released> {
  let after: SuppressionRow | null = null
  let changed = false
  let entries = 0
  for (;;) {
    const rows: readonly SuppressionRow[] = await pendingEntriesForOperator(shop.engine.read, call.site, { limit: PAGE, after })
    const done = await releasePage(shop, call, rows)
    changed ||= done.changed
    entries += done.entries
    after = rows.at(-1) ?? null
    if (after === null || rows.length < PAGE) return { site: call.site, changed, entries }
  }
}

async function releasePage(
  shop: Shop,
  { site, action, actor }: ReleaseCall,
  rows: readonly SuppressionRow[],
): Promise<Omit<Released, 'site'>> {
  const now = shop.now()
  // A site is nobody's: no account's settings shape what is done to it.
  const hand: Hand = { actor, settings: DEFAULT_SETTINGS, moment: { at: now, receivedAt: now, ids: shop.ids } }
  const facts = await shop.engine.tx(async (db) => {
    const addresses = rows.map(({ account, addressHash }) => ({ account, addressHash }))
    const { world } = await loadWorld(db, { addresses, sites: [{ site, at: now }] })
    const fresh = rows.flatMap((row) => world.suppressions.get(suppressionKey(row)) ?? [])
    applyFacts(world, decideRelease({ world, site, action, rows: fresh }, hand))
    await commitWorld(db, world, { now, notify: () => true })
    return world.fresh
  })
  tellAlarms(shop.telemetry, facts)
  return { changed: facts.length > 0, entries: facts.filter(({ kind }) => kind === 'list').length }
}
