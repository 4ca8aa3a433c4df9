/**
 * payload - which facts are events to an endpoint, and the body of each in the vendor's words
 *
 * The one table between the vendor's events and our kinds of facts is EVENTS. Beside the vendor's fields stand ours: `eventId`, `eventTime`
 * (when it happened; `timestamp` is when it was sent), `reason`, `fault`, `permanence`, `billable`.
 *
 * Pure. See also: webhook/payload-format (its dresses), webhook/signature, webhook/user-agent, service/notify/notifier, docs/WEBHOOKS.md.
 */
import type { AlertData } from '../ledger/facts/alert-facts.ts'
import type { Effect, EngagementData, Fact, FactKind, VerdictSummary } from '../ledger/facts/fact.ts'
import type { QueueData, QueueMove, QueueReply } from '../ledger/facts/queue-facts.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'
import { subStatusWords } from './sub-status-names.ts'
import { readUserAgent } from './user-agent.ts'

type EventRow = {
  /** The vendor's number; null: an event of our own. */
  readonly code: number | null
  readonly kinds: readonly FactKind[]
  /** Where a kind has an effect: the status that makes it this event. */
  readonly status?: number
  /** Of a kind with moves: the one that is this event. */
  readonly move?: QueueMove
  /** Of an alert: the state that is this event. */
  readonly state?: AlertData['state']
  readonly message: string
}

const OUTCOMES = ['attempt', 'failed', 'gave-up', 'delivered', 'reclassified'] as const

export const EVENTS = {
  request: { code: 18, kinds: ['request'], message: 'the request was taken' },
  deliver: { code: 1, kinds: OUTCOMES, status: 1, message: 'delivered' },
  invalid: { code: 4, kinds: OUTCOMES, status: 4, message: 'invalid email' },
  soft_bounce: { code: 5, kinds: OUTCOMES, status: 5, message: 'soft bounce' },
  report_spam: { code: 3, kinds: ['complaint'], message: 'reported as spam' },
  click: { code: 10, kinds: ['click'], message: 'clicked' },
  open: { code: 11, kinds: ['open'], message: 'opened' },
  unsubscribe: { code: 12, kinds: ['unsubscribe'], message: 'unsubscribed' },
  route: { code: null, kinds: ['route'], message: 'mx route' },
  alarm: { code: null, kinds: ['alarm'], message: 'an alarm' },
  'alert.raised': { code: null, kinds: ['alert'], state: 'raised', message: 'an alert is raised' },
  'alert.cleared': { code: null, kinds: ['alert'], state: 'cleared', message: 'an alert is over' },
  'queue.throttled': { code: null, kinds: ['queue'], move: 'throttled', message: 'sending is slowed down' },
  'queue.paused': { code: null, kinds: ['queue'], move: 'paused', message: 'sending is paused' },
  'queue.probing': { code: null, kinds: ['queue'], move: 'probing', message: 'a few mails try whether the pause is over' },
  'queue.recovering': { code: null, kinds: ['queue'], move: 'recovering', message: 'sending goes on, step by step' },
  'queue.recovered': { code: null, kinds: ['queue'], move: 'recovered', message: 'sending goes on' },
  'queue.manual_paused': { code: null, kinds: ['queue'], move: 'manual-paused', message: 'somebody has paused sending' },
  'queue.manual_ended': { code: null, kinds: ['queue'], move: 'manual-ended', message: 'the pause by hand is over' },
} as const satisfies Record<string, EventRow>

export type EventName = keyof typeof EVENTS

/** Every event, in the order of the table. */
export const EVENT_NAMES: readonly EventName[] = eventNames()

function eventNames(): readonly EventName[] {
  // The checked door: the keys of the literal above.
  return Object.keys(EVENTS) as EventName[]
}

/** An event by its name or the vendor's number; null for neither. */
export function readEvent(text: string): EventName | null {
  return EVENT_NAMES.find((name) => name === text || String(EVENTS[name].code ?? name) === text) ?? null
}

const effectOf = ({ data }: Fact): Effect | null => ('effect' in data ? data.effect : null)

/** The event that a fact is; null for what no endpoint hears of. */
export function eventOf(fact: Fact): EventName | null {
  const status = effectOf(fact)?.status ?? null
  const move = fact.kind === 'queue' ? fact.data.move : null
  const state = fact.kind === 'alert' ? fact.data.state : null
  const isSame = (wanted: unknown, found: unknown): boolean => wanted === undefined || wanted === found
  const fits = (row: EventRow): boolean =>
    row.kinds.includes(fact.kind) && isSame(row.status, status) && isSame(row.move, move) && isSame(row.state, state)
  return EVENT_NAMES.find((name) => fits(EVENTS[name])) ?? null
}

/** Whether an endpoint that asked for some API users alone is to hear of a delivery; of what is about none, every endpoint hears. */
export function isOfItsUsers(endpoint: { readonly apiUsers: readonly string[] }, delivery: Pick<DeliveryRow, 'apiUser'> | null): boolean {
  return delivery === null || endpoint.apiUsers.length === 0 || endpoint.apiUsers.includes(delivery.apiUser)
}

type Field = string | number | boolean | null | readonly string[] | readonly QueueReply[] | Readonly<Record<string, string>>
export type WebhookBody = Readonly<Record<string, Field>>

/** What a sending adds: when it is, and the vendor's proof. */
export type Stamp = { readonly timestamp: number; readonly token: string; readonly signature: string }

/** The body of one event. `delivery` is null where the fact is about none. Total. */
export function bodyOf(event: EventName, fact: Fact, delivery: DeliveryRow | null, stamp: Stamp): WebhookBody {
  return {
    event,
    message: EVENTS[event].message,
    ...commonOf(delivery),
    ...detailOf(event, fact, delivery),
    ...proofOf(fact),
    eventId: fact.id,
    eventTime: fact.at,
    ...stamp,
  }
}

function commonOf(delivery: DeliveryRow | null): WebhookBody {
  const { apiUser = '', labelId, label, broadcast, headers = {} } = delivery ?? {}
  const task = broadcast ?? ''
  return {
    apiUser,
    category: apiUser,
    labelId: labelId ?? 0,
    labelName: label ?? '',
    maillistTaskId: task,
    mail_list_task_id: task,
    userHeaders: Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase().startsWith('sc-custom-'))),
  }
}

function detailOf(event: EventName, fact: Fact, delivery: DeliveryRow | null): WebhookBody {
  if (fact.kind === 'alarm') return { alarm: fact.data.alarm, message: fact.data.text }
  if (fact.kind === 'queue') return queueOf(fact.data)
  if (fact.kind === 'alert') return alertOf(fact.data)
  const emailId = delivery?.emailId ?? ''
  const recipient = delivery?.recipient ?? ''
  if (event === 'request')
    return { messageId: delivery?.messageId ?? '', recipientArray: [recipient], emailIds: [emailId], recipientSize: 1 }
  const who = { emailId, recipient }
  if (event === 'deliver') return { ...who, outIp: outIpOf(fact, delivery) }
  if (event === 'invalid' || event === 'soft_bounce') return { ...who, outIp: outIpOf(fact, delivery), ...bounceOf(event, fact) }
  return { ...who, ...engagementOf(fact) }
}

/** Of a transition: what moved, why, until when, and the answers that said so. */
function queueOf({ key, class: name, n, from, to, reason, nextSendingAt, domains, waiting, evidence, by }: QueueData): WebhookBody {
  return { key, class: name, n, from, to, reason, nextSendingAt, domains, waiting, evidence, by }
}

/** Of an alert: the figure, and the thresholds that it passed. */
function alertOf({ alert, about, state, value, volume, raise, clear, minimum, text }: AlertData): WebhookBody {
  return { alert, about, state, value, volume, raise, clear, minimum, message: text }
}

function outIpOf(fact: Fact, delivery: DeliveryRow | null): string {
  return (fact.kind === 'attempt' ? fact.data.egressIp : null) ?? delivery?.egressIp ?? ''
}

const verdictOf = ({ data }: Fact): VerdictSummary | null => ('verdict' in data ? data.verdict : null)

function bounceOf(event: EventName, fact: Fact): WebhookBody {
  const effect = effectOf(fact)
  const said = 'text' in fact.data && fact.data.text !== '' ? fact.data.text : (verdictOf(fact)?.text ?? '')
  const cause = effect?.reason ?? ''
  return {
    subStat: effect?.subStatus ?? 0,
    subStatDesc: subStatusWords(effect?.subStatus ?? null),
    asynchronousBounce: effect?.asynchronous ?? false,
    ...(event === 'soft_bounce' ? { cause: said === '' ? cause : said } : {}),
    message: said === '' ? cause : said,
  }
}

function engagementOf(fact: Fact): WebhookBody {
  if (fact.kind !== 'open' && fact.kind !== 'click' && fact.kind !== 'unsubscribe') return {}
  const { ip, userAgent }: Pick<EngagementData, 'ip' | 'userAgent'> = fact.data
  return { ...(fact.kind === 'click' ? { url: fact.data.url ?? '' } : {}), ip: ip ?? '', ...readUserAgent(userAgent ?? '') }
}

/** Our own words beside the vendor's. */
function proofOf(fact: Fact): WebhookBody {
  const effect = effectOf(fact)
  if (effect === null) return {}
  const { reason, fault, permanence } = effect
  return { reason, fault, permanence, billable: fact.kind === 'failed' ? fact.data.billable : true }
}
