/**
 * transition-facts - a transition of the queue as facts, one for each who is told
 *
 * A shared key (an IP at a site, a sender's domain, a network) is the operator's fact, with all its evidence, and one of each account
 * behind it, with the answers that its own mail got. A key of one account is that account's alone. A transition that asks for a human
 * is an alarm beside.
 *
 * Pure. See also: queue/observe/affected-accounts (who is told), ledger/facts/queue-facts (the shape), webhook/payload (the event).
 */
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { makeFact, type Moment, ofQueueKey } from '../../ledger/facts/new-fact.ts'
import type { QueueData, QueueMove, QueueReply } from '../../ledger/facts/queue-facts.ts'
import { type Behind, ownerOf, type Told } from './affected-accounts.ts'
import { KEYS } from '../backoff/backoff-key.ts'
import type { EvidenceReply, Transition } from '../message.ts'
import { reasonOf } from './lane-view.ts'

const MOVES = {
  'queue.throttled': 'throttled',
  'queue.paused': 'paused',
  'queue.probing': 'probing',
  'queue.recovering': 'recovering',
  'queue.recovered': 'recovered',
} as const satisfies Record<Transition['kind'], QueueMove>

/** More names would be read by nobody. */
const MOST_DOMAINS = 20

/** What stands before an `@` is somebody's name: evidence does without. */
export const withoutNames = (text: string): string => text.replaceAll(/[^\s<>"'(),;:=]{1,256}@/g, '*@')

/** The account of a mail; null for what is no deliveryId. */
const accountOf = (mailId: string): number | null => parseDeliveryId(mailId)?.account ?? null

/** Evidence as an account may read it: what another's mail was answered has no words. Account 0 reads all. */
export function evidenceFor(account: number, evidence: readonly EvidenceReply[]): QueueReply[] {
  return evidence.map(({ at, code, text, mailId }) => ({
    at,
    code,
    text: account === 0 || accountOf(mailId) === account ? withoutNames(text) : null,
  }))
}

/** The facts of one transition, or of a manual pause that began or ended. `behind` as queue/observe/affected-accounts gives it. */
export function decideTransition(event: Told, behind: readonly Behind[], moment: Moment): FactOf<'queue' | 'alarm'>[] {
  const told = event.kind === 'queue.manual' ? manualOf(event) : movedOf(event)
  const everybody = { account: 0, domains: [], waiting: behind.reduce((sum, { waiting }) => sum + waiting, 0) }
  const readers = ownerOf(told.key) === null ? [everybody, ...behind] : behind
  const evidence = event.kind === 'queue.manual' ? [] : event.evidence
  const isAlarm = event.kind !== 'queue.manual' && event.alarm
  return readers.flatMap(({ account, domains, waiting }) => {
    const data: QueueData = { ...told, domains: domains.slice(0, MOST_DOMAINS), waiting, evidence: evidenceFor(account, evidence) }
    const about = ofQueueKey(account, told.key)
    const at = { ...moment, at: event.at }
    return [makeFact('queue', about, at, data), ...(isAlarm ? [makeFact('alarm', about, at, alarmOf(data, event.at))] : [])]
  })
}

type Moved = Omit<QueueData, 'domains' | 'waiting' | 'evidence'>

function movedOf({ kind, at, key, class: name, n, from, to, nextSendingAt: next, by }: Transition): Moved {
  // A moment that has come is none to wait for.
  const nextSendingAt = next === null || next <= at ? null : next
  return { move: MOVES[kind], key, reason: reasonOf(key) ?? '', class: name, n, from, to, nextSendingAt, by }
}

function manualOf({ account, domain, until, ended }: Extract<Told, { readonly kind: 'queue.manual' }>): Moved {
  const key = domain === null ? KEYS.manualAll({ account }) : KEYS.manual({ account, domain })
  const move = ended ? 'manual-ended' : 'manual-paused'
  const [from, to] = ended ? ['manual', 'open'] : [null, 'manual']
  return { move, key, reason: reasonOf(key) ?? '', class: null, n: 0, from, to, nextSendingAt: until, by: 'operator' }
}

function alarmOf({ key, reason, class: name, n }: QueueData, at: number): FactOf<'alarm'>['data'] {
  const text = `${reason}: ${key} was paused for ${name ?? 'a reason that has no class'}, and this does not heal by waiting. Somebody should look.`
  return { alarm: 'queue', text, detail: { key, class: name, n, at } }
}
