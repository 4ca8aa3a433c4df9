/**
 * transaction-guard - a transaction that has failed once, or has ended, answers no more
 *
 * PostgreSQL refuses statements after a failed one; SQLite would go on and commit the rest. The guard makes both the same: the first
 * failure is what every later verb and the end of the transaction say, whatever the callback made of it.
 *
 * See also: store/engine/engine (the contract).
 */
import { Fault } from '../../errors.ts'

type TransactionGuard<Wish, Result> = {
  readonly execute: (operation: Wish) => Promise<Result>
  /** The first failure, or null. */
  readonly firstFailure: () => unknown
  readonly end: () => void
}

export function createTransactionGuard<Wish, Result>(execute: (operation: Wish) => Promise<Result>): TransactionGuard<Wish, Result> {
  let firstFailure: unknown = null
  let hasEnded = false
  return {
    execute(operation) {
      if (hasEnded) return Promise.reject(new Fault('internal', 'a verb was called after its transaction had ended'))
      if (firstFailure !== null) return Promise.reject(firstFailure)
      return execute(operation).catch((error: unknown) => {
        firstFailure ??= error
        throw error
      })
    },
    firstFailure: () => firstFailure,
    end() {
      hasEnded = true
    },
  }
}
