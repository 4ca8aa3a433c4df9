/**
 * permanence - does it last, and which sub status is it then
 *
 * The first that there is: the rule's word; the reason's; the first digit of the remote server's own reply; the class of the enhanced code
 * inside that reply; the class of the report's Status (`weak`); without any code, the reason's default.
 *
 * Pure. See also: classify/reasons (the table).
 */
import { type Reason, type ReasonRow, REASONS } from './reasons.ts'
import { statusClassOf } from './status-pattern.ts'
import type { VerdictEvidence, Permanence } from './verdict.ts'

export type PermanenceInput = {
  readonly rulePermanence: Permanence | null
  readonly reason: Reason
  readonly code: number | null
  readonly status: string | null
  readonly reportStatus: string | null
}

const PERMANENCE_BY_CLASS: Readonly<Record<number, Permanence>> = { 4: 'temporary', 5: 'permanent' }
const permanenceOfCode = (code: number | null): Permanence | null =>
  code === null ? null : (PERMANENCE_BY_CLASS[Math.floor(code / 100)] ?? null)
const permanenceOfStatus = (status: string | null): Permanence | null => PERMANENCE_BY_CLASS[statusClassOf(status) ?? 0] ?? null

/** Reads permanence and says from where. Total. */
export function permanenceOf(input: PermanenceInput): {
  readonly permanence: Permanence
  readonly from: VerdictEvidence['permanenceFrom']
} {
  const row: ReasonRow = REASONS[input.reason]
  const sources = [
    ['rule', input.rulePermanence],
    ['reason', row.permanence.always ?? null],
    ['reply-code', permanenceOfCode(input.code)],
    ['reply-status', permanenceOfStatus(input.status)],
    ['report-status', permanenceOfStatus(input.reportStatus)],
  ] as const
  for (const [from, permanence] of sources) if (permanence !== null) return { permanence, from }
  return { permanence: row.permanence.default, from: 'default' }
}

type SubStatusPolicy = 'by-permanence' | 'by-channel'

/**
 * The sub status. `by-permanence`: by whether it lasts. `by-channel`: a final refusal in the dialogue is invalid (40x), whatever is reported after
 * acceptance a soft bounce (50x). No connection is 403 when our own dialogue gave up, 503 when others report it. Total.
 */
export function subStatusOf(input: {
  readonly reason: Reason
  readonly permanence: Permanence
  readonly policy: SubStatusPolicy
  readonly asynchronous: boolean
}): number {
  const row = REASONS[input.reason]
  if (input.reason === 'unreachable') return input.asynchronous ? row.temporary : row.permanent
  const isPermanent = input.permanence === 'permanent' && !(input.policy === 'by-channel' && input.asynchronous)
  return isPermanent ? row.permanent : row.temporary
}
