/**
 * undo-unsubscribe - a recipient undoes an unsubscribe: the entries that it made are removed
 *
 * An entry is removed only if nothing has changed it since: its change number is still the one that the unsubscribe gave it.
 *
 * Pure. See also: tracking/undo-permit (the permission), ledger/decide/unsubscribe, ledger/suppress/list-entry.
 */
import type { AccountSettings } from '../account-settings.ts'
import type { Fact } from '../facts/fact.ts'
import type { FactMoment } from '../facts/new-fact.ts'
import type { ListName } from '../facts/list-facts.ts'
import type { LedgerState } from '../project/state.ts'
import { removeListEntry } from '../suppress/list-entry.ts'

/** The actor of the change. */
const RECIPIENT = 'recipient'

type UndoInput = {
  readonly ledger: LedgerState
  readonly account: number
  /** The delivery behind the link. */
  readonly deliveryId: string
  /** The numbers of the changes to undo, by list; 0: none. */
  readonly changes: Readonly<Partial<Record<ListName, number>>>
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The facts of an undo. None: the entries have changed since, or are removed already. */
export function decideUndoUnsubscribe({ ledger, account, deliveryId, changes, settings, moment }: UndoInput): readonly Fact[] {
  const origin = { cause: null, actor: RECIPIENT, settingsVersion: settings.version }
  return [...ledger.suppressions.values()]
    .filter((row) => row.account === account && row.deliveryId === deliveryId && row.change === changes[row.list])
    .flatMap((row) => removeListEntry(row, origin, moment) ?? [])
}
