/**
 * postmark-event - the format `postmark`: one object for each event, whose RecordType says what it is
 *
 * MessageID is our emailId, because at Postmark each recipient has a message of its own. Postmark does not sign: its consumers check a name
 * and a password of the URL, which we do not store. Verify the headers of Standard Webhooks instead.
 *
 * Pure. Source: Postmark's pages on webhooks and its list of bounce types. See also: docs/WEBHOOKS.md.
 */
import { hash } from 'node:crypto'
import { toJsonPayload, type EventMessage, type FormattedPayload } from '../event-message.ts'
import { readOutcome, replyLineOf, type Outcome } from '../outcome.ts'
import { userHeadersOf, type WebhookEventName } from '../payload.ts'
import { bounceWordsOf, isHardBounce, POSTMARK_BOUNCES, type PostmarkBounceType } from './bounce-words.ts'

type Part = Readonly<Record<string, unknown>>
type PartOf = (message: EventMessage) => Part

/** Our events, and what Postmark writes for each. */
const POSTMARK_EVENTS: Partial<Record<WebhookEventName, PartOf>> = {
  deliver: deliveryPart,
  invalid: failurePart,
  soft_bounce: failurePart,
  deferred: deferralPart,
  auto_reply: autoReplyPart,
  report_spam: (message) => ({ ...bouncePart(message, 'SpamComplaint', feedbackTypeOf(message)), RecordType: 'SpamComplaint' }),
  open: engagementPart,
  click: engagementPart,
  unsubscribe: subscriptionPart,
}

export const hasPostmarkWord = (event: WebhookEventName): boolean => POSTMARK_EVENTS[event] !== undefined

const toIso = (at: number): string => new Date(at).toISOString()

/** Writes one event; null: Postmark has no word for it. */
export function formatPostmarkEvent(message: EventMessage): FormattedPayload | null {
  const { event, fact, delivery } = message
  const partOf = POSTMARK_EVENTS[event]
  if (partOf === undefined || delivery === null) return null
  const { emailId, messageId, label, emailType } = delivery
  return toJsonPayload({
    MessageStream: emailType === 'trigger' ? 'outbound' : 'broadcast',
    MessageID: emailId ?? '',
    ServerID: fact.account,
    Tag: label ?? '',
    Metadata: { ...userHeadersOf(delivery), messageId: messageId ?? '' },
    ...partOf(message),
  })
}

/** A number that JavaScript holds exactly, the same on every retry. */
const idOf = (factId: string): number => Number.parseInt(hash('sha256', factId).slice(0, 13), 16)

function bounceTypeOf(outcome: Outcome): PostmarkBounceType {
  const { postmark } = bounceWordsOf(outcome)
  return isHardBounce(outcome) && postmark !== 'BadEmailAddress' ? 'HardBounce' : postmark
}

/** `Inactive`: whether no more mail is sent to the address. */
const INACTIVE_TYPES: ReadonlySet<PostmarkBounceType> = new Set(['HardBounce', 'BadEmailAddress', 'SpamComplaint'])

function bouncePart({ fact, delivery }: EventMessage, type: PostmarkBounceType, details: string): Part {
  const [code, name, description] = POSTMARK_BOUNCES[type]
  return {
    RecordType: 'Bounce',
    ID: idOf(fact.id),
    Type: type,
    TypeCode: code,
    Name: name,
    Description: description,
    Details: details,
    Email: delivery?.recipient ?? '',
    From: delivery?.from ?? '',
    BouncedAt: toIso(fact.at),
    DumpAvailable: false,
    Inactive: INACTIVE_TYPES.has(type),
    CanActivate: type === 'HardBounce',
    Subject: delivery?.subject ?? '',
    Content: '',
  }
}

function failurePart(message: EventMessage): Part {
  const outcome = readOutcome(message.fact, message.delivery)
  return outcome === null ? {} : bouncePart(message, bounceTypeOf(outcome), replyLineOf(outcome) || (outcome.reason ?? ''))
}

function deferralPart(message: EventMessage): Part {
  const outcome = readOutcome(message.fact, message.delivery)
  return bouncePart(message, 'Transient', outcome === null ? '' : replyLineOf(outcome))
}

function autoReplyPart(message: EventMessage): Part {
  const { fact } = message
  return bouncePart(message, 'AutoResponder', fact.kind === 'filed' ? (fact.data.subject ?? '') : '')
}

const feedbackTypeOf = ({ fact }: EventMessage): string => (fact.kind === 'complaint' ? fact.data.feedbackType : '')

function deliveryPart({ fact, delivery }: EventMessage): Part {
  const outcome = readOutcome(fact, delivery)
  return {
    RecordType: 'Delivery',
    Recipient: delivery?.recipient ?? '',
    DeliveredAt: toIso(fact.at),
    Details: outcome === null ? '' : replyLineOf(outcome),
  }
}

function engagementPart({ fact, delivery }: EventMessage): Part {
  if (fact.kind !== 'open' && fact.kind !== 'click') return {}
  const { browser, system, device, userAgent, country, region, city, ip, url, first } = fact.data
  const own =
    fact.kind === 'click'
      ? { RecordType: 'Click', ClickLocation: 'HTML', OriginalLink: url ?? '' }
      : { RecordType: 'Open', FirstOpen: first, ReadSeconds: 0 }
  return {
    ...own,
    Recipient: delivery?.recipient ?? '',
    ReceivedAt: toIso(fact.at),
    Client: { Name: browser ?? '', Company: '', Family: browser ?? '' },
    OS: { Name: system ?? '', Company: '', Family: system ?? '' },
    Platform: PLATFORMS[device ?? ''] ?? 'Unknown',
    UserAgent: userAgent ?? '',
    Geo: {
      CountryISOCode: country ?? '',
      Country: '',
      RegionISOCode: '',
      Region: region ?? '',
      City: city ?? '',
      Zip: '',
      Coords: '',
      IP: ip ?? '',
    },
  }
}

const PLATFORMS: Readonly<Record<string, string>> = { desktop: 'Desktop', mobile: 'Mobile', tablet: 'Mobile' }

function subscriptionPart({ fact, delivery }: EventMessage): Part {
  return {
    RecordType: 'SubscriptionChange',
    ChangedAt: toIso(fact.at),
    Recipient: delivery?.recipient ?? '',
    Origin: 'Recipient',
    SuppressSending: true,
    SuppressionReason: 'ManualSuppression',
  }
}
