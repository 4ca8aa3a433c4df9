/**
 * forward-facts - payload of inbound mail that an account received at one of its own domains
 *
 * The mail itself is stored separately for a limited time. The fact holds nothing of it that an erasure would have to remove.
 *
 * Payload of ledger/facts/fact-kinds. Pure. See also: store/mail/forwarded-mails, service/forward/forward-mail.
 */
import type { FieldClasses } from './fact-fields.ts'

export type ForwardData = {
  /** Names the mail (store/mail/forwarded-mails). */
  readonly digest: string
  /** The domain that received it. */
  readonly domain: string
  readonly size: number
  readonly truncated: boolean
}

export const FORWARD_FIELDS = { digest: 'text', domain: 'text' } as const satisfies FieldClasses<ForwardData>
