/**
 * labels - an account's labels are made, renamed and removed by hand, each time with an audit
 *
 * What was sent keeps the name that it bore; statistics go by the number, and outlive the label.
 *
 * See also: store/account/labels, http/sendcloud/labels.
 */
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { createLedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { addLabel, findLabel, listLabels, removeLabel, renameLabel, type Label } from '../../store/account/labels.ts'
import { commitLedgerState } from '../commit.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'

export type LabelPage = { readonly query: string | null; readonly start: number; readonly limit: number }

export type LabelService = {
  readonly list: (account: number, page: LabelPage) => Promise<{ readonly rows: readonly Label[]; readonly total: number }>
  readonly get: (account: number, labelId: number) => Promise<Label | null>
  /** Faults: conflict, where the name is taken. */
  readonly add: (by: Caller, name: string) => Promise<Label>
  /** Null: there is no such label. Faults: conflict, where the name is taken. */
  readonly rename: (by: Caller, labelId: number, name: string) => Promise<Label | null>
  /** Whether it was there. */
  readonly remove: (by: Caller, labelId: number) => Promise<boolean>
}

export function createLabelService(context: Context): LabelService {
  const { read } = context.engine
  return {
    list: (account, { query, start, limit }) => listLabels(read, account, { ...(query === null ? {} : { query }), start, limit }),
    get: (account, labelId) => findLabel(read, account, labelId),
    add: (by, name) =>
      context.engine.tx(async (db) => {
        const label = await addLabel(db, by.account, name, context.now())
        await writeAudit(context, db, by, { action: 'label.add', labelId: label.labelId, name })
        return label
      }),
    rename: (by, labelId, name) =>
      context.engine.tx(async (db) => {
        if (!(await renameLabel(db, by.account, { labelId, name, at: context.now() }))) return null
        await writeAudit(context, db, by, { action: 'label.rename', labelId, name })
        return findLabel(db, by.account, labelId)
      }),
    remove: (by, labelId) =>
      context.engine.tx(async (db) => {
        const isGone = await removeLabel(db, by.account, labelId, context.now())
        if (isGone) await writeAudit(context, db, by, { action: 'label.remove', labelId, name: '' })
        return isGone
      }),
  }
}

type LabelAudit = { readonly action: string; readonly labelId: number; readonly name: string }

async function writeAudit(context: Context, db: Database, by: Caller, { action, labelId, name }: LabelAudit): Promise<void> {
  const now = context.now()
  const settings = (await context.accountCache.snapshot()).settingsOf(by.account)
  const actionContext = { actor: actorOf(by), settings, moment: { at: now, receivedAt: now, ids: context.ids } }
  const ledgerState = createLedgerState()
  applyFacts(ledgerState, [createAuditFact(by.account, action, { labelId, ...(name === '' ? {} : { name }) }, actionContext)])
  await commitLedgerState(db, ledgerState, { now, notify: () => true })
}
