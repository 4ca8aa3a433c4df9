/**
 * bounce-words - our reasons in the words of SES, SendGrid and Postmark
 *
 * A consumer of these formats removes an address for good when it reads a hard bounce. So only a permanent failure whose fault is the
 * recipient's, or an address that a list of ours refused, is a hard bounce: the owner of an address behind a blocked IP still wants the mail.
 *
 * Pure. See also: classify/reasons, docs/WEBHOOKS.md.
 */
import type { Reason } from '../../classify/reasons.ts'
import type { Outcome } from '../outcome.ts'

type BounceWords = {
  /** `bounceSubType`, and `delayType` of a deferral. */
  readonly ses: string
  readonly sesDelay: string
  /** `bounce_classification`. */
  readonly sendgrid: string
  /** `Type` of a bounce that is not hard. */
  readonly postmark: PostmarkBounceType
}

/** The name, number and description of each type. */
export const POSTMARK_BOUNCES = {
  HardBounce: [1, 'Hard bounce', 'The server was unable to deliver your message (ex: unknown user, mailbox not found).'],
  Transient: [2, 'Message delayed', 'The server could not deliver your message yet, and it is tried again.'],
  AutoResponder: [64, 'Auto responder', 'The recipient’s mailbox answered by itself (ex: out of office, on vacation).'],
  DnsError: [256, 'DNS error', 'The domain of the recipient could not be resolved.'],
  SpamNotification: [512, 'Spam notification', 'The message was refused as spam.'],
  SoftBounce: [4096, 'Soft bounce', 'The message cannot be delivered at present, although the mailbox exists.'],
  VirusNotification: [8192, 'Virus notification', 'The message was refused because of a virus or of a forbidden attachment.'],
  BadEmailAddress: [100_000, 'Invalid email address', 'The address is not valid.'],
  SpamComplaint: [100_001, 'Spam complaint', 'The recipient reported this message as spam.'],
  Blocked: [100_006, 'ISP block', 'The receiving provider refuses mail from this sender.'],
  DMARCPolicy: [100_009, 'DMARC policy', 'The message was refused by an authentication policy.'],
} as const satisfies Record<string, readonly [code: number, name: string, description: string]>

export type PostmarkBounceType = keyof typeof POSTMARK_BOUNCES

const words = (ses: string, sesDelay: string, sendgrid: string, postmark: PostmarkBounceType): BounceWords => ({
  ses,
  sesDelay,
  sendgrid,
  postmark,
})

const INVALID_ADDRESS = words('NoEmail', 'General', 'Invalid Address', 'SoftBounce')
const REPUTATION = words('General', 'IPFailure', 'Reputation', 'Blocked')
const TECHNICAL = words('General', 'TransientCommunicationFailure', 'Technical', 'SoftBounce')

const WORDS: Readonly<Record<Reason, BounceWords>> = {
  'not-exist': INVALID_ADDRESS,
  'domain-not-exist': words('General', 'TransientCommunicationFailure', 'Technical', 'DnsError'),
  'format-error': words('General', 'General', 'Invalid Address', 'BadEmailAddress'),
  'mailbox-disabled': words('NoEmail', 'General', 'Mailbox Unavailable', 'SoftBounce'),
  'mailbox-full': words('MailboxFull', 'MailboxFull', 'Mailbox Unavailable', 'SoftBounce'),
  'recipient-refused': words('General', 'General', 'Mailbox Unavailable', 'SoftBounce'),
  policy: words('ContentRejected', 'General', 'Content', 'SoftBounce'),
  'too-large': words('MessageTooLarge', 'General', 'Content', 'SoftBounce'),
  spam: words('ContentRejected', 'SpamDetected', 'Content', 'SpamNotification'),
  virus: words('AttachmentRejected', 'General', 'Content', 'VirusNotification'),
  'ip-blocked': REPUTATION,
  'domain-blocked': REPUTATION,
  'auth-failure': words('General', 'General', 'Reputation', 'DMARCPolicy'),
  'rate-limited': words('General', 'SendingDeferral', 'Frequency or Volume Too High', 'Blocked'),
  greylisted: words('General', 'General', 'Technical', 'SoftBounce'),
  'server-error': words('General', 'RecipientServerError', 'Technical', 'SoftBounce'),
  unreachable: TECHNICAL,
  expired: TECHNICAL,
  blacklisted: words('OnAccountSuppressionList', 'General', 'Invalid Address', 'HardBounce'),
  unsubscribed: words('OnAccountSuppressionList', 'General', 'Unclassified', 'HardBounce'),
  other: words('General', 'Undetermined', 'Unclassified', 'SoftBounce'),
}

/** The words for an outcome. Total: without a reason, those of `other`. */
export const bounceWordsOf = ({ reason }: Pick<Outcome, 'reason'>): BounceWords => WORDS[reason ?? 'other']

/** Whether a consumer may remove the address. Evidence that feeds no list of ours is not enough. */
export const isHardBounce = ({
  permanence,
  fault,
  weak,
  forwarded,
}: Pick<Outcome, 'permanence' | 'fault' | 'weak' | 'forwarded'>): boolean =>
  permanence === 'permanent' && !weak && !forwarded && (fault === 'recipient' || fault === 'list')
