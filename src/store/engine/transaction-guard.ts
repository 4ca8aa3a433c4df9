/**
 * transaction-guard - a transaction that has failed once, or has ended, answers no more
 *
 * PostgreSQL refuses statements after a failed one; SQLite would go on and commit the rest. The guard makes both the same: the first
 * failure is what every later verb and the end of the transaction say, whatever the callback made of it.
 *
 * See also: store/engine/engine (the contract).
 */
import { Fault } from '../../errors.ts'

export type Guard<Wish, Result> = {
  readonly ask: (wish: Wish) => Promise<Result>
  /** The first failure, or null. */
  readonly broken: () => unknown
  readonly end: () => void
}

export function createGuard<Wish, Result>(ask: (wish: Wish) => Promise<Result>): Guard<Wish, Result> {
  let broken: unknown = null
  let ended = false
  return {
    ask(wish) {
      if (ended) return Promise.reject(new Fault('internal', 'a verb was called after its transaction had ended'))
      if (broken !== null) return Promise.reject(broken)
      return ask(wish).catch((error: unknown) => {
        broken ??= error
        throw error
      })
    },
    broken: () => broken,
    end() {
      ended = true
    },
  }
}
