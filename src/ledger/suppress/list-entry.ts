/**
 * list-entry - creates the fact of a change of a list entry
 *
 * Each change has the next number of its entry and stores the whole entry after the change, so that the change with the highest number is
 * the entry.
 *
 * Pure. See also: ledger/suppress/suppression, ledger/project/fold.
 */
import type { FactOf } from '../facts/fact.ts'
import type { ListAction, ListData, ListName } from '../facts/list-facts.ts'
import { createFact, type FactMoment, aboutEntry } from '../facts/new-fact.ts'
import type { SuppressionRow } from '../project/state.ts'

/** Identifies an entry. For a whole domain the hash is that of `hashDomain` (correlate/address-hash). */
export type ListEntryKey = { readonly account: number; readonly list: ListName; readonly addressHash: string; readonly scope: string }

/** What caused the change. */
type ChangeOrigin = {
  readonly cause: string | null
  readonly actor: string | null
  readonly note?: string | null
  readonly settingsVersion: number
}

/** The fields of an entry that the caller of `changeEntry` can set. */
export type ListEntryState = Partial<
  Pick<
    ListData,
    | 'address'
    | 'domain'
    | 'isDomain'
    | 'n'
    | 'from'
    | 'until'
    | 'removedAt'
    | 'pending'
    | 'reason'
    | 'rule'
    | 'site'
    | 'deliveryId'
    | 'proof'
    | 'unsubscribeType'
    | 'apiUser'
    | 'labelId'
  >
>

type ListEntryChange = {
  readonly key: ListEntryKey
  /** The entry before the change; null: there was none. */
  readonly previous: SuppressionRow | null
  readonly action: ListAction
  readonly state: ListEntryState
  readonly origin: ChangeOrigin
  readonly moment: FactMoment
}

const EMPTY_ENTRY = {
  address: null,
  domain: '',
  isDomain: false,
  n: 0,
  from: 0,
  until: null,
  removedAt: null,
  pending: false,
  reason: '',
  rule: null,
  site: null,
  deliveryId: null,
  proof: null,
  unsubscribeType: null,
  apiUser: null,
  labelId: null,
} as const satisfies ListEntryState

/** The fact of one change. `add` and `hold` start a new entry; all other actions keep the fields that `state` does not name. */
export function changeEntry({ key, previous, action, state, origin, moment }: ListEntryChange): FactOf<'list'> {
  const isNew = action === 'add' || action === 'hold'
  const before = previous === null ? EMPTY_ENTRY : entryStateOf(previous)
  const carriedOver = isNew ? { ...EMPTY_ENTRY, address: before.address, domain: before.domain, isDomain: before.isDomain } : before
  const data: ListData = {
    ...carriedOver,
    ...state,
    list: key.list,
    scope: key.scope,
    change: (previous?.change ?? 0) + 1,
    action,
    note: null,
    ...origin,
  }
  return createFact('list', aboutEntry({ ...key, deliveryId: data.deliveryId }), moment, data)
}

/** Removes an entry. Null: it was removed before. */
export function removeListEntry(previous: SuppressionRow, origin: ChangeOrigin, moment: FactMoment): FactOf<'list'> | null {
  if (previous.removedAt !== null) return null
  return changeEntry({
    key: entryKeyOf(previous),
    previous,
    action: 'remove',
    state: { removedAt: moment.at, pending: false },
    origin,
    moment,
  })
}

/** Puts a held entry into force, or discards it. A discarded hit does not count. Null: the entry is not held. */
export function resolveHeldEntry(
  previous: SuppressionRow,
  action: 'apply' | 'discard',
  origin: ChangeOrigin,
  moment: FactMoment,
): FactOf<'list'> | null {
  if (!previous.pending) return null
  const state = action === 'apply' ? { pending: false } : { pending: false, removedAt: moment.at, n: Math.max(0, previous.n - 1) }
  return changeEntry({ key: entryKeyOf(previous), previous, action, state, origin, moment })
}

const entryKeyOf = ({ account, list, addressHash, scope }: SuppressionRow): ListEntryKey => ({ account, list, addressHash, scope })

function entryStateOf(row: SuppressionRow): Required<ListEntryState> {
  const { account: _account, list: _list, addressHash: _hash, scope: _scope, change: _change, factId: _id, ...state } = row
  return state
}
