/**
 * permanence - does it last, and which sub status is it then
 *
 * The first that there is: the rule's word; the reason's; the first digit of the remote server's own reply; the class of the enhanced code
 * inside that reply; the class of the report's Status (`weak`); without any code, the reason's default.
 *
 * Pure. See also: classify/reasons (the table).
 */
import { type Reason, type ReasonRow, REASONS } from './reasons.ts'
import { classOf } from './status-pattern.ts'
import type { Evidence, Permanence } from './verdict.ts'

export type PermanenceClues = {
  readonly rule: Permanence | null
  readonly reason: Reason
  readonly code: number | null
  readonly status: string | null
  readonly reportStatus: string | null
}

const DIGITS: Readonly<Record<number, Permanence>> = { 4: 'temporary', 5: 'permanent' }
const digitOf = (code: number | null): Permanence | null => (code === null ? null : (DIGITS[Math.floor(code / 100)] ?? null))
const classWord = (status: string | null): Permanence | null => DIGITS[classOf(status) ?? 0] ?? null

/** Reads permanence and says from where. Total. */
export function permanenceOf(clues: PermanenceClues): { readonly permanence: Permanence; readonly from: Evidence['permanenceFrom'] } {
  const row: ReasonRow = REASONS[clues.reason]
  const steps = [
    ['rule', clues.rule],
    ['reason', row.permanence.always ?? null],
    ['reply-code', digitOf(clues.code)],
    ['reply-status', classWord(clues.status)],
    ['report-status', classWord(clues.reportStatus)],
  ] as const
  for (const [from, permanence] of steps) if (permanence !== null) return { permanence, from }
  return { permanence: row.permanence.default, from: 'default' }
}

type Policy = 'by-permanence' | 'by-channel'

/**
 * The sub status. `by-permanence`: by whether it lasts. `by-channel`: a final refusal in the dialogue is invalid (40x), whatever is reported after
 * acceptance a soft bounce (50x). No connection is 403 when our own dialogue gave up, 503 when others report it. Total.
 */
export function subStatusOf(of: {
  readonly reason: Reason
  readonly permanence: Permanence
  readonly policy: Policy
  readonly asynchronous: boolean
}): number {
  const row = REASONS[of.reason]
  if (of.reason === 'unreachable') return of.asynchronous ? row.temporary : row.permanent
  const lasts = of.permanence === 'permanent' && !(of.policy === 'by-channel' && of.asynchronous)
  return lasts ? row.permanent : row.temporary
}
