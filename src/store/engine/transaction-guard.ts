/**
 * transaction-guard - refuses calls in a transaction that has failed or ended
 *
 * PostgreSQL refuses statements after a failed one; SQLite would continue and commit the rest. The guard makes both the same: every later
 * call and the end of the transaction report the first failure, even if the callback has caught it.
 *
 * See also: store/engine/engine (the contract).
 */
import { Fault } from '../../errors.ts'

type TransactionGuard<Operation, OperationResult> = {
  readonly execute: (operation: Operation) => Promise<OperationResult>
  /** The first failure, or null. */
  readonly firstFailure: () => unknown
  readonly end: () => void
}

export function createTransactionGuard<Operation, OperationResult>(
  execute: (operation: Operation) => Promise<OperationResult>,
): TransactionGuard<Operation, OperationResult> {
  let firstFailure: unknown = null
  let hasEnded = false
  return {
    execute(operation) {
      if (hasEnded) return Promise.reject(new Fault('internal', 'a transaction was used after its end'))
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
