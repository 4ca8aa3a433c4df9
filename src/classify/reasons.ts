/**
 * reasons - the fine-grained reasons of a failure, with fault and sub status of each
 *
 * A released reason is never renamed or reused.
 *
 * Pure. See also: classify/permanence (chooses between the two sub statuses), classify/verdict.
 */

/** Whose doing a failure is. */
export const FAULT_PARTIES = ['recipient', 'mailbox', 'message', 'sender', 'provider', 'list', 'unknown'] as const
export type FaultParty = (typeof FAULT_PARTIES)[number]

/** One reason. */
export type ReasonRow = {
  readonly fault: FaultParty
  /** The sub status of a permanent failure. */
  readonly permanent: number
  /** The sub status of a temporary failure. */
  readonly temporary: number
  /** `always`: temporary whatever the code says, unless a rule says permanent. `default`: applies to a reply without any code. */
  readonly permanence: { readonly always?: 'temporary'; readonly default: 'permanent' | 'temporary' }
}

const PERMANENT_BY_DEFAULT = { default: 'permanent' } as const
const TEMPORARY_BY_DEFAULT = { default: 'temporary' } as const
const ALWAYS_TEMPORARY = { always: 'temporary', default: 'temporary' } as const

export const REASONS = {
  'not-exist': { fault: 'recipient', permanent: 406, temporary: 506, permanence: PERMANENT_BY_DEFAULT },
  'domain-not-exist': { fault: 'recipient', permanent: 403, temporary: 503, permanence: PERMANENT_BY_DEFAULT },
  'format-error': { fault: 'recipient', permanent: 404, temporary: 404, permanence: PERMANENT_BY_DEFAULT },
  'mailbox-disabled': { fault: 'recipient', permanent: 408, temporary: 508, permanence: PERMANENT_BY_DEFAULT },
  'mailbox-full': { fault: 'mailbox', permanent: 408, temporary: 508, permanence: ALWAYS_TEMPORARY },
  'recipient-refused': { fault: 'recipient', permanent: 408, temporary: 508, permanence: PERMANENT_BY_DEFAULT },
  policy: { fault: 'message', permanent: 408, temporary: 508, permanence: PERMANENT_BY_DEFAULT },
  'too-large': { fault: 'message', permanent: 408, temporary: 508, permanence: PERMANENT_BY_DEFAULT },
  spam: { fault: 'message', permanent: 407, temporary: 507, permanence: PERMANENT_BY_DEFAULT },
  virus: { fault: 'message', permanent: 407, temporary: 507, permanence: PERMANENT_BY_DEFAULT },
  'ip-blocked': { fault: 'sender', permanent: 405, temporary: 505, permanence: ALWAYS_TEMPORARY },
  'domain-blocked': { fault: 'sender', permanent: 405, temporary: 505, permanence: ALWAYS_TEMPORARY },
  'auth-failure': { fault: 'sender', permanent: 405, temporary: 505, permanence: ALWAYS_TEMPORARY },
  'rate-limited': { fault: 'sender', permanent: 405, temporary: 505, permanence: ALWAYS_TEMPORARY },
  greylisted: { fault: 'provider', permanent: 509, temporary: 509, permanence: ALWAYS_TEMPORARY },
  'server-error': { fault: 'provider', permanent: 403, temporary: 503, permanence: ALWAYS_TEMPORARY },
  unreachable: { fault: 'provider', permanent: 403, temporary: 503, permanence: TEMPORARY_BY_DEFAULT },
  expired: { fault: 'provider', permanent: 403, temporary: 503, permanence: TEMPORARY_BY_DEFAULT },
  blacklisted: { fault: 'list', permanent: 401, temporary: 401, permanence: PERMANENT_BY_DEFAULT },
  unsubscribed: { fault: 'list', permanent: 402, temporary: 402, permanence: PERMANENT_BY_DEFAULT },
  other: { fault: 'unknown', permanent: 409, temporary: 509, permanence: TEMPORARY_BY_DEFAULT },
} as const satisfies Record<string, ReasonRow>

export type Reason = keyof typeof REASONS
