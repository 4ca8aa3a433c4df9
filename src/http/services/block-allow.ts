/**
 * block-allow - changes the block and allow lists of an account
 *
 * See also: http/sendcloud/block-allow, http/engagelab/lists, service/lists/block-allow (the implementation).
 */
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { Context } from '../../service/context.ts'
import { addBlockAllowEntries, removeBlockAllowEntries, type EntrySelection, type ListEditor } from '../../service/lists/block-allow.ts'
import { actorOf, type Caller } from '../../service/caller.ts'

export type BlockAllowService = {
  /** Adds the entries and returns those that are new. */
  readonly add: (
    caller: Caller,
    entries: EntrySelection & { readonly until: number | null; readonly note?: string },
  ) => Promise<readonly SuppressionRow[]>
  /** Removes the entries and returns how many existed. */
  readonly remove: (caller: Caller, entries: EntrySelection & { readonly note?: string }) => Promise<number>
}

const editorOf = (caller: Caller): ListEditor => ({ account: caller.account, actor: actorOf(caller) })

/** Creates the service. */
export function createBlockAllowService(context: Context): BlockAllowService {
  return {
    add: (caller, entries) => addBlockAllowEntries(context, editorOf(caller), entries),
    remove: (caller, entries) => removeBlockAllowEntries(context, editorOf(caller), entries),
  }
}
