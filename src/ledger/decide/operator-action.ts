/**
 * operator-action - what people change: list entries, batches of them, held entries, inbox mail, erasure
 *
 * Nothing is unwritten: each is a new fact that names its actor. Pure. See also: ledger/suppress/list-entry, http/api/suppressions, service/lists/lists.
 */
import { changeEntry, type EntryKey, type EntryState, removeEntry, settleEntry } from '../suppress/list-entry.ts'
import type { Fact, InboxState } from '../facts/fact.ts'
import type { AuditData } from '../facts/operator-facts.ts'
import { makeFact, type Moment, ofAccount, ofMail, ofSite } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { endOf, isInForce } from '../suppress/suppression.ts'
import { type InboxRow, suppressionKey, type SuppressionRow, type World } from '../project/state.ts'

/** Who does it, under which settings, when. */
export type Hand = { readonly actor: string; readonly settings: AccountSettings; readonly moment: Moment }

const byOf = ({ actor, settings }: Hand): { cause: null; actor: string; settingsVersion: number } => ({
  cause: null,
  actor,
  settingsVersion: settings.version,
})

export type ListChange = {
  readonly world: World
  readonly key: EntryKey
  readonly change:
    | {
        readonly action: 'add'
        readonly state: EntryState & { readonly address: string | null; readonly domain: string; readonly reason: string }
      }
    | { readonly action: 'remove' }
}

/** One entry added or removed. Adding what stands just so, or removing what does not stand, changes nothing. */
export function decideListChange({ world, key, change }: ListChange, hand: Hand): readonly Fact[] {
  const old = world.suppressions.get(suppressionKey(key)) ?? null
  if (change.action === 'remove') return old === null ? [] : some(removeEntry(old, byOf(hand), hand.moment))
  const until = change.state.until ?? null
  if (old !== null && isInForce(old, hand.moment.at) && old.until === until) return []
  const state = { n: old?.n ?? 0, from: hand.moment.at, ...change.state, until }
  return [changeEntry({ key, old, action: 'add', state, by: byOf(hand), moment: hand.moment })]
}

export type LiftFilter = { readonly site?: string; readonly rule?: string; readonly since?: number; readonly until?: number }

/** Whether an entry of the bounce list is one that a lift undoes: it stands (or is held), and came in that time by that rule at that site. */
export function isLifted(row: SuppressionRow, filter: LiftFilter, now: number): boolean {
  const end = endOf(row)
  return (
    row.list === 'bounce' &&
    row.removedAt === null &&
    (end === null || end > now) &&
    (filter.site === undefined || row.site === filter.site) &&
    (filter.rule === undefined || row.rule === filter.rule) &&
    (filter.since === undefined || row.from >= filter.since) &&
    (filter.until === undefined || row.from < filter.until)
  )
}

/** Undoes a batch: the hits do not count, so that the next real one begins where the ladder stood. */
export function decideLift(
  input: { readonly rows: readonly SuppressionRow[]; readonly filter: LiftFilter; readonly account: number },
  hand: Hand,
): readonly Fact[] {
  const { moment } = hand
  const lifted = input.rows.filter((row) => isLifted(row, input.filter, moment.at))
  const facts = lifted.map((old) => {
    const { account, list, addressHash, scope } = old
    const state = { removedAt: moment.at, pending: false, n: Math.max(0, old.n - 1) }
    return changeEntry({ key: { account, list, addressHash, scope }, old, action: 'remove', state, by: byOf(hand), moment })
  })
  const { site = null, rule = null, since = null, until = null } = input.filter
  return facts.length === 0
    ? []
    : [...facts, audit(input.account, 'suppression.lift', { site, rule, since, until, entries: facts.length }, hand)]
}

/**
 * Lets the held entries of a site stand, or drops them, and releases the site. `rows`: a page of its pending entries, of all accounts.
 * Where nothing is held, nothing changes.
 */
export function decideRelease(
  input: { readonly world: World; readonly site: string; readonly action: 'apply' | 'discard'; readonly rows: readonly SuppressionRow[] },
  hand: Hand,
): readonly Fact[] {
  const { world, site, action, rows } = input
  const { moment, actor } = hand
  const entries = rows.filter((row) => row.site === site).flatMap((row) => some(settleEntry(row, action, byOf(hand), moment)))
  const state = world.sites.get(site)
  const release = { site, change: (state?.change ?? 0) + 1, held: false, why: 'operator', hits: 0, engaged: 0, actor } as const
  const released = state?.held === true ? [makeFact('brake', ofSite(site), moment, release)] : []
  const changes = [...entries, ...released]
  return changes.length === 0 ? [] : [...changes, audit(0, `brake.${action}`, { site, entries: entries.length }, hand)]
}

/** One mail of the inbox changes its state; `deliveryId`: what it was linked to. Saying it again changes nothing. */
export function decideInbox(
  row: InboxRow,
  change: { readonly state: InboxState; readonly deliveryId: string | null },
  hand: Hand,
): readonly Fact[] {
  if (row.state === change.state) return []
  const { reason, kind, from, subject, summary } = row
  const guess = change.deliveryId ?? row.deliveryId
  const data = { state: change.state, reason, mail: kind, from, subject, summary, guess, actor: hand.actor }
  return [
    makeFact('inbox', ofMail(row.account, row.digest, guess), hand.moment, data),
    audit(row.account, `inbox.${change.state}`, { digest: row.digest, deliveryId: guess }, hand),
  ]
}

/** That somebody did something: for what no other fact says. */
export function audit(account: number, what: string, detail: AuditData['detail'], hand: Hand): Fact {
  return makeFact('audit', ofAccount(account), hand.moment, { actor: hand.actor, what, detail })
}

function some<T>(value: T | null): readonly T[] {
  return value === null ? [] : [value]
}
