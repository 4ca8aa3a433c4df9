/**
 * payload - maps facts to webhook events and builds the body of each, in SendCloud's field names
 *
 * WEBHOOK_EVENTS is the only mapping between SendCloud's events and our fact kinds. The body also contains our own fields: `eventId`, `eventTime`
 * (when the event happened; `timestamp` is when it was sent), `reason`, `fault`, `permanence` and `billable`.
 *
 * Pure. See also: webhook/payload-format, webhook/signature, service/notify/notifier, docs/WEBHOOKS.md.
 */
import type { AlertData } from '../ledger/facts/alert-facts.ts'
import type { StatusEffect, VerdictSummary } from '../ledger/facts/decision.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { FactKind } from '../ledger/facts/fact-kinds.ts'
import type { AlarmData } from '../ledger/facts/operator-facts.ts'
import type { FiledData } from '../ledger/facts/report-facts.ts'
import type { QueueData, BackoffMove, QueueReply } from '../ledger/facts/queue-facts.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'
import { readOutcome, replyLineOf, toIpAddress } from './outcome.ts'
import { subStatusName } from './sub-status-names.ts'

type WebhookEventRow = {
  /** SendCloud's event number; null for an event of our own. */
  readonly code: number | null
  readonly kinds: readonly FactKind[]
  /** For fact kinds with an effect: the status that makes the fact this event. */
  readonly status?: number
  /** For queue facts: the transition that is this event. */
  readonly move?: BackoffMove
  /** For attempts and delays: the mail is tried again. */
  readonly isDeferral?: true
  /** For filed facts: what was filed, about a mail of ours. */
  readonly filed?: FiledData['what']
  /** For alert facts: the state that is this event. */
  readonly state?: AlertData['state']
  readonly message: string
}

const DELIVERY_FACT_KINDS = ['attempt', 'failed', 'gave-up', 'delivered', 'reclassified'] as const

export const WEBHOOK_EVENTS = {
  request: { code: 18, kinds: ['request'], message: 'the request was accepted' },
  deliver: { code: 1, kinds: DELIVERY_FACT_KINDS, status: 1, message: 'delivered' },
  invalid: { code: 4, kinds: DELIVERY_FACT_KINDS, status: 4, message: 'invalid email' },
  soft_bounce: { code: 5, kinds: DELIVERY_FACT_KINDS, status: 5, message: 'soft bounce' },
  deferred: { code: null, kinds: ['attempt', 'delayed'], isDeferral: true, message: 'deferred' },
  auto_reply: { code: null, kinds: ['filed'], filed: 'auto-reply', message: 'answered automatically' },
  report_spam: { code: 3, kinds: ['complaint'], message: 'reported as spam' },
  click: { code: 10, kinds: ['click'], message: 'clicked' },
  open: { code: 11, kinds: ['open'], message: 'opened' },
  unsubscribe: { code: 12, kinds: ['unsubscribe'], message: 'unsubscribed' },
  route: { code: null, kinds: ['route'], message: 'mx route' },
  alarm: { code: null, kinds: ['alarm'], message: 'an alarm was raised' },
  'alert.raised': { code: null, kinds: ['alert'], state: 'raised', message: 'an alert is raised' },
  'alert.cleared': { code: null, kinds: ['alert'], state: 'cleared', message: 'an alert is cleared' },
  'queue.throttled': { code: null, kinds: ['queue'], move: 'throttled', message: 'sending is throttled' },
  'queue.paused': { code: null, kinds: ['queue'], move: 'paused', message: 'sending is paused' },
  'queue.probing': { code: null, kinds: ['queue'], move: 'probing', message: 'a few messages test whether sending can resume' },
  'queue.recovering': { code: null, kinds: ['queue'], move: 'recovering', message: 'sending resumes step by step' },
  'queue.recovered': { code: null, kinds: ['queue'], move: 'recovered', message: 'sending has recovered' },
  'queue.manual_paused': { code: null, kinds: ['queue'], move: 'manual-paused', message: 'sending was paused manually' },
  'queue.manual_ended': { code: null, kinds: ['queue'], move: 'manual-ended', message: 'the manual pause has ended' },
} as const satisfies Record<string, WebhookEventRow>

export type WebhookEventName = keyof typeof WEBHOOK_EVENTS

/** All events, in the order of the table. */
export const WEBHOOK_EVENT_NAMES: readonly WebhookEventName[] = webhookEventNames()

function webhookEventNames(): readonly WebhookEventName[] {
  // Checked cast: the keys of the literal above.
  return Object.keys(WEBHOOK_EVENTS) as WebhookEventName[]
}

/** Reads an event by its name or its SendCloud number; null if it is neither. Total. */
export function parseWebhookEvent(text: string): WebhookEventName | null {
  return WEBHOOK_EVENT_NAMES.find((name) => name === text || String(WEBHOOK_EVENTS[name].code ?? name) === text) ?? null
}

const effectOf = ({ data }: Fact): StatusEffect | null => ('effect' in data ? data.effect : null)

/** A reply or a report that says the mail is tried again. The fate of an attempt that its node forgot is not known. */
function isDeferral(fact: Fact): boolean {
  if (fact.kind === 'delayed') return true
  return fact.kind === 'attempt' && fact.data.effect === null && !fact.data.final && fact.data.error !== 'unknown'
}

/** The event of a fact; null if the fact is not sent to endpoints. Total. */
export function webhookEventOf(fact: Fact): WebhookEventName | null {
  const status = effectOf(fact)?.status ?? null
  const move = fact.kind === 'queue' ? fact.data.move : null
  const state = fact.kind === 'alert' ? fact.data.state : null
  const deferral = isDeferral(fact)
  const filed = fact.kind === 'filed' && fact.data.tie !== null ? fact.data.what : null
  const isSame = (expected: unknown, actual: unknown): boolean => expected === undefined || expected === actual
  const matches = (row: WebhookEventRow): boolean =>
    row.kinds.includes(fact.kind) &&
    isSame(row.status, status) &&
    isSame(row.isDeferral, deferral) &&
    isSame(row.filed, filed) &&
    isSame(row.move, move) &&
    isSame(row.state, state)
  return WEBHOOK_EVENT_NAMES.find((name) => matches(WEBHOOK_EVENTS[name])) ?? null
}

/** Whether the API user filter of an endpoint accepts a delivery. An event without a delivery is accepted by every endpoint. */
export function isSubscribedToApiUser(
  endpoint: { readonly apiUsers: readonly string[] },
  delivery: Pick<DeliveryRow, 'apiUser'> | null,
): boolean {
  return delivery === null || endpoint.apiUsers.length === 0 || endpoint.apiUsers.includes(delivery.apiUser)
}

type PayloadField = string | number | boolean | null | readonly string[] | readonly QueueReply[] | Readonly<Record<string, string>>
export type WebhookPayload = Readonly<Record<string, PayloadField>>

/** What each attempt adds: its time and SendCloud's signature. */
type PayloadSignature = { readonly timestamp: number; readonly token: string; readonly signature: string }

/** Builds the body of one event. `delivery` is null if the fact is not about a delivery. Total. */
export function buildPayload(
  event: WebhookEventName,
  fact: Fact,
  delivery: DeliveryRow | null,
  payloadSignature: PayloadSignature,
): WebhookPayload {
  return {
    event,
    message: WEBHOOK_EVENTS[event].message,
    ...commonFields(delivery),
    ...eventFields(event, fact, delivery),
    ...classificationFields(fact),
    eventId: fact.id,
    eventTime: fact.at,
    ...payloadSignature,
  }
}

function commonFields(delivery: DeliveryRow | null): WebhookPayload {
  const { apiUser = '', labelId, label, broadcast } = delivery ?? {}
  const taskId = broadcast ?? ''
  return {
    apiUser,
    category: apiUser,
    labelId: labelId ?? 0,
    labelName: label ?? '',
    maillistTaskId: taskId,
    mail_list_task_id: taskId,
    userHeaders: userHeadersOf(delivery),
  }
}

/** The headers that the sender marked to come back. */
export const userHeadersOf = (delivery: Pick<DeliveryRow, 'headers'> | null): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(delivery?.headers ?? {}).filter(([name]) => name.toLowerCase().startsWith('sc-custom-')))

function eventFields(event: WebhookEventName, fact: Fact, delivery: DeliveryRow | null): WebhookPayload {
  if (fact.kind === 'alarm') return alarmFields(fact.data, delivery)
  if (fact.kind === 'queue') return queueFields(fact.data)
  if (fact.kind === 'alert') return alertFields(fact.data)
  const emailId = delivery?.emailId ?? ''
  const recipient = delivery?.recipient ?? ''
  if (event === 'request')
    return { messageId: delivery?.messageId ?? '', recipientArray: [recipient], emailIds: [emailId], recipientSize: 1 }
  const recipientFields = { emailId, recipient }
  if (event === 'deliver') return { ...recipientFields, outIp: outIpOf(fact, delivery) }
  if (event === 'deferred') return { ...recipientFields, outIp: outIpOf(fact, delivery), ...deferralFields(fact, delivery) }
  if (fact.kind === 'filed') return { ...recipientFields, from: fact.data.from, subject: fact.data.subject, text: fact.data.text }
  if (event === 'invalid' || event === 'soft_bounce')
    return { ...recipientFields, outIp: outIpOf(fact, delivery), ...bounceFields(event, fact) }
  if (fact.kind === 'complaint') return { ...recipientFields, feedbackType: fact.data.feedbackType, proof: fact.data.tie.proof }
  return { ...recipientFields, ...engagementFields(fact) }
}

/** An alarm about a message names it. */
function alarmFields({ alarm, text }: AlarmData, delivery: DeliveryRow | null): WebhookPayload {
  const { emailId, recipient } = { emailId: delivery?.emailId ?? '', recipient: delivery?.recipient ?? '' }
  return { alarm, message: text, ...(delivery === null ? {} : { emailId, recipient }) }
}

/** The fields of a queue transition: what changed, why, until when, and the replies that caused it. */
function queueFields({
  key,
  class: name,
  n,
  from,
  to,
  reason,
  nextSendingAt,
  domains,
  waiting,
  evidence,
  by,
  source,
}: QueueData): WebhookPayload {
  return {
    key,
    class: name,
    n,
    from,
    to,
    reason,
    nextSendingAt,
    domains,
    waiting,
    evidence,
    by,
    ...(source === undefined ? {} : { source }),
  }
}

/** The fields of an alert: the measured value and the thresholds. */
function alertFields({ alert, about, state, value, volume, raise, clear, minimum, text }: AlertData): WebhookPayload {
  return { alert, about, state, value, volume, raise, clear, minimum, message: text }
}

/** An address or empty: the name of an egress that the operator chose is no address. */
function outIpOf(fact: Fact, delivery: DeliveryRow | null): string {
  return toIpAddress((fact.kind === 'attempt' ? fact.data.egressIp : null) ?? delivery?.egressIp ?? null) ?? ''
}

const verdictOf = ({ data }: Fact): VerdictSummary | null => ('verdict' in data ? data.verdict : null)

function bounceFields(event: WebhookEventName, fact: Fact): WebhookPayload {
  const effect = effectOf(fact)
  const replyText = 'text' in fact.data && fact.data.text !== '' ? fact.data.text : (verdictOf(fact)?.text ?? '')
  const cause = effect?.reason ?? ''
  return {
    subStat: effect?.subStatus ?? 0,
    subStatDesc: subStatusName(effect?.subStatus ?? null),
    asynchronousBounce: effect?.asynchronous ?? false,
    ...(event === 'soft_bounce' ? { cause: replyText === '' ? cause : replyText } : {}),
    message: replyText === '' ? cause : replyText,
  }
}

/** Our own event in the words that SendCloud has for a bounce. */
function deferralFields(fact: Fact, delivery: DeliveryRow | null): WebhookPayload {
  const outcome = readOutcome(fact, delivery)
  if (outcome === null) return {}
  const { reason, asynchronous } = outcome
  const reply = replyLineOf(outcome)
  return { asynchronousBounce: asynchronous, cause: reply === '' ? (reason ?? '') : reply, reason }
}

function engagementFields(fact: Fact): WebhookPayload {
  if (fact.kind !== 'open' && fact.kind !== 'click' && fact.kind !== 'unsubscribe') return {}
  if (fact.kind === 'unsubscribe') return clientFields(fact.data.ip, fact.data)
  const { url, ip, device, browser, browserVersion, system, systemVersion, country, region, city, machine, first } = fact.data
  return {
    ...(fact.kind === 'click' ? { url: url ?? '' } : {}),
    ...clientFields(ip, { browser, browserVersion, system, systemVersion }),
    device,
    country,
    region,
    city,
    machine,
    first,
  }
}

type ClientNames = { readonly [Field in 'browser' | 'browserVersion' | 'system' | 'systemVersion']: string | null }

/** SendCloud's names. */
function clientFields(ip: string | null, { browser, browserVersion, system, systemVersion }: ClientNames): WebhookPayload {
  return {
    ip: ip ?? '',
    explorerName: browser ?? '',
    explorerVer: browserVersion ?? '',
    oSName: system ?? '',
    oSVer: systemVersion ?? '',
  }
}

/** Our own fields, in addition to SendCloud's. */
function classificationFields(fact: Fact): WebhookPayload {
  const effect = effectOf(fact)
  if (effect === null) return {}
  const { reason, fault, permanence } = effect
  return { reason, fault, permanence, billable: fact.kind === 'failed' ? fact.data.billable : true }
}
