/**
 * reclassification-summary - what a reclassification changes, as sums by account and by change, and samples of it
 *
 * Both are bounded: an installation has many accounts, and a table many changes. Changes beyond the bound are counted together.
 *
 * Pure. See also: ledger/decide/reclassification, service/reclassify/reclassify-page, store/reclassifications.
 */
import type { StatusEffect, VerdictSummary } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import type { DeliveryRow } from '../project/state.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import type { StoredFailure } from './reclassification.ts'

/** The meaning of a verdict for a delivery. */
export type Meaning = Pick<StatusEffect, 'status' | 'subStatus' | 'reason' | 'permanence'>

/** Failures of one account that change in the same way. */
type ChangeGroup = {
  readonly account: number
  readonly from: Meaning
  readonly to: Meaning
  readonly n: number
  /** Deliveries whose status, sub status or reason changes. A later fact may decide these, so there may be fewer than `n`. */
  readonly deliveries: number
}

/** Changes of list entries of one account; account 0 is the list that all accounts share. */
type ListGroup = { readonly account: number; readonly action: 'remove' | 'add' | 'hold'; readonly n: number }

export type ReclassificationSummary = {
  /** Failures that were classified again. */
  readonly examined: number
  readonly changed: number
  /** Failures whose mail is not stored any more, and whose stored text is too short for another verdict. */
  readonly unreadable: number
  readonly groups: readonly ChangeGroup[]
  readonly lists: readonly ListGroup[]
}

export const EMPTY_SUMMARY: ReclassificationSummary = { examined: 0, changed: 0, unreadable: 0, groups: [], lists: [] }

type SampleVerdict = Meaning & Pick<VerdictSummary, 'rule' | 'table' | 'matched' | 'text' | 'code' | 'replyStatus'>

/** One change with both verdicts and what they rest on. Local parts of addresses in the texts are masked. */
export type ReclassificationSample = {
  readonly account: number
  readonly emailId: string | null
  readonly domain: string
  readonly at: number
  readonly from: SampleVerdict
  readonly to: SampleVerdict
  /** False: a later or a stronger fact decides the status of the delivery. */
  readonly isStatusChanged: boolean
}

/** What one failure adds. */
export type SummarisedChange = {
  /** The delivery before and after the change. */
  readonly before: DeliveryRow
  readonly after: DeliveryRow
  readonly failure: StoredFailure
  readonly effect: StatusEffect
  readonly verdict: VerdictSummary
  readonly listFacts: readonly Fact[]
}

/** Reasons are few, and accounts many. */
const MAX_GROUPS = 2_000
const MAX_SAMPLES = 60
const SAMPLES_PER_GROUP = 3
const MAX_SAMPLE_TEXT_LENGTH = 400

const meaningOf = ({ status, subStatus, reason, permanence }: Meaning): Meaning => ({ status, subStatus, reason, permanence })
const changeKey = ({ account, from, to }: Pick<ChangeGroup, 'account' | 'from' | 'to'>): string =>
  JSON.stringify([account, ...[from, to].flatMap(({ status, subStatus, reason, permanence }) => [status, subStatus, reason, permanence])])

/** Whether the delivery itself has another status, sub status or reason. */
export function isStatusChanged(before: DeliveryRow, after: DeliveryRow): boolean {
  return before.status !== after.status || before.subStatus !== after.subStatus || before.reason !== after.reason
}

/** Adds the changes of a page. */
export function addToSummary(
  summary: ReclassificationSummary,
  {
    examined,
    unreadable,
    changes,
  }: { readonly examined: number; readonly unreadable: number; readonly changes: readonly SummarisedChange[] },
): ReclassificationSummary {
  const groups = new Map(summary.groups.map((group) => [changeKey(group), group]))
  const lists = new Map(summary.lists.map((group) => [`${group.account}/${group.action}`, group]))
  for (const { before, after, failure, effect, listFacts } of changes) {
    const change = { account: after.account, from: meaningOf(failure.effect), to: meaningOf(effect) }
    const known = groups.get(changeKey(change))
    if (known === undefined && groups.size >= MAX_GROUPS) continue
    const deliveries = (known?.deliveries ?? 0) + (isStatusChanged(before, after) ? 1 : 0)
    groups.set(changeKey(change), { ...change, n: (known?.n ?? 0) + 1, deliveries })
    for (const { account, action } of listFacts.flatMap(listChangeOf)) {
      const key = `${account}/${action}`
      lists.set(key, { account, action, n: (lists.get(key)?.n ?? 0) + 1 })
    }
  }
  return {
    examined: summary.examined + examined,
    changed: summary.changed + changes.length,
    unreadable: summary.unreadable + unreadable,
    groups: [...groups.values()],
    lists: [...lists.values()],
  }
}

function listChangeOf(fact: Fact): readonly Pick<ListGroup, 'account' | 'action'>[] {
  if (fact.kind !== 'list') return []
  const { action } = fact.data
  return action === 'remove' || action === 'add' || action === 'hold' ? [{ account: fact.account, action }] : []
}

/** Adds a few samples of each change. Null: none was added. */
export function addSamples(
  samples: readonly ReclassificationSample[],
  changes: readonly SummarisedChange[],
): readonly ReclassificationSample[] | null {
  const kindOf = ({ from, to }: Pick<ReclassificationSample, 'from' | 'to'>): string => changeKey({ account: 0, from, to })
  const perKind = new Map<string, number>()
  for (const sample of samples) perKind.set(kindOf(sample), (perKind.get(kindOf(sample)) ?? 0) + 1)
  const added: ReclassificationSample[] = []
  for (const change of changes) {
    if (samples.length + added.length >= MAX_SAMPLES) break
    const sample = toSample(change)
    const n = perKind.get(kindOf(sample)) ?? 0
    if (n >= SAMPLES_PER_GROUP) continue
    perKind.set(kindOf(sample), n + 1)
    added.push(sample)
  }
  return added.length === 0 ? null : [...samples, ...added]
}

function toSample({ before, after, failure, effect, verdict }: SummarisedChange): ReclassificationSample {
  return {
    account: after.account,
    emailId: after.emailId,
    domain: after.domain,
    at: failure.fact.at,
    from: sampleVerdictOf(failure.effect, failure.verdict),
    to: sampleVerdictOf(effect, verdict),
    isStatusChanged: isStatusChanged(before, after),
  }
}

function sampleVerdictOf(effect: StatusEffect, { rule, table, matched, text, code, replyStatus }: VerdictSummary): SampleVerdict {
  return {
    ...meaningOf(effect),
    rule,
    table,
    matched: matched.slice(0, 4),
    text: redactLocalParts(text).slice(0, MAX_SAMPLE_TEXT_LENGTH),
    code,
    replyStatus,
  }
}
