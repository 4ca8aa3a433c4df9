/**
 * outcome - what a fact says about the delivery of one mail: its status in words, the reply, and who gave it
 *
 * Pure, total. See also: webhook/formats (which write it), ledger/facts/decision.
 */
import { isIP } from 'node:net'
import { DELIVERY_STATUS_NAMES, type StatusEffect, type StatusName, type VerdictSummary } from '../ledger/facts/decision.ts'
import type { Fact } from '../ledger/facts/fact.ts'
import type { DeliveryRow } from '../ledger/project/state.ts'

export type Outcome = Pick<StatusEffect, 'subStatus' | 'reason' | 'permanence' | 'fault' | 'asynchronous' | 'weak' | 'forwarded'> & {
  readonly status: StatusName
  /** The SMTP reply code, the enhanced status code (RFC 3463) and the text of the reply, as far as they are known. */
  readonly code: number | null
  readonly enhancedStatus: string | null
  readonly text: string
  /** The host that gave the reply. */
  readonly remoteMta: string | null
  /** The IP address that the attempt came from. */
  readonly egressIp: string | null
  readonly rule: string | null
  readonly provider: string | null
  /** The number of the attempt. */
  readonly attempt: number | null
  /** Until when the reporting server tries again. */
  readonly retryUntil: number | null
}

const NO_EFFECT = { status: 18, subStatus: null, asynchronous: false, fault: null, weak: false, forwarded: false } as const

/** The outcome that a fact tells; null: the fact tells none. A deferral leaves the status at `sending`. */
export function readOutcome(fact: Fact, delivery: DeliveryRow | null): Outcome | null {
  const { data } = fact
  if (!('effect' in data) && fact.kind !== 'delayed') return null
  const effect: StatusEffect | null = 'effect' in data ? data.effect : null
  const verdict: VerdictSummary | null = 'verdict' in data ? data.verdict : null
  const { status, subStatus, asynchronous, fault, weak, forwarded } = effect ?? { ...NO_EFFECT, asynchronous: fact.kind === 'delayed' }
  const attempt = fact.kind === 'attempt' ? fact.data : null
  const text = 'text' in data ? data.text : undefined
  return {
    status: DELIVERY_STATUS_NAMES[status],
    subStatus,
    reason: effect?.reason ?? verdict?.reason ?? null,
    permanence: effect?.permanence ?? verdict?.permanence ?? null,
    fault,
    asynchronous,
    weak,
    forwarded,
    code: attempt?.code ?? verdict?.code ?? null,
    enhancedStatus: attempt?.status ?? verdict?.replyStatus ?? (fact.kind === 'failed' ? fact.data.reportStatus : null),
    text: text === undefined || text === '' ? (verdict?.text ?? '') : text,
    remoteMta: ('remoteMta' in data ? data.remoteMta : null) ?? attempt?.mx ?? delivery?.mx ?? null,
    egressIp: toIpAddress(attempt?.egressIp ?? delivery?.egressIp ?? null),
    rule: verdict?.rule ?? null,
    provider: verdict?.provider ?? null,
    attempt: attempt?.n ?? null,
    retryUntil: fact.kind === 'delayed' ? fact.data.willRetryUntil : null,
  }
}

/** The name of an egress that the operator chose is no address. */
export const toIpAddress = (egress: string | null): string | null => (egress === null || isIP(egress) === 0 ? null : egress)

/** The enhanced status code, or the class that the permanence has (RFC 3463 §3.1: other or undefined status). */
export const statusOrClassOf = ({ enhancedStatus, permanence }: Pick<Outcome, 'enhancedStatus' | 'permanence'>): string =>
  enhancedStatus ?? (permanence === 'permanent' ? '5.0.0' : '4.0.0')

/** The reply as one line that begins with its code: `550 5.1.1 No such user`. Empty: there is none. */
export function replyLineOf({ code, enhancedStatus, text }: Pick<Outcome, 'code' | 'enhancedStatus' | 'text'>): string {
  if (/^\d{3}[ -]/.test(text)) return text
  const status = enhancedStatus === null || text.startsWith(enhancedStatus) ? [] : [enhancedStatus]
  return code === null ? text : [code, ...status, text].join(' ').trim()
}
