/**
 * advice-api - the advice to an account's MTA, from any node, and a person's Recover
 *
 * The advice comes from the store, where the adviser writes it; it is a second or two behind the outcomes. A Recover waits there for the adviser.
 *
 * See also: service/advise/adviser, http/api/advice/advice, commands/queue/advise.
 */
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Advice } from '../../queue/advice/advice.ts'
import { addAdviceInputsForOperator, type AdviceRow, listAdvice, listAdviceForOperator } from '../../store/queue/advice.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { readAdvice } from './account-machines.ts'
import { toInputRow } from './reported-outcomes.ts'

export type AccountAdvice = { readonly account: number; readonly advice: Advice }

/** `version`: what to pass as `since` to get what has changed after this answer. */
type AdviceList = { readonly version: number; readonly items: readonly AccountAdvice[] }

type RecoverRequest = { readonly account: number; readonly actor: string; readonly key: string; readonly how: 'immediate' | 'probe' }

export type AdviceApi = {
  /**
   * `account` null: all accounts, for the operator. `since` null: the keys that are stopped or slowed down; else all that have changed after this version,
   * also those that are open again. Faults: store_busy.
   */
  readonly list: (query: { readonly account: number | null; readonly since: number | null }) => Promise<AdviceList>
  /** Faults: not_found (the key of the account is not known), store_busy. */
  readonly recover: (request: RecoverRequest) => Promise<void>
}

/** Creates the service. */
export function createAdviceApi(context: Context): AdviceApi {
  const { read } = context.engine
  const listRows = async (account: number | null, after: number): Promise<readonly AdviceRow[]> =>
    account === null ? listAdviceForOperator(read, after) : listAdvice(read, account, after)
  return {
    list: async ({ account, since }) => {
      const rows = await listRows(account, since ?? 0)
      const items = rows.map((row) => ({ account: row.account, advice: readAdvice(row) }))
      return {
        version: Math.max(since ?? 0, ...rows.map(({ version }) => version)),
        items: since === null ? items.filter(({ advice }) => advice.action !== 'open') : items,
      }
    },
    recover: async ({ account, actor, key, how }) => {
      if (!(await listRows(account, 0)).some((row) => row.key === key))
        throw new Fault('not_found', 'no advice of this account has this key; GET /v1/advice lists the keys')
      await transact(context, {}, async ({ db, moment }) => {
        await addAdviceInputsForOperator(db, [toInputRow(context, account, { recover: { key, how } }, moment.at)])
        return { result: undefined, facts: [createAuditFact(account, 'advice.recover', { key, how }, { actor, moment })] }
      })
    },
  }
}
