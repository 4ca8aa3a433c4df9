/**
 * counter-buffer - counts what this node learns, in memory, and puts it into the store now and then
 *
 * One row for a busy installation would be every commit's to write; so nothing of this is in their way. A node that dies forgets what it had
 * not yet put down: alerts look at hours.
 *
 * See also: ledger/project/watch-counts (what counts), service/alerts/alerts.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import { watchCountsOf, type WatchCount } from '../../ledger/project/watch-counts.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { addWatchCounts } from '../../store/facts/watch-counters.ts'

export type CounterBuffer = {
  /** Counts what was committed; `mails` of it came by SMTP. Never throws. */
  readonly count: (facts: readonly Fact[], mails?: number) => void
  /** Puts down what was counted since. Faults: store_busy; what was counted stays counted. */
  readonly flush: (engine: Engine) => Promise<void>
}

const keyOf = ({ account, quarter, metric, name }: WatchCount): string => `${account}/${quarter}/${metric}/${name}`

/** Names that are counted at once: a stranger must not fill the memory with loops that there are not. */
const MAX_COUNTERS = 10_000

export function createCounterBuffer(now: () => number): CounterBuffer {
  let buffered = new Map<string, WatchCount>()
  const add = (count: WatchCount): void => {
    const key = keyOf(count)
    const old = buffered.get(key)
    if (old !== undefined || buffered.size < MAX_COUNTERS) buffered.set(key, { ...count, n: count.n + (old?.n ?? 0) })
  }
  return {
    count: (facts, mails = 0) => {
      for (const count of watchCountsOf(facts, mails, now())) add(count)
    },
    flush: async (engine) => {
      const flushed = buffered
      if (flushed.size === 0) return
      buffered = new Map()
      try {
        await engine.tx((db) => addWatchCounts(db, [...flushed.values()]), { visibility: 'latest' })
      } catch (error) {
        for (const count of flushed.values()) add(count)
        throw error
      }
    },
  }
}
