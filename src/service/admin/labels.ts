/**
 * labels - creates, renames and removes the labels of an account
 *
 * Each change creates an audit fact. Messages keep the label name that they were sent with. Statistics refer to the label's number, so they
 * survive a rename and the removal of the label.
 *
 * See also: store/account/labels, http/sendcloud/labels.
 */
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import { addLabel, findLabel, listLabels, removeLabel, renameLabel, type Label } from '../../store/account/labels.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** After the label with this number, or from a position. */
type LabelPage = { readonly query: string | null; readonly limit: number; readonly after?: number; readonly start?: number }

export type LabelService = {
  readonly list: (account: number, page: LabelPage) => Promise<{ readonly rows: readonly Label[]; readonly total: number }>
  readonly get: (account: number, labelId: number) => Promise<Label | null>
  /** Faults: conflict (the name is taken). */
  readonly add: (caller: Caller, name: string) => Promise<Label>
  /** Resolves to null if there is no such label. Faults: conflict (the name is taken). */
  readonly rename: (caller: Caller, labelId: number, name: string) => Promise<Label | null>
  /** Resolves to false if there is no such label. */
  readonly remove: (caller: Caller, labelId: number) => Promise<boolean>
}

export function createLabelService(context: Context): LabelService {
  const { read } = context.engine
  return {
    list: (account, { query, ...page }) => listLabels(read, account, { ...(query === null ? {} : { query }), ...page }),
    get: (account, labelId) => findLabel(read, account, labelId),
    add: (caller, name) =>
      transact(context, {}, async ({ db, moment }) => {
        const label = await addLabel(db, caller.account, name, moment.at)
        return { result: label, facts: [auditOf(caller, moment, { action: 'label.add', labelId: label.labelId, name })] }
      }),
    rename: (caller, labelId, name) =>
      transact(context, {}, async ({ db, moment }) => {
        if (!(await renameLabel(db, caller.account, { labelId, name, at: moment.at }))) return { result: null }
        const label = await findLabel(db, caller.account, labelId)
        return { result: label, facts: [auditOf(caller, moment, { action: 'label.rename', labelId, name })] }
      }),
    remove: (caller, labelId) =>
      transact(context, {}, async ({ db, moment }) => {
        if (!(await removeLabel(db, caller.account, labelId, moment.at))) return { result: false }
        return { result: true, facts: [auditOf(caller, moment, { action: 'label.remove', labelId })] }
      }),
  }
}

type LabelAudit = { readonly action: string; readonly labelId: number; readonly name?: string }

const auditOf = (caller: Caller, moment: FactMoment, { action, ...detail }: LabelAudit): Fact =>
  createAuditFact(caller.account, action, detail, { actor: actorOf(caller), moment })
