/**
 * lists - entries that people and programs change by hand, and recipients who take themselves off
 *
 * Each change is a new fact that names its actor; nothing is unwritten. Many entries go in pages, each a transaction of its own, so that
 * intake never waits for a large undo.
 *
 * See also: ledger/decide/operator-action, ledger/decide/opt-out, http/api/suppressions, http/api/unsubscribe.
 */
import { knowAddress } from '../../correlate/address-hash.ts'
import { isExpired, PURPOSES, readToken } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import { decideLift, decideListChange, isLifted, type Hand, type LiftFilter } from '../../ledger/decide/operator-action.ts'
import { decideUnsubscribe } from '../../ledger/decide/opt-out.ts'
import { decideLateUnsubscribe } from '../../ledger/decide/retired.ts'
import type { UnsubscribeType } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { listSuppressions, type SuppressionCursor, type SuppressionFilters } from '../../store/lists/suppressions.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import { actorOf, type Asker } from '../submit/register.ts'
import type { Shop } from '../context.ts'

/** Entries one transaction changes. */
const PAGE = 500

/** Walks the entries that the filters let through, newest first, a page at a time. */
async function* pagesOf(shop: Shop, account: number, filters: SuppressionFilters): AsyncGenerator<readonly SuppressionRow[]> {
  let after: SuppressionCursor | undefined
  for (;;) {
    const { rows } = await listSuppressions(shop.engine.read, account, filters, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return
    after = { from: last.from, addressHash: last.addressHash, scope: last.scope }
  }
}

function handOf(shop: Shop, page: Page, account: number, actor: string): Hand {
  const now = shop.now()
  return { actor, settings: page.settingsOf(account), moment: { at: now, receivedAt: now, ids: shop.ids } }
}

/** Takes every entry off that the filters let through; how many stood. */
export async function removeEntries(shop: Shop, by: Asker, filters: SuppressionFilters): Promise<number> {
  const page = await shop.book.open()
  let removed = 0
  for await (const rows of pagesOf(shop, by.account, filters)) {
    removed += await shop.engine.tx(async (db) => {
      const { world } = await loadWorld(db, { addresses: rows.map(({ account, addressHash }) => ({ account, addressHash })) })
      const hand = handOf(shop, page, by.account, actorOf(by))
      const count = rows.filter((key) => applyFacts(world, decideListChange({ world, key, change: { action: 'remove' } }, hand)) > 0).length
      await commitWorld(db, world, { now: shop.now(), notify: () => true })
      return count
    })
  }
  return removed
}

/** Puts an address on the unsubscribe list for ever; the entry as it then stands. Faults: bad_request for what is no address. */
export async function addUnsubscribe(shop: Shop, by: Asker, email: string, type: UnsubscribeType): Promise<SuppressionRow> {
  const address = knowAddress(email)
  if (address === null) throw new Fault('bad_request', 'that is not an address that one can send to')
  const page = await shop.book.open()
  const key = { account: by.account, list: 'unsubscribe', addressHash: address.hash, scope: '' } as const
  const row = await shop.engine.tx(async (db) => {
    const { world } = await loadWorld(db, { addresses: [{ account: by.account, addressHash: address.hash }] })
    const state = {
      address: address.address,
      domain: address.domain,
      reason: 'api',
      until: null,
      unsubscribeType: type,
      apiUser: by.apiUser,
    }
    applyFacts(world, decideListChange({ world, key, change: { action: 'add', state } }, handOf(shop, page, by.account, actorOf(by))))
    await commitWorld(db, world, { now: shop.now(), notify: () => true })
    return world.suppressions.get(suppressionKey(key))
  })
  if (row === undefined) throw new Fault('internal', 'an entry that was added is not there')
  return row
}

/** Undoes a batch of bounce-list entries as new facts; the entries it lifts (or, in a dry run, would lift). */
export async function liftEntries(
  shop: Shop,
  who: { readonly account: number; readonly actor: string },
  call: { readonly filter: LiftFilter; readonly dryRun: boolean },
): Promise<readonly SuppressionRow[]> {
  const page = await shop.book.open()
  const { site, rule, since, until } = call.filter
  const filters: SuppressionFilters = {
    list: 'bounce',
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(since === undefined ? {} : { from: since }),
    ...(until === undefined ? {} : { to: until }),
  }
  const lifted: SuppressionRow[] = []
  for await (const rows of pagesOf(shop, who.account, filters)) {
    const standing = rows.filter((row) => isLifted(row, call.filter, shop.now()))
    lifted.push(...standing)
    if (call.dryRun || standing.length === 0) continue
    await shop.engine.tx(async (db) => {
      const { world } = await loadWorld(db, { addresses: standing.map(({ account, addressHash }) => ({ account, addressHash })) })
      const fresh = standing.flatMap((row) => world.suppressions.get(suppressionKey(row)) ?? [])
      applyFacts(world, decideLift({ rows: fresh, filter: call.filter, account: who.account }, handOf(shop, page, who.account, who.actor)))
      await commitWorld(db, world, { now: shop.now(), notify: () => true })
    })
  }
  return lifted
}

export type UnsubscribeCall = {
  readonly token: string
  readonly how: 'page' | 'one-click'
  readonly ip: string
  readonly userAgent: string | null
}

/** A recipient's own wish, behind an unsubscribe token. `missed`: the token proves nothing (any more). */
export async function unsubscribe(shop: Shop, call: UnsubscribeCall): Promise<'done' | 'missed'> {
  const page = await shop.book.open()
  const now = shop.now()
  const reads = shop.domains.feedback.map((domain) => readToken(call.token, 'unsubscribe', domain, page.keyFor))
  const token = reads.find((read) => read.state === 'valid')
  if (token === undefined || token.state === 'none' || isExpired(token.deliveryId, PURPOSES.unsubscribe.days, now)) return 'missed'
  const owner = page.accountOf(token.account)
  if (owner === null) return 'missed'
  const { account } = owner
  return shop.engine.tx(async (db) => {
    const { world } = await loadWorld(db, { deliveries: [{ account, deliveryId: token.deliveryId }], remains: true })
    const [delivery, remains] = [world.deliveries.get(token.deliveryId), world.remains.get(token.deliveryId)]
    const { how, ip, userAgent } = call
    const moment = { at: now, receivedAt: now, ids: shop.ids }
    const wish = { world, how, type: 0, proof: 'token', settings: page.settingsOf(account), moment } as const
    if (delivery !== undefined) applyFacts(world, decideUnsubscribe({ ...wish, delivery, ip, userAgent, digest: null }))
    else if (remains === undefined) return 'missed'
    else applyFacts(world, decideLateUnsubscribe({ ...wish, remains }))
    await commitWorld(db, world, { now, notify: () => true })
    return 'done'
  })
}
