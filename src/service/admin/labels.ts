/**
 * labels - an account's labels are made, renamed and removed by hand, each time with an audit
 *
 * What was sent keeps the name that it bore; statistics go by the number, and outlive the label.
 *
 * See also: store/account/labels, http/sendcloud/labels.
 */
import { audit } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { emptyWorld } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import { addLabel, findLabel, listLabels, removeLabel, renameLabel, type Label } from '../../store/account/labels.ts'
import { commitWorld } from '../commit.ts'
import { actorOf, type Asker } from '../submit/register.ts'
import type { Shop } from '../context.ts'

export type LabelPage = { readonly query: string | null; readonly start: number; readonly limit: number }

export type Labels = {
  readonly list: (account: number, page: LabelPage) => Promise<{ readonly rows: readonly Label[]; readonly total: number }>
  readonly get: (account: number, labelId: number) => Promise<Label | null>
  /** Faults: conflict, where the name is taken. */
  readonly add: (by: Asker, name: string) => Promise<Label>
  /** Null: there is no such label. Faults: conflict, where the name is taken. */
  readonly rename: (by: Asker, labelId: number, name: string) => Promise<Label | null>
  /** Whether it was there. */
  readonly remove: (by: Asker, labelId: number) => Promise<boolean>
}

export function createLabels(shop: Shop): Labels {
  const { read } = shop.engine
  return {
    list: (account, { query, start, limit }) => listLabels(read, account, { ...(query === null ? {} : { query }), start, limit }),
    get: (account, labelId) => findLabel(read, account, labelId),
    add: (by, name) =>
      shop.engine.tx(async (db) => {
        const label = await addLabel(db, by.account, name, shop.now())
        await note(shop, db, by, { what: 'label.add', labelId: label.labelId, name })
        return label
      }),
    rename: (by, labelId, name) =>
      shop.engine.tx(async (db) => {
        if (!(await renameLabel(db, by.account, { labelId, name, at: shop.now() }))) return null
        await note(shop, db, by, { what: 'label.rename', labelId, name })
        return findLabel(db, by.account, labelId)
      }),
    remove: (by, labelId) =>
      shop.engine.tx(async (db) => {
        const isGone = await removeLabel(db, by.account, labelId, shop.now())
        if (isGone) await note(shop, db, by, { what: 'label.remove', labelId, name: '' })
        return isGone
      }),
  }
}

type Note = { readonly what: string; readonly labelId: number; readonly name: string }

async function note(shop: Shop, db: Db, by: Asker, { what, labelId, name }: Note): Promise<void> {
  const now = shop.now()
  const settings = (await shop.book.open()).settingsOf(by.account)
  const hand = { actor: actorOf(by), settings, moment: { at: now, receivedAt: now, ids: shop.ids } }
  const world = emptyWorld()
  applyFacts(world, [audit(by.account, what, { labelId, ...(name === '' ? {} : { name }) }, hand)])
  await commitWorld(db, world, { now, notify: () => true })
}
