/**
 * dry-run - runs a transaction and rolls it back, so that its result says exactly what would happen
 *
 * See also: service/transact, service/receive/receive, service/reclassify/reclassifier.
 */
import type { LedgerStateNeeds } from '../store/facts/ledger-state.ts'
import type { Context } from './context.ts'
import { transact, type Decision, type LedgerTransaction } from './transact.ts'

/** Resolves to the result of `decide`. Stores nothing and logs nothing. Faults: those of {@link transact}. */
export async function dryRunTransaction<Result>(
  context: Context,
  needs: LedgerStateNeeds,
  decide: (transaction: LedgerTransaction) => Promise<Decision<Result>>,
): Promise<Result> {
  const rollback = new Error('a dry run is rolled back')
  const results: Result[] = []
  try {
    return await transact<Result>(context, needs, async (transaction) => {
      results.splice(0, 1, (await decide(transaction)).result)
      throw rollback
    })
  } catch (error) {
    const [result] = results
    if (error !== rollback || result === undefined) throw error
    return result
  }
}
