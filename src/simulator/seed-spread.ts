/**
 * seed-spread - the median and the range of each figure of a policy over several seeds
 *
 * One seed is one case. Where the ranges of two policies overlap, their medians do not decide between them. Pure. See also: simulator/report.
 */
import type { SimulationReport } from './report.ts'

export type Spread = { readonly median: number; readonly least: number; readonly most: number }

export type PolicySpread = {
  readonly policy: string
  readonly seeds: readonly number[]
  readonly delivered: Spread
  readonly attempts: Spread
  readonly wasted: Spread
  readonly drainSeconds: Spread
  readonly meanDelaySeconds: Spread
  readonly pauses: Spread
}

/** The median of an even number of values is the lower of the two in the middle, so that it is the figure of a real run. No values: all zero. */
function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 }
}

/** One row per policy, in the order of the reports. */
export function spreadsOf(reports: readonly SimulationReport[]): PolicySpread[] {
  return [...new Set(reports.map(({ policy }) => policy))].map((policy) => {
    const own = reports.filter((each) => each.policy === policy)
    const of = (pick: (each: SimulationReport) => number): Spread => spreadOf(own.map(pick))
    return {
      policy,
      seeds: own.map(({ seed }) => seed),
      delivered: of((each) => each.delivered),
      attempts: of((each) => each.attempts),
      wasted: of((each) => each.wasted),
      drainSeconds: of((each) => each.drainSeconds),
      meanDelaySeconds: of((each) => each.meanDelaySeconds ?? 0),
      pauses: of((each) => each.pauses.reduce((all, { paused }) => all + paused, 0)),
    }
  })
}
