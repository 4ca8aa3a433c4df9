/**
 * watch-counts - what facts count for, for those who watch: mails that came, verdicts, complaints of each feedback loop
 *
 * By the quarter-hour in which we learnt it, and not by that of the mail. Replays are not counted: they come all at once.
 *
 * Pure. See also: service/alerts/counter-buffer (who counts), service/alerts/alert-measures (who reads).
 */
import type { Fact } from '../facts/fact.ts'
import { quarterHourOf } from './state.ts'

const WATCH_METRICS = ['mails', 'unmatched', 'verdicts', 'other', 'feedback', 'webhook-heard', 'webhook-refused'] as const
export type WatchMetric = (typeof WATCH_METRICS)[number]

export type WatchCount = {
  /** 0: the installation. */
  readonly account: number
  readonly quarter: number
  readonly metric: WatchMetric
  /** A feedback loop's domain, an endpoint's number, or ''. */
  readonly name: string
  readonly n: number
}

/** Reasons for the inbox that mean: it points at no mail of ours. */
const UNMATCHED_REASONS = new Set(['unmatched', 'ambiguous'])

/** A loop's domain is at most so long; a longer one is nobody's. */
const MAX_NAME_LENGTH = 253

/** What facts and mails count for, zeroes left out. `mails`: those that came by SMTP. */
export function watchCountsOf(facts: readonly Fact[], mails: number, now: number): readonly WatchCount[] {
  const counts = new Map<string, WatchCount>()
  const add = (metric: WatchMetric, name = '', n = 1): void => {
    const key = `${metric}/${name}`
    counts.set(key, { account: 0, quarter: quarterHourOf(now), metric, name, n: (counts.get(key)?.n ?? 0) + n })
  }
  if (mails > 0) add('mails', '', mails)
  for (const fact of facts) {
    if (fact.kind === 'inbox' && fact.data.state === 'open' && UNMATCHED_REASONS.has(fact.data.reason)) add('unmatched')
    if (fact.kind === 'complaint' && fact.data.reporter.length <= MAX_NAME_LENGTH) add('feedback', fact.data.reporter.toLowerCase())
    if ((fact.kind !== 'failed' && fact.kind !== 'attempt') || fact.data.verdict === null) continue
    add('verdicts')
    if (fact.data.verdict.reason === 'other') add('other')
  }
  return [...counts.values()]
}
