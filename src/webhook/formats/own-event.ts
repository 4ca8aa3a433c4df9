/**
 * own-event - the format `bounced`: events in the words of our own API
 *
 * Names are those of `/v1`, times are ISO 8601, and what an event does not have is absent or null. `id` is the same on every retry and at
 * every endpoint.
 *
 * Pure. See also: webhook/outcome, docs/WEBHOOKS.md.
 */
import { parseJsonObject } from '../../mail/mime/json-reader.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { toJsonPayload, type EventMessage, type FormattedPayload } from '../event-message.ts'
import { readOutcome, replyLineOf } from '../outcome.ts'
import { userHeadersOf } from '../payload.ts'

/** Writes one event. Total. */
export function formatOwnEvent(message: EventMessage): FormattedPayload {
  const { event, fact, delivery } = message
  return toJsonPayload({
    id: fact.id,
    event,
    at: toIso(fact.at),
    receivedAt: toIso(fact.receivedAt),
    message: delivery === null ? null : messageFields(delivery),
    ...partsOf(message),
  })
}

const toIso = (at: number): string => new Date(at).toISOString()
const toIsoOrNull = (at: number | null): string | null => (at === null ? null : toIso(at))

function messageFields(row: DeliveryRow): object {
  const { messageId, emailId, recipient, from, subject, apiUser, label, broadcast, messageIdHeader, requestedAt } = row
  return {
    messageId,
    emailId,
    recipient,
    from,
    subject,
    apiUser,
    label,
    broadcast,
    messageIdHeader,
    requestedAt: toIso(requestedAt),
    userHeaders: userHeadersOf(row),
  }
}

type Part = Readonly<Record<string, unknown>>

/** What the event is about, besides the message. */
function partsOf({ fact, delivery, fields }: EventMessage): Part {
  if (fact.kind === 'complaint') return { complaint: complaintFields(fact.data) }
  if (fact.kind === 'open' || fact.kind === 'click') return { engagement: engagementFields(fact.data) }
  if (fact.kind === 'unsubscribe') return { unsubscribe: unsubscribeFields(fact.data) }
  if (fact.kind === 'filed') return { autoReply: { from: fact.data.from, subject: fact.data.subject, text: fact.data.text } }
  if (fact.kind === 'route') return { mail: mailFields(fields) }
  if (fact.kind === 'alarm') return { alarm: { alarm: fact.data.alarm, text: fact.data.text } }
  if (fact.kind === 'alert') return { alert: fact.data }
  if (fact.kind === 'queue') return { queue: queueFields(fact.data) }
  return outcomePart(fact, delivery)
}

function outcomePart(fact: Fact, delivery: DeliveryRow | null): Part {
  const outcome = readOutcome(fact, delivery)
  if (outcome === null) return {}
  return { outcome: { ...outcome, text: replyLineOf(outcome), retryUntil: toIsoOrNull(outcome.retryUntil) } }
}

type DataOf<Kind extends Fact['kind']> = Extract<Fact, { readonly kind: Kind }>['data']

const complaintFields = ({ feedbackType, reporter, listed, arrivalAt, tie }: DataOf<'complaint'>): object => ({
  feedbackType,
  reporter,
  listed,
  arrivedAt: toIsoOrNull(arrivalAt),
  proof: tie.proof,
})

function engagementFields(data: DataOf<'open' | 'click'>): object {
  const { requestId: _id, settingsVersion: _version, ...rest } = data
  return rest
}

function unsubscribeFields({ how, scope, ip, device, browser, browserVersion, system, systemVersion }: DataOf<'unsubscribe'>): object {
  return { how, scope, ip, device, browser, browserVersion, system, systemVersion }
}

const queueFields = ({ nextSendingAt, evidence, ...rest }: DataOf<'queue'>): object => ({
  ...rest,
  nextSendingAt: toIsoOrNull(nextSendingAt),
  evidence: evidence.map(({ at, ...reply }) => ({ at: toIso(at), ...reply })),
})

/** Our names of what a mail says, from SendCloud's. */
const MAIL_NAMES: Readonly<Record<string, string>> = {
  from: 'from',
  fromname: 'fromName',
  to: 'to',
  toname: 'toName',
  subject: 'subject',
  text: 'text',
  html: 'html',
  x_mx_mailfrom: 'mailFrom',
  x_mx_rcptto: 'rcptTo',
  raw_message: 'raw',
  raw_message_url: 'rawUrl',
  reference: 'references',
  truncated: 'truncated',
}

function mailFields(fields: EventMessage['fields']): object {
  const named = Object.entries(MAIL_NAMES).map(([name, ours]) => [ours, fields[name] ?? null])
  const headers = typeof fields['headers'] === 'string' ? parseJsonObject(fields['headers']) : null
  return { ...Object.fromEntries(named), headers: headers ?? {} }
}
