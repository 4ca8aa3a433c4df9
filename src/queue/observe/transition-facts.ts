/**
 * transition-facts - a transition of the queue as facts, one for each who is told
 *
 * A shared key (an IP at a site, a sender's domain, a network) is the operator's fact, with all its evidence, and one of each account
 * behind it, with the answers that its own mail got. A key of one account is that account's alone. A transition that asks for a human
 * is an alarm beside.
 *
 * Pure. See also: queue/observe/affected-accounts (who is told), ledger/facts/queue-facts (the shape), webhook/payload (the event).
 */
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { createFact, type FactMoment, aboutBackoffKey } from '../../ledger/facts/new-fact.ts'
import type { QueueData, BackoffMove, QueueReply } from '../../ledger/facts/queue-facts.ts'
import { type AffectedAccount, keyOwnerOf, type QueueNotification } from './affected-accounts.ts'
import { BACKOFF_KEYS } from '../backoff/backoff-key.ts'
import type { EvidenceReply, BackoffTransition } from '../message.ts'
import { keyReasonOf } from './lane-view.ts'

const MOVE_OF_TRANSITION = {
  'queue.throttled': 'throttled',
  'queue.paused': 'paused',
  'queue.probing': 'probing',
  'queue.recovering': 'recovering',
  'queue.recovered': 'recovered',
} as const satisfies Record<BackoffTransition['kind'], BackoffMove>

/** More names would be read by nobody. */
const MAX_DOMAINS = 20

/** The account of a mail; null for what is no deliveryId. */
const accountOf = (mailId: string): number | null => parseDeliveryId(mailId)?.account ?? null

/** Evidence as an account may read it: what another's mail was answered has no words. Account 0 reads all. */
export function evidenceFor(account: number, evidence: readonly EvidenceReply[]): QueueReply[] {
  return evidence.map(({ at, code, text, mailId }) => ({
    at,
    code,
    text: account === 0 || accountOf(mailId) === account ? redactLocalParts(text) : null,
  }))
}

/** The facts of one transition, or of a manual pause that began or ended. `behind` as queue/observe/affected-accounts gives it. */
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

type TransitionData = Omit<QueueData, 'domains' | 'waiting' | 'evidence'>

function transitionDataOf({ kind, at, key, class: name, n, from, to, nextSendingAt: next, by }: BackoffTransition): TransitionData {
  // A moment that has come is none to wait for.
  const nextSendingAt = next === null || next <= at ? null : next
  return { move: MOVE_OF_TRANSITION[kind], key, reason: keyReasonOf(key) ?? '', class: name, n, from, to, nextSendingAt, by }
}

function manualPauseDataOf({
  account,
  domain,
  until,
  ended,
}: Extract<QueueNotification, { readonly kind: 'queue.manual' }>): TransitionData {
  const key = domain === null ? BACKOFF_KEYS.manualAll({ account }) : BACKOFF_KEYS.manual({ account, domain })
  const move = ended ? 'manual-ended' : 'manual-paused'
  const [from, to] = ended ? ['manual', 'open'] : [null, 'manual']
  return { move, key, reason: keyReasonOf(key) ?? '', class: null, n: 0, from, to, nextSendingAt: until, by: 'operator' }
}

function alarmDataOf({ key, reason, class: name, n }: QueueData, at: number): FactOf<'alarm'>['data'] {
  const text = `${reason}: ${key} was paused for ${name ?? 'a reason that has no class'}, and this does not heal by waiting. Somebody should look.`
  return { alarm: 'queue', text, detail: { key, class: name, n, at } }
}
