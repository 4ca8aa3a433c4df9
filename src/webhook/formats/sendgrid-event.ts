/**
 * sendgrid-event - the format `sendgrid`: an array with one event, as SendGrid's event webhook sends it
 *
 * User headers stand at the top level, as unique arguments do, and never replace a field of the event. Signed as SendGrid signs
 * (webhook/ecdsa-signature).
 *
 * Source: SendGrid's event webhook reference. See also: docs/WEBHOOKS.md.
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { ecdsaHeaders } from '../ecdsa-signature.ts'
import type { EventMessage, FormattedPayload } from '../event-message.ts'
import { readOutcome, replyLineOf, statusOrClassOf, type Outcome } from '../outcome.ts'
import { userHeadersOf, type WebhookEventName } from '../payload.ts'
import { bounceWordsOf, isHardBounce } from './bounce-words.ts'

type Part = Readonly<Record<string, unknown>>
type PartOf = (message: EventMessage) => Part

/** Our events, and what SendGrid writes for each. */
const SENDGRID_EVENTS: Partial<Record<WebhookEventName, PartOf>> = {
  request: () => ({ event: 'processed' }),
  deliver: (message) =>
    withOutcome(message, ({ egressIp, ...outcome }) => ({ event: 'delivered', response: replyLineOf(outcome), ...ipPart(egressIp) })),
  invalid: (message) => withOutcome(message, bouncePart),
  soft_bounce: (message) => withOutcome(message, bouncePart),
  deferred: (message) => withOutcome(message, deferralPart),
  report_spam: () => ({ event: 'spamreport' }),
  open: (message) => ({ event: 'open', ...engagementPart(message) }),
  click: (message) => ({ event: 'click', ...engagementPart(message) }),
  unsubscribe: () => ({ event: 'unsubscribe' }),
}

export const hasSendgridWord = (event: WebhookEventName): boolean => SENDGRID_EVENTS[event] !== undefined

/** Writes one event; null: SendGrid has no word for it. */
export function formatSendgridEvent(message: EventMessage): FormattedPayload | null {
  const { event, fact, delivery, sentAt, secret } = message
  const partOf = SENDGRID_EVENTS[event]
  if (partOf === undefined || delivery === null) return null
  const common = {
    email: delivery.recipient ?? '',
    timestamp: Math.floor(fact.at / 1_000),
    'smtp-id': delivery.messageIdHeader ?? '',
    category: delivery.label === null ? [] : [delivery.label],
    sg_event_id: fact.id,
    sg_message_id: messageIdOf(delivery),
    email_id: delivery.emailId ?? '',
  }
  const body = JSON.stringify([{ ...userHeadersOf(delivery), ...common, ...partOf(message) }])
  return { contentType: 'application/json', body, headers: ecdsaHeaders(secret, sentAt, body) }
}

/** What stands before the first point is the id that sending returned. */
function messageIdOf({ messageId, emailId }: DeliveryRow): string {
  const index = (emailId ?? '').slice((messageId ?? '').length).split('$')[0] ?? ''
  return `${messageId ?? ''}.recvd-${index || 0}`
}

function withOutcome(message: EventMessage, part: (outcome: Outcome) => Part): Part {
  const outcome = readOutcome(message.fact, message.delivery)
  return outcome === null ? {} : part(outcome)
}

const ipPart = (ip: string | null): Part => (ip === null ? {} : { ip })

/** What SendGrid calls the lists and the addresses that nothing is sent to. */
const DROP_REASONS: Readonly<Record<string, string>> = {
  blacklisted: 'Bounced Address',
  unsubscribed: 'Unsubscribed Address',
}

/** `dropped`: nothing was sent. `blocked`: the address is not at fault. */
function bouncePart(outcome: Outcome): Part {
  const { reason, fault, egressIp } = outcome
  if (fault === 'list')
    return { event: 'dropped', reason: DROP_REASONS[reason ?? ''] ?? 'Bounced Address', status: statusOrClassOf(outcome) }
  return {
    event: 'bounce',
    type: isHardBounce(outcome) ? 'bounce' : 'blocked',
    reason: replyLineOf(outcome) || (reason ?? ''),
    status: statusOrClassOf(outcome),
    bounce_classification: bounceWordsOf(outcome).sendgrid,
    ...ipPart(egressIp),
  }
}

const deferralPart = (outcome: Outcome): Part => ({
  event: 'deferred',
  response: replyLineOf(outcome) || (outcome.reason ?? ''),
  attempt: String(outcome.attempt ?? 1),
  ...ipPart(outcome.egressIp),
})

function engagementPart({ fact }: EventMessage): Part {
  if (fact.kind !== 'open' && fact.kind !== 'click') return {}
  const { ip, userAgent, url, machine } = fact.data
  const own = fact.kind === 'click' ? { url: url ?? '' } : { sg_machine_open: machine !== null }
  return { useragent: userAgent ?? '', ip: ip ?? '', ...own }
}
