/**
 * deferral-monitor - which deferrals count although no class pauses for them
 *
 * A provider may defer everything in words for which no rule names a class: Apple's 421 [HCM1], Gmail's 421 4.7.26. Each such 4xx is a hit of
 * a monitor, which trips only where half of the attempts meet it. Greylisting, a full mailbox and other faults of the recipient are part of
 * normal sending and never count.
 *
 * Pure. See also: queue/backoff/backoff-classes (the monitors' rows), queue/backoff/feedback (calls it).
 */
import { type FaultParty, type Reason, REASONS } from '../../classify/reasons.ts'
import type { BackoffClass } from '../../classify/verdict.ts'
import type { AttemptResult } from '../message.ts'
import type { BackoffClassName } from './backoff-classes.ts'
import type { BackoffPolicy } from './policy.ts'

/** Classes that are part of normal sending. */
const UNCOUNTED_CLASSES: ReadonlySet<BackoffClass> = new Set(['greylist', 'recipient', 'session-limit', 'network'])

const UNCOUNTED_FAULTS: ReadonlySet<FaultParty> = new Set(['recipient', 'mailbox', 'list'])

/** Causes that follow the sender domain to every egress IP. */
const DOMAIN_REASONS: ReadonlySet<Reason> = new Set(['auth-failure', 'policy', 'domain-blocked'])

/** The monitor that a result is a hit of; null: none. */
export function deferralMonitorOf(
  policy: BackoffPolicy,
  result: AttemptResult,
): Extract<BackoffClassName, 'unknown' | 'domain-deferred'> | null {
  if (result.kind !== 'refused') return null
  const { pause, reason, code, deferral } = result
  const is4xx = code !== null && code >= 400 && code < 500
  if (!deferral || !is4xx || reason === 'greylisted') return null
  if (pause !== null && (UNCOUNTED_CLASSES.has(pause) || policy.classes[pause].key !== null)) return null
  if (UNCOUNTED_FAULTS.has(REASONS[reason].fault)) return null
  return DOMAIN_REASONS.has(reason) ? 'domain-deferred' : 'unknown'
}
