/**
 * fault-report - tells the operator of every fault of the store, whoever meets it
 *
 * A caller that gets store_busy answers 451 or 503, or tries again later, and often has nothing else to say. The operator needs the engine's
 * own code, from one place.
 *
 * See also: store/engine/open-engine, daemon/store-faults (counts and logs them).
 */
import { Fault } from '../../errors.ts'
import type { DatabaseReader, Engine } from './engine.ts'

/** The same store, which also passes each store_busy of a transaction or a read to `onFault`. */
export function reportFaults(engine: Engine, onFault: (fault: Fault) => void): Engine {
  let isClosing = false
  const report = (error: unknown): never => {
    if (!isClosing && error instanceof Fault && error.code === 'store_busy') onFault(error)
    throw error
  }
  const reported = (reader: DatabaseReader): DatabaseReader => ({
    kind: reader.kind,
    all: (sql, params) => reader.all(sql, params).catch(report),
    one: (sql, params) => reader.one(sql, params).catch(report),
    inKeys: (sql, keys, params) => reader.inKeys(sql, keys, params).catch(report),
  })
  return {
    ...engine,
    read: reported(engine.read),
    bulkRead: reported(engine.bulkRead),
    replica: { ...engine.replica, read: reported(engine.replica.read), bulkRead: reported(engine.replica.bulkRead) },
    tx: (work, options) => engine.tx(work, options).catch(report),
    abort: () => {
      isClosing = true
      engine.abort()
    },
    close: () => {
      isClosing = true
      return engine.close()
    },
  }
}
