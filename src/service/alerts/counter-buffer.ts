/**
 * counter-buffer - counts committed facts in memory and adds the counts to the store at intervals; attempts by site go to the metrics at once
 *
 * If every commit updated these counters, all commits would wait for the same rows. A node that crashes loses the counts since its last
 * flush, and a flush whose commit is not answered may lose its own; alerts look at hours, so this does not matter. Nothing is counted twice.
 *
 * See also: ledger/project/watch-counts (what is counted), service/alerts/site-attempts, service/alerts/alerts.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import { watchCountsOf, type WatchCount } from '../../ledger/project/watch-counts.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { addWatchCounts } from '../../store/facts/watch-counters.ts'
import { countSiteAttempts, type SiteMetrics } from './site-attempts.ts'

export type CounterBuffer = {
  /** Counts committed facts, and `mails` received by SMTP. Never throws. */
  readonly count: (facts: readonly Fact[], mails?: number) => void
  /** Adds the counts to the store. Faults: store_busy; the counts then stay in the buffer, unless their commit may have taken effect. */
  readonly flush: (engine: Engine) => Promise<void>
}

const keyOf = ({ account, quarter, metric, name }: WatchCount): string => `${account}/${quarter}/${metric}/${name}`

/** Bounds the memory: whoever sends complaints chooses the domains that are counted. */
const MAX_FEEDBACK_COUNTERS = 10_000

/** Creates an empty buffer. */
export function createCounterBuffer(now: () => number, siteMetrics: SiteMetrics): CounterBuffer {
  let buffered = new Map<string, WatchCount>()
  const add = (count: WatchCount): void => {
    const key = keyOf(count)
    const old = buffered.get(key)
    // The other counters are few. They are always counted, however many feedback domains somebody invents.
    if (old !== undefined || count.metric !== 'feedback' || buffered.size < MAX_FEEDBACK_COUNTERS)
      buffered.set(key, { ...count, n: count.n + (old?.n ?? 0) })
  }
  return {
    count: (facts, mails = 0) => {
      for (const count of watchCountsOf(facts, mails, now())) add(count)
      countSiteAttempts(siteMetrics, facts)
    },
    flush: async (engine) => {
      const flushed = buffered
      if (flushed.size === 0) return
      buffered = new Map()
      let isCommitting = false
      try {
        await engine.tx(
          async (db) => {
            isCommitting = false
            await addWatchCounts(db, [...flushed.values()])
            isCommitting = true
          },
          { visibility: 'latest' },
        )
      } catch (error) {
        if (!isCommitting) for (const count of flushed.values()) add(count)
        throw error
      }
    },
  }
}
