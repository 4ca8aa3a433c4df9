/**
 * deadline - the end of the time that a transaction of the embedded engine has
 *
 * A thread of SQLite cannot be interrupted in a statement or an fsync. At the deadline the caller is told, no more statements of the transaction begin, and
 * it is rolled back as soon as the thread answers. If only its commit was missing, it may be committed nevertheless, as with a connection that is lost
 * at that moment; every write that a caller repeats is idempotent.
 *
 * See also: store/engine/sqlite, store/engine/postgres/transaction (which destroys the connection instead).
 */
import { Fault } from '../../errors.ts'

export type Deadline = {
  /** Rejects at the deadline, with Fault store_busy. Never resolves. */
  readonly passed: Promise<never>
  /** The fault once the deadline has passed, or null. */
  readonly fault: () => Fault | null
}

/** Runs work until a deadline. `millis` 0: there is none. Faults: store_busy. */
export async function runUntilDeadline<T>(millis: number, run: (deadline: Deadline) => Promise<T>): Promise<T> {
  const { promise: passed, reject } = Promise.withResolvers<never>()
  let fault: Fault | null = null
  passed.catch(() => undefined)
  const expire = (): void => {
    fault = new Fault('store_busy', `SQLite did not finish a transaction within ${millis} ms`)
    reject(fault)
  }
  const timer = millis === 0 ? undefined : setTimeout(expire, millis)
  const running = run({ passed, fault: () => fault })
  running.catch(() => undefined)
  return Promise.race([running, passed]).finally(() => clearTimeout(timer))
}
