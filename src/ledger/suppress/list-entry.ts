/**
 * list-entry - a change of a list as a fact
 *
 * Each change bears the next number of its entry and says how the whole entry stands after it, so that the highest number is the entry.
 *
 * Pure. See also: ledger/suppress/suppression, ledger/project/fold.
 */
import type { FactOf, ListAction, ListData, ListName } from '../facts/fact.ts'
import { makeFact, type Moment, ofEntry } from '../facts/new-fact.ts'
import type { SuppressionRow } from '../project/state.ts'

/** Which entry. For a whole domain the hash is that of correlate/address-hash (hashDomain). */
export type EntryKey = { readonly account: number; readonly list: ListName; readonly addressHash: string; readonly scope: string }

/** Who or what changes it. */
export type By = { readonly cause: string | null; readonly actor: string | null; readonly settingsVersion: number }

/** How an entry stands, as far as the caller decides it. */
export type EntryState = Partial<
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

export type Change = {
  readonly key: EntryKey
  /** The entry before; null: there was none. */
  readonly old: SuppressionRow | null
  readonly action: ListAction
  readonly state: EntryState
  readonly by: By
  readonly moment: Moment
}

const NOTHING = {
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
} as const satisfies EntryState

/** The fact of one change. An add or a hold begins anew, all other actions keep what they do not name. */
export function changeEntry({ key, old, action, state, by, moment }: Change): FactOf<'list'> {
  const isNew = action === 'add' || action === 'hold'
  const before = old === null ? NOTHING : pick(old)
  const kept = isNew ? { ...NOTHING, address: before.address, domain: before.domain, isDomain: before.isDomain } : before
  const data: ListData = {
    ...kept,
    ...state,
    list: key.list,
    scope: key.scope,
    change: (old?.change ?? 0) + 1,
    action,
    ...by,
  }
  return makeFact('list', ofEntry({ ...key, deliveryId: data.deliveryId }), moment, data)
}

/** Takes an entry off. Null: it stands no more. */
export function removeEntry(old: SuppressionRow, by: By, moment: Moment): FactOf<'list'> | null {
  if (old.removedAt !== null) return null
  return changeEntry({ key: keyOf(old), old, action: 'remove', state: { removedAt: moment.at, pending: false }, by, moment })
}

/** Lets a held entry stand, or drops it. A dropped hit does not count. Null: it is not held. */
export function settleEntry(old: SuppressionRow, action: 'apply' | 'discard', by: By, moment: Moment): FactOf<'list'> | null {
  if (!old.pending) return null
  const state = action === 'apply' ? { pending: false } : { pending: false, removedAt: moment.at, n: Math.max(0, old.n - 1) }
  return changeEntry({ key: keyOf(old), old, action, state, by, moment })
}

const keyOf = ({ account, list, addressHash, scope }: SuppressionRow): EntryKey => ({ account, list, addressHash, scope })

function pick(row: SuppressionRow): Required<EntryState> {
  const { account: _account, list: _list, addressHash: _hash, scope: _scope, change: _change, factId: _id, ...state } = row
  return state
}
