/**
 * unanswered - a store whose commits take effect while their answers are lost, as when a connection is cut at its COMMIT
 *
 *     const { engine, withoutAnswers } = createUnansweredStore(opened)
 *     await withoutAnswers(() => service.call())    each transaction in it commits, and then fails as store_busy
 */
import { Fault } from '../../src/errors.ts'
import type { Engine } from '../../src/store/engine/engine.ts'

export type UnansweredStore = {
  readonly engine: Engine
  /** Resolves to the error of the work, or to null. */
  readonly withoutAnswers: (work: () => Promise<unknown>) => Promise<unknown>
}

export function createUnansweredStore(engine: Engine): UnansweredStore {
  let isUnanswered = false
  const tx: Engine['tx'] = async (work, options) => {
    const result = await engine.tx(work, options)
    if (isUnanswered) throw new Fault('store_busy', 'the connection was lost before the commit was answered')
    return result
  }
  return {
    engine: { ...engine, tx },
    withoutAnswers: async (work) => {
      isUnanswered = true
      try {
        await work()
        return null
      } catch (error) {
        return error
      } finally {
        isUnanswered = false
      }
    },
  }
}
