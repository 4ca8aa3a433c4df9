/**
 * rule-counts - how often each rule decided in the last days, and how many replies no rule knew
 *
 * Counted by day in the counters of alerts, so that the figure costs some hundred rows whatever the number of deliveries. Replays are not
 * counted. Other nodes add their counts every few minutes, and a node that crashes loses those since then.
 *
 * See also: ledger/project/watch-counts, service/alerts/counter-buffer, http/api/rules/rule-workbench.
 */
import { DAY_MS } from '../../ledger/suppress/address-history.ts'
import { startOfDay } from '../../ledger/project/watch-counts.ts'
import { sumWatchCountsForOperator } from '../../store/facts/watch-counters.ts'
import type { Context } from '../context.ts'

type RuleCounts = {
  /** Start of the first day (epoch ms). */
  readonly since: number
  readonly verdicts: number
  readonly other: number
  /** By rule id; `unmatched` where no rule decided. */
  readonly byRule: ReadonlyMap<string, number>
}

export type CountRuleDecisions = (days: number) => Promise<RuleCounts>

/** Creates the function. Faults of a call: store_busy. */
export function createCountRuleDecisions({ engine, now, counterBuffer }: Context): CountRuleDecisions {
  return async (days) => {
    // What this node has counted a moment ago is shown. If the store takes no writes, it is shown later.
    await counterBuffer.flush(engine).catch(() => undefined)
    const since = startOfDay(now() - (days - 1) * DAY_MS)
    const sums = await sumWatchCountsForOperator(engine.read, ['verdicts', 'other', 'rule'], since)
    const totalOf = (name: string): number => sums.reduce((sum, { metric, n }) => sum + (metric === name ? n : 0), 0)
    const byRule = new Map(sums.flatMap(({ metric, name, n }) => (metric === 'rule' ? [[name, n] as const] : [])))
    return { since, verdicts: totalOf('verdicts'), other: totalOf('other'), byRule }
  }
}
