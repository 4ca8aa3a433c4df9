/**
 * inbox-facts - payload of a change of a mail in the inbox
 *
 * Payload of ledger/facts/fact-kinds. Pure. See also: service/receive/inbox.
 */
import type { FieldClasses } from './fact-fields.ts'

/** Why a mail is in the inbox. `pending`: its signatures could not be verified yet, and are verified again. */
export const INBOX_REASONS = [
  'unreadable',
  'unmatched',
  'unverified',
  'pending',
  'expired',
  'unregistered',
  'ambiguous',
  /** Its tokens name different mails. */
  'contradictory',
  /** The signature of a reporter does not fit the mail. */
  'signature-failed',
  'postmaster',
  'cut',
] as const
export type InboxReason = (typeof INBOX_REASONS)[number]

export const INBOX_STATES = ['open', 'accepted', 'discarded', 'linked', 'replayed'] as const
export type InboxState = (typeof INBOX_STATES)[number]

export type InboxData = {
  readonly state: InboxState
  readonly reason: InboxReason
  /** The report's kind. */
  readonly mail: string
  readonly from: string | null
  readonly subject: string | null
  readonly summary: string
  /** The delivery that the mail may be about. */
  readonly guess: string | null
  readonly actor: string | null
}

/** A pending mail stays open under another reason if its signatures prove too little, so `pending` has a key of its own. */
export const inboxDedupKey = ({ state, reason }: InboxData): string =>
  state === 'open' && reason === 'pending' ? 'inbox:pending' : `inbox:${state}`

export const INBOX_FIELDS = {
  mail: 'text',
  from: 'text',
  subject: 'text',
  summary: 'text',
  guess: 'text',
  actor: 'text',
} as const satisfies FieldClasses<InboxData>
