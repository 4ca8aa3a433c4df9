/**
 * transition-facts - a transition of a backoff key as facts, one for each account to notify
 *
 * A shared key (an egress IP at a site, a sender domain, a network) gives one fact for the operator, with all evidence, and one for each
 * affected account, with the replies to its own messages. A key of one account gives a fact for that account alone. A transition that needs
 * a person also gives an alarm.
 *
 * Pure. See also: queue/observe/affected-accounts (the accounts), ledger/facts/queue-facts (the data), webhook/payload (the event).
 */
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { createFact, type FactMoment, aboutBackoffKey } from '../../ledger/facts/new-fact.ts'
import type { QueueData, BackoffMove, QueueReply } from '../../ledger/facts/queue-facts.ts'
import { type AffectedAccount, keyOwnerOf, type QueueNotification } from './affected-accounts.ts'
import { formatKey, keyReasonOf } from '../backoff/backoff-key.ts'
import type { EvidenceReply, KeyTransition, KeyTransitionKind } from '../message.ts'

const MOVE_OF_TRANSITION = {
  'queue.throttled': 'throttled',
  'queue.paused': 'paused',
  'queue.probing': 'probing',
  'queue.recovering': 'recovering',
  'queue.recovered': 'recovered',
} as const satisfies Record<KeyTransitionKind, BackoffMove>

/** A fact names at most this many domains. */
const MAX_DOMAINS = 20

/** The account of a message; null for an id that is no deliveryId. */
const accountOf = (mailId: string): number | null => parseDeliveryId(mailId)?.account ?? null

/** Evidence as an account may read it: replies to other accounts' messages have no text. Account 0, the operator, reads all. */
export function evidenceFor(account: number, evidence: readonly EvidenceReply[]): QueueReply[] {
  return evidence.map(({ at, code, text, mailId }) => ({
    at,
    code,
    text: account === 0 || accountOf(mailId) === account ? redactLocalParts(text) : null,
  }))
}

/** The facts of one transition, or of a manual pause that started or ended. */
export function decideTransition(
  event: QueueNotification,
  affected: readonly AffectedAccount[],
  moment: FactMoment,
): FactOf<'queue' | 'alarm'>[] {
  const transition = event.kind === 'queue.manual' ? manualPauseDataOf(event) : transitionDataOf(event)
  const operatorView = { account: 0, domains: [], waiting: affected.reduce((sum, { waiting }) => sum + waiting, 0) }
  const readers = keyOwnerOf(transition.key) === null ? [operatorView, ...affected] : affected
  const evidence = event.kind === 'queue.manual' ? [] : event.evidence
  const isAlarm = event.kind !== 'queue.manual' && event.alarm
  return readers.flatMap(({ account, domains, waiting }) => {
    const data: QueueData = { ...transition, domains: domains.slice(0, MAX_DOMAINS), waiting, evidence: evidenceFor(account, evidence) }
    const subject = aboutBackoffKey(account, transition.key)
    const at = { ...moment, at: event.at }
    return [createFact('queue', subject, at, data), ...(isAlarm ? [createFact('alarm', subject, at, alarmDataOf(data, event.at))] : [])]
  })
}

/** The facts of a transition of a key of another MTA, for the account whose mail it sends. `domains`: those that were reported under the key. */
export function decideAdviceTransition(
  event: KeyTransition,
  { account, domains }: Omit<AffectedAccount, 'waiting'>,
  moment: FactMoment,
): FactOf<'queue' | 'alarm'>[] {
  const evidence = evidenceFor(account, event.evidence)
  const data: QueueData = { ...transitionDataOf(event), domains: domains.slice(-MAX_DOMAINS), waiting: 0, evidence, source: 'mta' }
  const subject = aboutBackoffKey(account, `mta ${event.key}`)
  const at = { ...moment, at: event.at }
  return [createFact('queue', subject, at, data), ...(event.alarm ? [createFact('alarm', subject, at, alarmDataOf(data, event.at))] : [])]
}

type TransitionData = Omit<QueueData, 'domains' | 'waiting' | 'evidence'>

function transitionDataOf({ kind, at, key, class: name, n, from, to, nextSendingAt: next, by }: KeyTransition): TransitionData {
  // A moment that is not in the future is no next sending time.
  const nextSendingAt = next === null || next <= at ? null : next
  return { move: MOVE_OF_TRANSITION[kind], key, reason: keyReasonOf(key) ?? '', class: name, n, from, to, nextSendingAt, by }
}

function manualPauseDataOf({
  account,
  domain,
  label,
  until,
  ended,
}: Extract<QueueNotification, { readonly kind: 'queue.manual' }>): TransitionData {
  const key = formatKey({ kind: 'manual', account, domain, label })
  const move = ended ? 'manual-ended' : 'manual-paused'
  const [from, to] = ended ? ['manual', 'open'] : [null, 'manual']
  return { move, key, reason: keyReasonOf(key) ?? '', class: null, n: 0, from, to, nextSendingAt: until, by: 'operator' }
}

function alarmDataOf({ key, reason, class: name, n }: QueueData, at: number): FactOf<'alarm'>['data'] {
  const text = `${reason}: ${key} was paused for ${name ?? 'a reason that has no class'}. Waiting does not resolve this; somebody must act.`
  return { alarm: 'queue', text, detail: { key, class: name, n, at } }
}
