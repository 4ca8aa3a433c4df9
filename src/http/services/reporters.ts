/**
 * reporters - the operators of feedback loops whose signed reports count, and when each complained last
 *
 * See also: correlate/reporter, config/reporters.toml, service/alerts/alert-measures (feedback-silence).
 */
import type { Reporter } from '../../correlate/reporter.ts'
import type { Context } from '../../service/context.ts'
import { sumWatchCountsForOperator } from '../../store/facts/watch-counters.ts'

type ReporterView = Reporter & {
  /** Complaints in the last four weeks. */
  readonly complaints: number
  /** The quarter-hour of the last one, epoch ms; null: none in four weeks. */
  readonly lastComplaintAt: number | null
}

export type ListReporters = () => Promise<readonly ReporterView[]>

const FOUR_WEEKS_MS = 28 * 86_400_000

export function createListReporters({ engine, reporters, now }: Context): ListReporters {
  return async () => {
    const sums = await sumWatchCountsForOperator(engine.read, ['feedback'], now() - FOUR_WEEKS_MS)
    return reporters.map((reporter) => {
      const own = sums.filter(({ name }) => name === reporter.name)
      const last = own.map((sum) => sum.last)
      return {
        ...reporter,
        complaints: own.reduce((all, { n }) => all + n, 0),
        lastComplaintAt: last.length === 0 ? null : Math.max(...last),
      }
    })
  }
}
