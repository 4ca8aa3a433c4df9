/**
 * reclassified-lists - what a reclassification does to the bounce lists, if its operator wants that
 *
 * An entry is removed if the failure that made it was replaced by one that would not have made it, unless another mail to the address still
 * says that it does not exist. Its hit does not count: the next one continues where the ladder was before. A failure that now feeds the
 * list makes the entry that it would have made when it happened, through the mass-bounce guard, unless the address has shown life since. An
 * entry that an earlier reclassification removed comes back as it was.
 *
 * Pure. See also: ledger/decide/reclassification, ledger/suppress/bounce-list, ledger/suppress/list-entry.
 */
import type { StatusEffect } from '../facts/decision.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { type DeliveryRow, type LedgerState, suppressionKey, type SuppressionRow } from '../project/state.ts'
import { lastOfChain } from '../project/supersession.ts'
import { addressHistoryOf, isCleanSince, isPermanentUnknownUser } from '../suppress/address-history.ts'
import { updateBounceList } from '../suppress/bounce-list.ts'
import { changeEntry, type ListEntryState } from '../suppress/list-entry.ts'
import { entryEndOf } from '../suppress/suppression.ts'
import type { Reclassifier, StoredFailure } from './reclassification.ts'

/** Which changes of the bounce lists follow a reclassification. */
export const LIST_CHOICES = ['none', 'remove', 'add', 'all'] as const
export type ListChoice = (typeof LIST_CHOICES)[number]

type ReclassifiedFailure = {
  readonly ledger: LedgerState
  /** The delivery with the replacement applied. */
  readonly delivery: DeliveryRow
  readonly failure: StoredFailure
  readonly replacement: FactOf<'reclassified'>
  /** The list facts of the address, of its account and of account 0. */
  readonly listFacts: readonly Fact[]
  /** All facts of a delivery; null if they are not loaded. */
  readonly factsOf: (deliveryId: string) => readonly Fact[] | null
}

/** The list facts that follow one replacement, and those of the mass-bounce guard. */
export function decideReclassifiedLists(input: ReclassifiedFailure, choice: ListChoice, by: Reclassifier): readonly Fact[] {
  const { delivery } = input
  const { addressHash } = delivery
  if (addressHash === null || choice === 'none') return []
  const removed = choice === 'add' ? [] : [delivery.account, 0].flatMap((account) => removeEntry(input, { account, addressHash }, by))
  return [...removed, ...(choice === 'remove' ? [] : makeEntries(input, addressHash, by))]
}

type EntryOwner = { readonly account: number; readonly addressHash: string }

const entryOf = (ledger: LedgerState, owner: EntryOwner): SuppressionRow | undefined =>
  ledger.suppressions.get(suppressionKey({ ...owner, list: 'bounce', scope: '' }))

/** The changes of an entry, the last one first. */
function changesOf(listFacts: readonly Fact[], { account, addressHash }: EntryOwner): readonly FactOf<'list'>[] {
  const isChange = (fact: Fact): fact is FactOf<'list'> =>
    fact.kind === 'list' &&
    fact.account === account &&
    fact.addressHash === addressHash &&
    fact.data.list === 'bounce' &&
    fact.data.scope === ''
  return listFacts.filter(isChange).toSorted((a, b) => b.data.change - a.data.change)
}

function removeEntry(input: ReclassifiedFailure, owner: EntryOwner, { actor, settings, moment }: Reclassifier): readonly Fact[] {
  const { ledger, delivery, replacement } = input
  const entry = entryOf(ledger, owner)
  const end = entry === undefined ? null : entryEndOf(entry)
  if (entry === undefined || entry.removedAt !== null || (end !== null && end <= moment.at)) return []
  if (!isCauseReplaced(input, entry, owner)) return []
  if (owner.account !== 0 && entry.reason === 'not-exist' && isDeniedByAnother(ledger, delivery, entry)) return []
  const state = { removedAt: moment.at, pending: false, n: Math.max(0, entry.n - 1) }
  const origin = { cause: replacement.id, actor, settingsVersion: settings.version }
  return [changeEntry({ key: { ...owner, list: 'bounce', scope: '' }, previous: entry, action: 'remove', state, origin, moment })]
}

/** Whether the failure that made an entry was replaced by one that does not feed it. An entry that a person made has no cause. */
function isCauseReplaced({ delivery, factsOf, listFacts }: ReclassifiedFailure, entry: SuppressionRow, owner: EntryOwner): boolean {
  const made = changesOf(listFacts, owner).find(({ data }) => data.action === 'add' || data.action === 'hold')
  const cause = made?.data.cause ?? null
  if (made === undefined || cause === null) return false
  const facts = factsOf(made.data.deliveryId ?? delivery.deliveryId) ?? []
  const causeFact = facts.find(({ id }) => id === cause)
  if (causeFact === undefined) return false
  const last = lastOfChain(causeFact, facts)
  const effect = 'effect' in last.data ? last.data.effect : null
  return last.id !== cause && (effect === null || !feeds(effect, entry.reason))
}

/** Whether a failure would make an entry with this reason. */
const feeds = (effect: StatusEffect, reason: string): boolean =>
  reason === 'not-exist' ? isPermanentUnknownUser(effect) : effect.reason === reason && !effect.weak && !effect.forwarded

/** Whether a mail to the address, since the entry was made, still has the outcome that made it. */
function isDeniedByAnother(ledger: LedgerState, { account, addressHash }: DeliveryRow, entry: SuppressionRow): boolean {
  const rows = addressHash === null ? [] : addressHistoryOf(ledger, account, addressHash)
  return rows.some((row) => row.statusAt >= entry.from && isPermanentUnknownUser(row))
}

function makeEntries(input: ReclassifiedFailure, addressHash: string, by: Reclassifier): readonly Fact[] {
  const { ledger, delivery, failure, replacement } = input
  const { effect, verdict } = replacement.data
  if (effect === null || feeds(failure.effect, effect.reason ?? '') || !mayFeed(failure, by)) return []
  if (isCleanSince(addressHistoryOf(ledger, delivery.account, addressHash), failure.fact.at, by.moment.at)) return []
  const restored = [delivery.account, 0].flatMap((account) => restoreEntry(input, { account, addressHash }, by))
  if (restored.length > 0) return restored
  const { reply } = failure
  const at = failure.fact.at
  // As at the decision: an attempt names its own route, a report its remote site.
  const decidedAt =
    reply.kind === 'attempt'
      ? { site: reply.data.site, remoteSite: null, mx: reply.data.mx ?? delivery.mx }
      : { remoteSite: replacement.data.remoteSite }
  const made = updateBounceList({
    ledger,
    delivery: { ...delivery, ...decidedAt },
    effect,
    verdict,
    cause: replacement.id,
    proof: reply.kind === 'failed' ? (reply.data.tie?.proof ?? null) : null,
    isQueueReply: reply.kind === 'attempt' && reply.data.source === 'queue',
    settings: by.settings,
    moment: { ...by.moment, at },
  })
  return made.map((fact) => (fact.kind === 'list' ? withActor(fact, by.actor) : fact))
}

/** The shared list follows our own queue only, and no list follows a VERP address unless the account says so. */
function mayFeed({ reply }: StoredFailure, { settings }: Reclassifier): boolean {
  if (reply.kind === 'gave-up') return false
  return reply.kind !== 'failed' || reply.data.tie?.proof !== 'verp' || settings.verpTrust === 'list'
}

const withActor = (fact: FactOf<'list'>, actor: string): Fact => ({ ...fact, data: { ...fact.data, actor } })

/** Makes an entry as it was before an earlier replacement of a fact of this delivery removed it. */
function restoreEntry(
  { ledger, delivery, listFacts, factsOf, replacement }: ReclassifiedFailure,
  owner: EntryOwner,
  { actor, settings, moment }: Reclassifier,
): readonly Fact[] {
  const entry = entryOf(ledger, owner)
  const [last, before] = changesOf(listFacts, owner)
  if (entry === undefined || last?.data.action !== 'remove' || before === undefined) return []
  const remover = (factsOf(delivery.deliveryId) ?? []).find(({ id }) => id === last.data.cause)
  if (remover?.kind !== 'reclassified') return []
  const {
    list: _list,
    scope: _scope,
    change: _change,
    action: _action,
    cause: _cause,
    actor: _actor,
    settingsVersion: _v,
    ...state
  } = before.data
  const restored: ListEntryState = { ...state, removedAt: null }
  const origin = { cause: replacement.id, actor, settingsVersion: settings.version }
  return [changeEntry({ key: { ...owner, list: 'bounce', scope: '' }, previous: entry, action: 'add', state: restored, origin, moment })]
}
