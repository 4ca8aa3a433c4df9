/**
 * lists - entries that people and programs change by hand, and recipients who take themselves off
 *
 * Each change is a new fact that names its actor; nothing is unwritten. Many entries go in pages, each a transaction of its own, so that
 * intake never waits for a large undo.
 *
 * See also: ledger/decide/operator-action, ledger/decide/opt-out, http/api/suppressions, http/api/unsubscribe.
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { isDeliveryIdExpired, TOKEN_PURPOSES, parseToken } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import {
  decideBulkRemoval,
  decideListChange,
  matchesRemovalFilter,
  type OperatorContext,
  type BulkRemovalFilter,
} from '../../ledger/decide/operator-action.ts'
import { decideUnsubscribe } from '../../ledger/decide/opt-out.ts'
import { decideRetiredUnsubscribe } from '../../ledger/decide/retired.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { listSuppressions, type SuppressionCursor, type SuppressionFilters } from '../../store/lists/suppressions.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'

/** Entries one transaction changes. */
const PAGE_SIZE = 500

/** Walks the entries that the filters let through, newest first, a page at a time. */
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

function actionContextOf(context: Context, snapshot: AccountSnapshot, account: number, actor: string): OperatorContext {
  const now = context.now()
  return { actor, settings: snapshot.settingsOf(account), moment: { at: now, receivedAt: now, ids: context.ids } }
}

/** Takes every entry off that the filters let through; how many stood. */
export async function removeSuppressions(context: Context, by: Caller, filters: SuppressionFilters): Promise<number> {
  const snapshot = await context.accountCache.snapshot()
  let removed = 0
  for await (const rows of suppressionPages(context, by.account, filters)) {
    removed += await context.engine.tx(async (db) => {
      const { ledgerState } = await loadLedgerState(db, { addresses: rows.map(({ account, addressHash }) => ({ account, addressHash })) })
      const actionContext = actionContextOf(context, snapshot, by.account, actorOf(by))
      const count = rows.filter(
        (key) => applyFacts(ledgerState, decideListChange({ ledger: ledgerState, key, change: { action: 'remove' } }, actionContext)) > 0,
      ).length
      await commitLedgerState(db, ledgerState, { now: context.now(), notify: () => true })
      return count
    })
  }
  return removed
}

/** Puts an address on the unsubscribe list for ever; the entry as it then stands. Faults: bad_request for what is no address. */
export async function addUnsubscribeEntry(context: Context, by: Caller, email: string, type: UnsubscribeType): Promise<SuppressionRow> {
  const address = normaliseAddress(email)
  if (address === null) throw new Fault('bad_request', 'that is not an address that one can send to')
  const snapshot = await context.accountCache.snapshot()
  const key = { account: by.account, list: 'unsubscribe', addressHash: address.hash, scope: '' } as const
  const row = await context.engine.tx(async (db) => {
    const { ledgerState } = await loadLedgerState(db, { addresses: [{ account: by.account, addressHash: address.hash }] })
    const state = {
      address: address.address,
      domain: address.domain,
      reason: 'api',
      until: null,
      unsubscribeType: type,
      apiUser: by.apiUser,
    }
    applyFacts(
      ledgerState,
      decideListChange(
        { ledger: ledgerState, key, change: { action: 'add', state } },
        actionContextOf(context, snapshot, by.account, actorOf(by)),
      ),
    )
    await commitLedgerState(db, ledgerState, { now: context.now(), notify: () => true })
    return ledgerState.suppressions.get(suppressionKey(key))
  })
  if (row === undefined) throw new Fault('internal', 'an entry that was added is not there')
  return row
}

/** Undoes a batch of bounce-list entries as new facts; the entries it lifts (or, in a dry run, would lift). */
export async function reactivateAddresses(
  context: Context,
  who: { readonly account: number; readonly actor: string },
  call: { readonly filter: BulkRemovalFilter; readonly dryRun: boolean },
): Promise<readonly SuppressionRow[]> {
  const snapshot = await context.accountCache.snapshot()
  const { site, rule, since, until } = call.filter
  const filters: SuppressionFilters = {
    list: 'bounce',
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(since === undefined ? {} : { from: since }),
    ...(until === undefined ? {} : { to: until }),
  }
  const reactivated: SuppressionRow[] = []
  for await (const rows of suppressionPages(context, who.account, filters)) {
    const activeRows = rows.filter((row) => matchesRemovalFilter(row, call.filter, context.now()))
    reactivated.push(...activeRows)
    if (call.dryRun || activeRows.length === 0) continue
    await context.engine.tx(async (db) => {
      const { ledgerState } = await loadLedgerState(db, {
        addresses: activeRows.map(({ account, addressHash }) => ({ account, addressHash })),
      })
      const fresh = activeRows.flatMap((row) => ledgerState.suppressions.get(suppressionKey(row)) ?? [])
      applyFacts(
        ledgerState,
        decideBulkRemoval(
          { rows: fresh, filter: call.filter, account: who.account },
          actionContextOf(context, snapshot, who.account, who.actor),
        ),
      )
      await commitLedgerState(db, ledgerState, { now: context.now(), notify: () => true })
    })
  }
  return reactivated
}

export type UnsubscribeRequest = {
  readonly token: string
  readonly how: 'page' | 'one-click'
  readonly ip: string
  readonly userAgent: string | null
}

/** A recipient's own wish, behind an unsubscribe token. `missed`: the token proves nothing (any more). */
export async function unsubscribe(context: Context, call: UnsubscribeRequest): Promise<'done' | 'missed'> {
  const snapshot = await context.accountCache.snapshot()
  const now = context.now()
  const reads = context.domains.feedback.map((domain) => parseToken(call.token, 'unsubscribe', domain, snapshot.keyFor))
  const token = reads.find((read) => read.state === 'valid')
  if (token === undefined || token.state === 'none' || isDeliveryIdExpired(token.deliveryId, TOKEN_PURPOSES.unsubscribe.days, now))
    return 'missed'
  const owner = snapshot.accountOf(token.account)
  if (owner === null) return 'missed'
  const { account } = owner
  return context.engine.tx(async (db) => {
    const { ledgerState } = await loadLedgerState(db, { deliveries: [{ account, deliveryId: token.deliveryId }], retiredDeliveries: true })
    const [delivery, retiredDelivery] = [ledgerState.deliveries.get(token.deliveryId), ledgerState.retired.get(token.deliveryId)]
    const { how, ip, userAgent } = call
    const moment = { at: now, receivedAt: now, ids: context.ids }
    const unsubscribeInput = { ledger: ledgerState, how, type: 0, proof: 'token', settings: snapshot.settingsOf(account), moment } as const
    if (delivery !== undefined) applyFacts(ledgerState, decideUnsubscribe({ ...unsubscribeInput, delivery, ip, userAgent, digest: null }))
    else if (retiredDelivery === undefined) return 'missed'
    else applyFacts(ledgerState, decideRetiredUnsubscribe({ ...unsubscribeInput, remains: retiredDelivery }))
    await commitLedgerState(db, ledgerState, { now, notify: () => true })
    return 'done'
  })
}
