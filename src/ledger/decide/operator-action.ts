/**
 * operator-action - what people change: list entries one by one or in bulk, held entries, mails in the inbox
 *
 * Nothing is undone: each change is a new fact that names its actor.
 *
 * Pure. See also: ledger/suppress/list-entry, http/api/suppressions/suppressions, service/lists/bulk-removal.
 */
import { changeEntry, type ListEntryKey, type ListEntryState, removeListEntry, resolveHeldEntry } from '../suppress/list-entry.ts'
import type { Fact } from '../facts/fact.ts'
import type { InboxReason, InboxState } from '../facts/inbox-facts.ts'
import type { AuditData } from '../facts/operator-facts.ts'
import { createFact, type FactMoment, aboutAccount, aboutMail, aboutSite } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { entryEndOf, isEntryInForce } from '../suppress/suppression.ts'
import { type InboxRow, suppressionKey, type SuppressionRow, type LedgerState } from '../project/state.ts'

/** The person, the settings and the time of a change. */
export type OperatorContext = { readonly actor: string; readonly settings: AccountSettings; readonly moment: FactMoment }

const changeOriginOf = ({ actor, settings }: OperatorContext): { cause: null; actor: string; settingsVersion: number } => ({
  cause: null,
  actor,
  settingsVersion: settings.version,
})

export type ListChange = {
  readonly ledger: LedgerState
  readonly key: ListEntryKey
  readonly change:
    | {
        readonly action: 'add'
        readonly state: ListEntryState & { readonly address: string | null; readonly domain: string; readonly reason: string }
      }
    | { readonly action: 'remove' }
  /** Why; null: the person did not say. */
  readonly note?: string | null
}

/**
 * Adds or removes one entry. Removing an entry that is not there changes nothing, nor does adding one that is in force with the same end,
 * unless a note gives it another reason.
 */
export function decideListChange({ ledger, key, change, note = null }: ListChange, operator: OperatorContext): readonly Fact[] {
  const { moment } = operator
  const previous = ledger.suppressions.get(suppressionKey(key)) ?? null
  const origin = { ...changeOriginOf(operator), note }
  if (change.action === 'remove') return previous === null ? [] : toArray(removeListEntry(previous, origin, moment))
  const until = change.state.until ?? null
  const isSame = previous?.until === until && (note === null || previous.reason === change.state.reason)
  if (previous !== null && isEntryInForce(previous, moment.at) && isSame) return []
  const state = { n: previous?.n ?? 0, from: moment.at, ...change.state, until }
  return [changeEntry({ key, previous, action: 'add', state, origin, moment })]
}

export type BulkRemovalFilter = { readonly site?: string; readonly rule?: string; readonly since?: number; readonly until?: number }

/** Whether a bulk removal covers an entry: it is on the bounce list, not ended, and was added in that time by that rule at that site. */
export function matchesRemovalFilter(row: SuppressionRow, filter: BulkRemovalFilter, now: number): boolean {
  const end = entryEndOf(row)
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

/** Removes a set of entries. The hits do not count, so that the next hit continues where the ladder was before. */
export function decideBulkRemoval(
  input: { readonly rows: readonly SuppressionRow[]; readonly filter: BulkRemovalFilter; readonly account: number },
  operator: OperatorContext,
): readonly Fact[] {
  const { moment } = operator
  const removed = input.rows.filter((row) => matchesRemovalFilter(row, input.filter, moment.at))
  const facts = removed.map((previous) => {
    const { account, list, addressHash, scope } = previous
    const state = { removedAt: moment.at, pending: false, n: Math.max(0, previous.n - 1) }
    return changeEntry({
      key: { account, list, addressHash, scope },
      previous,
      action: 'remove',
      state,
      origin: changeOriginOf(operator),
      moment,
    })
  })
  const { site = null, rule = null, since = null, until = null } = input.filter
  return facts.length === 0
    ? []
    : [...facts, createAuditFact(input.account, 'suppression.lift', { site, rule, since, until, entries: facts.length }, operator)]
}

/**
 * Applies or discards held entries of a site, and releases the site. `rows`: some of its pending entries, of all accounts. If nothing is
 * held, nothing changes.
 */
export function decideMassBounceReview(
  input: {
    readonly ledger: LedgerState
    readonly site: string
    readonly action: 'apply' | 'discard'
    readonly rows: readonly SuppressionRow[]
  },
  operator: OperatorContext,
): readonly Fact[] {
  const { ledger, site, action, rows } = input
  const { moment, actor } = operator
  const entries = rows
    .filter((row) => row.site === site)
    .flatMap((row) => toArray(resolveHeldEntry(row, action, changeOriginOf(operator), moment)))
  const state = ledger.sites.get(site)
  const release = { site, change: (state?.change ?? 0) + 1, held: false, why: 'operator', hits: 0, engaged: 0, actor } as const
  const released = state?.held === true ? [createFact('brake', aboutSite(site), moment, release)] : []
  const changes = [...entries, ...released]
  return changes.length === 0 ? [] : [...changes, createAuditFact(0, `brake.${action}`, { site, entries: entries.length }, operator)]
}

/** `deliveryId`: the delivery that the mail was linked to. `otherRecipient`: the recipient that it names, if it is not that of the delivery. */
type InboxChange = { readonly state: InboxState; readonly deliveryId: string | null; readonly otherRecipient: string | null }

/** Changes the state of one mail in the inbox. Repeating a change changes nothing. */
export function decideInboxChange(row: InboxRow, change: InboxChange, operator: OperatorContext): readonly Fact[] {
  if (row.state === change.state) return []
  const { reason, kind, from, subject, summary } = row
  const guess = change.deliveryId ?? row.deliveryId
  const data = { state: change.state, reason, mail: kind, from, subject, summary, guess, actor: operator.actor }
  return [
    createFact('inbox', aboutMail(row.account, row.digest, guess), operator.moment, data),
    createInboxAuditFact(row.account, { digest: row.digest, ...change, deliveryId: guess }, operator),
  ]
}

/** Keeps a mail in the inbox for another reason: its signatures were verified at last, or nobody waits for them any more. */
export function decideInboxReason(row: InboxRow, reason: InboxReason, { actor, moment }: Pick<OperatorContext, 'actor' | 'moment'>): Fact {
  const { kind, from, subject, summary, deliveryId: guess } = row
  return createFact('inbox', aboutMail(row.account, row.digest, guess), moment, {
    state: 'open',
    reason,
    mail: kind,
    from,
    subject,
    summary,
    guess,
    actor,
  })
}

/** Records who settled a mail of the inbox, and whether it was forced on a delivery to another recipient. */
export function createInboxAuditFact(
  account: number,
  { digest, state, deliveryId, otherRecipient }: InboxChange & { readonly digest: string },
  operator: OperatorContext,
): Fact {
  const forced = otherRecipient === null ? {} : { forced: true, reported: otherRecipient }
  return createAuditFact(account, `inbox.${state}`, { digest, deliveryId, ...forced }, operator)
}

/** Records an action that no other fact records. */
export function createAuditFact(
  account: number,
  what: string,
  detail: AuditData['detail'],
  operator: Pick<OperatorContext, 'actor' | 'moment'>,
): Fact {
  return createFact('audit', aboutAccount(account), operator.moment, { actor: operator.actor, what, detail })
}

function toArray<T>(value: T | null): readonly T[] {
  return value === null ? [] : [value]
}
