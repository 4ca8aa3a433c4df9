/**
 * ses-event - the format `ses`: an SNS notification whose message is an event of Amazon SES
 *
 * `Message` holds the event as JSON text, as SNS delivers it. `eventType` is the name of event publishing, `notificationType` that of
 * notifications; both are there where both exist. The signature of SNS can only be made by Amazon, so it is empty; verify the headers of
 * Standard Webhooks instead.
 *
 * Pure. Source: the SES developer guide, "Amazon SNS notification contents" and "Contents of event data". See also: docs/WEBHOOKS.md.
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { EventMessage, FormattedPayload } from '../event-message.ts'
import { readOutcome, replyLineOf, statusOrClassOf, type Outcome } from '../outcome.ts'
import { userHeadersOf, type WebhookEventName } from '../payload.ts'
import { bounceWordsOf, isHardBounce } from './bounce-words.ts'

type Part = Readonly<Record<string, unknown>>
type SesEvent = { readonly type: string; readonly field: string; readonly part: (message: EventMessage) => Part }

const BOUNCE: SesEvent = { type: 'Bounce', field: 'bounce', part: (message) => withOutcome(message, bouncePart) }

/** Our events, and what SES calls each. */
const SES_EVENTS: Partial<Record<WebhookEventName, SesEvent>> = {
  request: { type: 'Send', field: 'send', part: () => ({}) },
  deliver: { type: 'Delivery', field: 'delivery', part: (message) => withOutcome(message, deliveryPart) },
  invalid: BOUNCE,
  soft_bounce: BOUNCE,
  deferred: { type: 'DeliveryDelay', field: 'deliveryDelay', part: (message) => withOutcome(message, delayPart) },
  report_spam: { type: 'Complaint', field: 'complaint', part: complaintPart },
  open: { type: 'Open', field: 'open', part: engagementPart },
  click: { type: 'Click', field: 'click', part: engagementPart },
  unsubscribe: { type: 'Subscription', field: 'subscription', part: subscriptionPart },
}

export const hasSesWord = (event: WebhookEventName): boolean => SES_EVENTS[event] !== undefined

/** The types that are notifications too. */
const NOTIFICATION_TYPES: ReadonlySet<string> = new Set(['Bounce', 'Complaint', 'Delivery'])

/** Names that look like those of SNS, in the form that consumers parse. */
const TOPIC = 'arn:aws:sns:local:0:bounced'

const toIso = (at: number): string => new Date(at).toISOString()

/** Writes one event; null: SES has no word for it. */
export function formatSesEvent(message: EventMessage): FormattedPayload | null {
  const { event, fact, delivery, sentAt } = message
  const row = SES_EVENTS[event]
  if (row === undefined || delivery === null) return null
  const types = NOTIFICATION_TYPES.has(row.type) ? { notificationType: row.type, eventType: row.type } : { eventType: row.type }
  const envelope = {
    Type: 'Notification',
    MessageId: fact.id,
    TopicArn: `${TOPIC}-${fact.account}`,
    Subject: 'Amazon SES Email Event Notification',
    Message: JSON.stringify({ ...types, mail: mailPart(delivery, fact.account), [row.field]: row.part(message) }),
    Timestamp: toIso(sentAt),
    SignatureVersion: '1',
    Signature: '',
    SigningCertURL: '',
    UnsubscribeURL: '',
  }
  const headers = {
    'x-amz-sns-message-type': 'Notification',
    'x-amz-sns-message-id': fact.id,
    'x-amz-sns-topic-arn': envelope.TopicArn,
  }
  return { contentType: 'text/plain; charset=UTF-8', body: JSON.stringify(envelope), headers }
}

function mailPart(row: DeliveryRow, account: number): Part {
  const { messageId, emailId, recipient, from, subject, label, apiUser, messageIdHeader, requestedAt, egressIp, requestIp } = row
  const date = new Date(requestedAt).toUTCString()
  const to = [recipient ?? '']
  const header = {
    From: from,
    To: recipient ?? '',
    Subject: subject,
    Date: date,
    'Message-ID': messageIdHeader ?? '',
    ...userHeadersOf(row),
  }
  return {
    timestamp: toIso(requestedAt),
    source: from,
    sourceArn: '',
    sourceIp: egressIp ?? requestIp ?? '',
    sendingAccountId: String(account),
    messageId: messageId ?? '',
    destination: to,
    headersTruncated: false,
    headers: Object.entries(header).map(([name, value]) => ({ name, value })),
    commonHeaders: { from: [from], to, subject, date, messageId: messageIdHeader ?? '' },
    tags: { 'bounced:email-id': [emailId ?? ''], 'bounced:api-user': [apiUser], ...(label === null ? {} : { label: [label] }) },
  }
}

function withOutcome(message: EventMessage, part: (message: EventMessage, outcome: Outcome) => Part): Part {
  const outcome = readOutcome(message.fact, message.delivery)
  return outcome === null ? {} : part(message, outcome)
}

const recipientOf = ({ delivery }: EventMessage): string => delivery?.recipient ?? ''

/** The fields of a recipient that a reply refused. */
function refusedRecipient(message: EventMessage, outcome: Outcome): Part {
  const reply = replyLineOf(outcome)
  return {
    emailAddress: recipientOf(message),
    // A bounce without a status and a diagnostic is an automatic answer to consumers of SES.
    status: statusOrClassOf(outcome),
    ...(reply === '' ? {} : { diagnosticCode: outcome.code === null ? reply : `smtp; ${reply}` }),
  }
}

/** Only a report of another server has a Reporting-MTA; a refusal in the session has none. */
const reportingMta = ({ asynchronous, remoteMta }: Outcome): Part =>
  asynchronous && remoteMta !== null ? { reportingMTA: `dns; ${remoteMta}` } : {}

const bouncePart = (message: EventMessage, outcome: Outcome): Part => ({
  feedbackId: message.fact.id,
  bounceType: isHardBounce(outcome) ? 'Permanent' : 'Transient',
  bounceSubType: bounceWordsOf(outcome).ses,
  bouncedRecipients: [{ ...refusedRecipient(message, outcome), action: 'failed' }],
  timestamp: toIso(message.fact.at),
  ...reportingMta(outcome),
})

const deliveryPart = (message: EventMessage, outcome: Outcome): Part => ({
  timestamp: toIso(message.fact.at),
  processingTimeMillis: Math.max(0, message.fact.at - (message.delivery?.requestedAt ?? message.fact.at)),
  recipients: [recipientOf(message)],
  smtpResponse: replyLineOf(outcome),
  reportingMTA: outcome.egressIp ?? '',
})

const delayPart = (message: EventMessage, outcome: Outcome): Part => ({
  timestamp: toIso(message.fact.at),
  delayType: bounceWordsOf(outcome).sesDelay,
  delayedRecipients: [refusedRecipient(message, outcome)],
  ...(outcome.retryUntil === null ? {} : { expirationTime: toIso(outcome.retryUntil) }),
  reportingMTA: (outcome.asynchronous ? outcome.remoteMta : outcome.egressIp) ?? '',
})

/** The feedback types that SES knows (RFC 5965 §7.3). */
const FEEDBACK_TYPES: ReadonlySet<string> = new Set(['abuse', 'auth-failure', 'fraud', 'not-spam', 'other', 'virus'])

function complaintPart(message: EventMessage): Part {
  const { fact } = message
  if (fact.kind !== 'complaint') return {}
  const { feedbackType, userAgent, arrivalAt } = fact.data
  return {
    feedbackId: fact.id,
    complaintSubType: null,
    complainedRecipients: [{ emailAddress: recipientOf(message) }],
    timestamp: toIso(fact.at),
    userAgent: userAgent ?? '',
    complaintFeedbackType: FEEDBACK_TYPES.has(feedbackType) ? feedbackType : 'other',
    arrivalDate: toIso(arrivalAt ?? fact.at),
  }
}

function engagementPart({ fact }: EventMessage): Part {
  if (fact.kind !== 'open' && fact.kind !== 'click') return {}
  const { ip, userAgent, url } = fact.data
  const link = fact.kind === 'click' ? { link: url ?? '', linkTags: null } : {}
  return { ipAddress: ip ?? '', timestamp: toIso(fact.at), userAgent: userAgent ?? '', ...link }
}

function subscriptionPart({ fact, delivery }: EventMessage): Part {
  return {
    contactList: delivery?.label ?? '',
    timestamp: toIso(fact.at),
    source: delivery?.from ?? '',
    newTopicPreferences: { unsubscribeAll: true, topicSubscriptionStatus: [] },
    oldTopicPreferences: { unsubscribeAll: false, topicSubscriptionStatus: [] },
  }
}
