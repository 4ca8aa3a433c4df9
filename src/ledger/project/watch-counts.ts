/**
 * watch-counts - counters that alerts watch: received mails, verdicts, complaints of each feedback loop
 *
 * Counted in the quarter-hour of receipt. Replays are not counted, because they arrive all at once.
 *
 * Pure. See also: service/alerts/counter-buffer (collects the counts), service/alerts/alert-measures (reads them).
 */
import type { Fact, FactOf } from '../facts/fact.ts'
import { quarterHourOf } from './state.ts'

const WATCH_METRICS = [
  'mails',
  'unmatched',
  'verdicts',
  'other',
  'feedback',
  'webhook-heard',
  'webhook-refused',
  'contradicted',
  'rule',
] as const
export type WatchMetric = (typeof WATCH_METRICS)[number]

export type WatchCount = {
  /** 0: the installation. */
  readonly account: number
  /** The quarter-hour of receipt; of `rule`, the UTC day. */
  readonly quarter: number
  readonly metric: WatchMetric
  /** The domain of a feedback loop, the number of an endpoint, the id of a rule, or ''. */
  readonly name: string
  readonly n: number
}

/** Inbox reasons of mails that refer to no delivery of ours. */
const UNMATCHED_REASONS = new Set(['unmatched', 'ambiguous'])

/** The longest domain name. A longer reporter is not a feedback loop. */
const MAX_NAME_LENGTH = 253

/** The counts of some facts, without zeroes. `mails`: how many mails were received by SMTP. */
export function watchCountsOf(facts: readonly Fact[], mails: number, now: number): readonly WatchCount[] {
  const counts = new Map<string, WatchCount>()
  const add = (metric: WatchMetric, name = '', n = 1): void => {
    const key = `${metric}/${name}`
    const quarter = metric === 'rule' ? startOfDay(now) : quarterHourOf(now)
    counts.set(key, { account: 0, quarter, metric, name, n: (counts.get(key)?.n ?? 0) + n })
  }
  if (mails > 0) add('mails', '', mails)
  for (const fact of facts) {
    if (fact.kind === 'inbox' && fact.data.state === 'open' && UNMATCHED_REASONS.has(fact.data.reason)) add('unmatched')
    if (fact.kind === 'complaint' && fact.data.reporter.length <= MAX_NAME_LENGTH) add('feedback', fact.data.reporter.toLowerCase())
    if (fact.kind === 'alarm' && fact.data.alarm === 'engaged-bounce') add('contradicted')
    if (isVerdictFact(fact) && fact.data.verdict !== null) add('rule', fact.data.verdict.rule)
    if ((fact.kind !== 'failed' && fact.kind !== 'attempt') || fact.data.verdict === null) continue
    add('verdicts')
    if (fact.data.verdict.reason === 'other') add('other')
  }
  return [...counts.values()]
}

/** Facts that hold a new verdict about a reply. */
const isVerdictFact = (fact: Fact): fact is FactOf<'failed'> | FactOf<'attempt'> | FactOf<'delayed'> =>
  fact.kind === 'failed' || fact.kind === 'attempt' || fact.kind === 'delayed'

/** The start of the UTC day of a moment: rules are many, and looked at by day. */
export const startOfDay = (at: number): number => Math.floor(at / 86_400_000) * 86_400_000
