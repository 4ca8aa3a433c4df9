/**
 * reasons - the fine reasons, whose fault each is, and the sub status it becomes
 *
 * The table of the taxonomy. A released reason is never renamed or reused. Pure.
 */

export type Fault = 'recipient' | 'mailbox' | 'message' | 'sender' | 'provider' | 'list' | 'unknown'

export type ReasonRow = {
  readonly fault: Fault
  /** Sub status when permanent, when temporary. */
  readonly permanent: number
  readonly temporary: number
  /** `always`: temporary whatever the digit, unless a rule says permanent. `default`: what holds without any code. */
  readonly permanence: { readonly always?: 'temporary'; readonly default: 'permanent' | 'temporary' }
}

const lasting = { default: 'permanent' } as const
const passing = { default: 'temporary' } as const
const alwaysPassing = { always: 'temporary', default: 'temporary' } as const

export const REASONS = {
  'not-exist': { fault: 'recipient', permanent: 406, temporary: 506, permanence: lasting },
  'domain-not-exist': { fault: 'recipient', permanent: 403, temporary: 503, permanence: lasting },
  'format-error': { fault: 'recipient', permanent: 404, temporary: 404, permanence: lasting },
  'mailbox-disabled': { fault: 'recipient', permanent: 408, temporary: 508, permanence: lasting },
  'mailbox-full': { fault: 'mailbox', permanent: 408, temporary: 508, permanence: alwaysPassing },
  'recipient-refused': { fault: 'recipient', permanent: 408, temporary: 508, permanence: lasting },
  policy: { fault: 'message', permanent: 408, temporary: 508, permanence: lasting },
  'too-large': { fault: 'message', permanent: 408, temporary: 508, permanence: lasting },
  spam: { fault: 'message', permanent: 407, temporary: 507, permanence: lasting },
  virus: { fault: 'message', permanent: 407, temporary: 507, permanence: lasting },
  'ip-blocked': { fault: 'sender', permanent: 405, temporary: 505, permanence: alwaysPassing },
  'domain-blocked': { fault: 'sender', permanent: 405, temporary: 505, permanence: alwaysPassing },
  'auth-failure': { fault: 'sender', permanent: 405, temporary: 505, permanence: alwaysPassing },
  'rate-limited': { fault: 'sender', permanent: 405, temporary: 505, permanence: alwaysPassing },
  greylisted: { fault: 'provider', permanent: 509, temporary: 509, permanence: alwaysPassing },
  'server-error': { fault: 'provider', permanent: 403, temporary: 503, permanence: alwaysPassing },
  unreachable: { fault: 'provider', permanent: 403, temporary: 503, permanence: passing },
  expired: { fault: 'provider', permanent: 403, temporary: 503, permanence: passing },
  blacklisted: { fault: 'list', permanent: 401, temporary: 401, permanence: lasting },
  unsubscribed: { fault: 'list', permanent: 402, temporary: 402, permanence: lasting },
  other: { fault: 'unknown', permanent: 409, temporary: 509, permanence: passing },
} as const satisfies Record<string, ReasonRow>

export type Reason = keyof typeof REASONS
