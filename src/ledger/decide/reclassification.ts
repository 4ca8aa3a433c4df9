/**
 * reclassification - replaces the verdicts of stored facts by those of another rule table, and takes replacements back
 *
 * Only facts in force that gave a delivery a failure are replaced, and only if reason, permanence or weakness differ: another rule with
 * the same meaning changes nothing. The replacement keeps the time of the fact, so that its rank among the facts of the delivery stays
 * what it was, and a later fact that decides the status still decides it. The account's status policy is the one in force now.
 *
 * Pure. See also: ledger/decide/stored-reply (the verdicts), ledger/decide/reclassified-lists (what lists do),
 * ledger/project/supersession (the fold), service/reclassify.
 */
import type { Verdict } from '../../classify/verdict.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { StatusEffect, VerdictSummary } from '../facts/decision.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { aboutDelivery, createFact, type FactMoment } from '../facts/new-fact.ts'
import type { ReclassifiedData } from '../facts/operator-facts.ts'
import { chainOf, findSuccessors, isFactInForce } from '../project/supersession.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'
import { addressHistoryOf, isEngaged, isPermanentUnknownUser } from '../suppress/address-history.ts'
import { effectOf, expiredEffectOf, summariseVerdict } from './effect.ts'

/** A fact of these kinds may hold a reply that gave its delivery a failure. */
type ReplyFact = FactOf<'attempt'> | FactOf<'failed'> | FactOf<'gave-up'>

/** A failure of a delivery that is in force. */
export type StoredFailure = {
  /** The fact in force: `reply`, or the last of its replacements. */
  readonly fact: Fact
  /** The fact that stores the reply. */
  readonly reply: ReplyFact
  readonly effect: StatusEffect
  readonly verdict: VerdictSummary
}

/** Epoch milliseconds: [since, until). */
type ReplyWindow = { readonly since: number; readonly until: number }

/** The failures of a delivery in force whose reply was received in a time. `facts`: all facts of the delivery. */
export function listStoredFailures(facts: readonly Fact[], { since, until }: ReplyWindow): readonly StoredFailure[] {
  const successors = findSuccessors(facts)
  return facts.flatMap((fact): readonly StoredFailure[] => {
    const outcome = outcomeOf(fact)
    if (outcome === null || !isFactInForce(fact, successors)) return []
    const [reply = fact] = chainOf(fact, facts)
    if (!isReplyFact(reply) || reply.receivedAt < since || reply.receivedAt >= until) return []
    return [{ fact, reply, ...outcome }]
  })
}

function isReplyFact(fact: Fact): fact is ReplyFact {
  return fact.kind === 'attempt' || fact.kind === 'gave-up' || (fact.kind === 'failed' && fact.data.source === 'report')
}

function outcomeOf(fact: Fact): { readonly effect: StatusEffect; readonly verdict: VerdictSummary } | null {
  if (!isReplyFact(fact) && fact.kind !== 'reclassified') return null
  const { effect, verdict } = fact.data
  return effect === null || verdict === null || effect.status === 1 ? null : { effect, verdict }
}

/** Who reclassifies, under which id, and when. */
export type Reclassifier = {
  readonly job: string
  readonly actor: string
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

type FailureOfDelivery = { readonly ledger: LedgerState; readonly delivery: DeliveryRow; readonly failure: StoredFailure }

/** The fact that replaces a failure by another verdict about the same reply. Null: the verdict means the same. */
export function decideReclassification(
  { ledger, delivery, failure }: FailureOfDelivery,
  verdict: Verdict,
  by: Reclassifier,
): FactOf<'reclassified'> | null {
  const effect = { ...effectOfReply(failure.reply, verdict, by.settings), forwarded: failure.effect.forwarded }
  if (isSameMeaning(failure, verdict) || isSameEffect(failure.effect, effect)) return null
  const history = delivery.addressHash === null ? [] : addressHistoryOf(ledger, delivery.account, delivery.addressHash)
  const engaged = isPermanentUnknownUser(effect) && isEngaged(history, failure.fact.at)
  return createReplacement(delivery, failure, { effect: { ...effect, engaged }, verdict: summariseVerdict(verdict) }, by)
}

/**
 * The fact that takes back what one reclassification replaced: the verdict before it is in force again. Null: the failure in force is
 * not of that reclassification, or a later one replaced it. `facts`: all facts of the delivery.
 */
export function decideUndo(
  { delivery, failure, facts }: Omit<FailureOfDelivery, 'ledger'> & { readonly facts: readonly Fact[] },
  undoneJob: string,
  by: Reclassifier,
): FactOf<'reclassified'> | null {
  const { fact } = failure
  if (fact.kind !== 'reclassified' || fact.data.job !== undoneJob) return null
  const replaced = facts.find(({ id }) => id === fact.data.supersedes)
  const before = replaced === undefined ? null : outcomeOf(replaced)
  return before === null ? null : createReplacement(delivery, failure, before, by)
}

function effectOfReply(reply: ReplyFact, verdict: Verdict, { statusPolicy: policy }: AccountSettings): StatusEffect {
  if (reply.kind === 'gave-up') return expiredEffectOf(verdict.reason, policy)
  const isAsynchronous = reply.kind === 'failed'
  const code = reply.kind === 'attempt' ? reply.data.code : verdict.evidence.code
  return effectOf({ verdict, asynchronous: isAsynchronous, policy, code, forwarded: false, engaged: false })
}

function isSameMeaning({ verdict: old, effect }: StoredFailure, verdict: Verdict): boolean {
  return old.reason === verdict.reason && old.permanence === verdict.permanence && effect.weak === verdict.weak
}

/** `engaged` is not compared: it is a figure of the mass-bounce guard. */
function isSameEffect(a: StatusEffect, b: StatusEffect): boolean {
  return a.status === b.status && a.subStatus === b.subStatus && a.reason === b.reason && a.permanence === b.permanence && a.weak === b.weak
}

function createReplacement(
  delivery: DeliveryRow,
  { fact, reply }: StoredFailure,
  outcome: { readonly effect: StatusEffect; readonly verdict: VerdictSummary },
  { job, actor, settings, moment }: Reclassifier,
): FactOf<'reclassified'> {
  const data: ReclassifiedData = {
    supersedes: fact.id,
    job,
    table: outcome.verdict.table,
    ...outcome,
    text: reply.data.text ?? '',
    site: reply.kind === 'gave-up' ? delivery.site : reply.data.site,
    remoteSite: reply.kind === 'failed' ? reply.data.remoteSite : null,
    reportedDomain: reply.kind === 'failed' ? reply.data.reportedDomain : null,
    actor,
    settingsVersion: settings.version,
  }
  return createFact('reclassified', aboutDelivery(delivery), { ...moment, at: fact.at }, data)
}
