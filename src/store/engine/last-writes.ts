/**
 * last-writes - the writes of a transaction that its callback does not wait for
 *
 * See also: store/engine/engine (`commitWith`), store/engine/sqlite, store/engine/postgres/postgres.
 */
import type { Database } from './engine.ts'

type LastWrites = Pick<Database, 'commitWith'> & {
  /** Resolves when all of them are done. Rejects with the failure of one. */
  readonly done: () => Promise<unknown>
  /** The first failure so far, or null: of a statement, or of the code that makes the calls. */
  readonly firstFailure: () => unknown
}

/** Creates the list of one run of a callback. A failure that nobody waits for, because the callback has failed too, is no unhandled rejection. */
export function createLastWrites(): LastWrites {
  const all: Promise<unknown>[] = []
  let firstFailure: unknown = null
  return {
    commitWith: (writes) => {
      writes.catch((error: unknown) => {
        firstFailure ??= error
      })
      all.push(writes)
    },
    done: () => Promise.all(all),
    firstFailure: () => firstFailure,
  }
}
