/**
 * reported-outcomes - what waits for the node that works out the advice: outcomes that an MTA reports, and a person's Recover
 *
 * The transaction that records attempts adds one row for all of its outcomes, so that none is lost or counted twice, whichever node records it.
 *
 * See also: store/queue/advice, service/advise/adviser (reads them), service/submit/reported-attempts.
 */
import { siteOf } from '../../classify/provider.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { resultOfReported } from '../../ledger/decide/attempt-reading.ts'
import type { ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { MAX_OUTCOME_AGE_MS, type ReportedOutcome } from '../../queue/advice/advice-machine.ts'
import { UNKNOWN_IP } from '../../queue/advice/advice.ts'
import type { AdviceInputRow } from '../../store/queue/advice.ts'
import type { Context } from '../context.ts'

/** A person opens a key. */
type RecoverInput = { readonly key: string; readonly how: 'immediate' | 'probe' }

type AdviceInput = { readonly outcomes: readonly ReportedOutcome[] } | { readonly recover: RecoverInput }

/** As much of a reply as an episode keeps as evidence. */
const MAX_TEXT_CHARACTERS = 512

type RecordedAttempt = {
  readonly delivery: DeliveryRow
  readonly attempt: ObservedAttempt
  /** Null for a 2xx. */
  readonly verdict: Verdict | null
  readonly at: number
}

/** What a recorded attempt teaches the keys of its account's MTA; null: nothing, because it is old or its fate is not known. */
export function reportedOutcomeOf(
  table: RuleTable,
  { delivery, attempt, verdict, at }: RecordedAttempt,
  now: number,
): ReportedOutcome | null {
  if (now - at > MAX_OUTCOME_AGE_MS) return null
  const result = resultOfReported(table, attempt, verdict)
  if (result === null) return null
  const { account, domain, from, deliveryId } = delivery
  const { site, isGateway: gateway } = siteOf(table, { mx: attempt.mx, domain })
  const senderDomain = from.slice(from.lastIndexOf('@') + 1).toLowerCase()
  const to = { account, domain, senderDomain, site, gateway, mxSet: attempt.mx ?? '', egressIp: attempt.egressIp ?? UNKNOWN_IP }
  const stored = 'text' in result ? { ...result, text: redactLocalParts(result.text.slice(0, MAX_TEXT_CHARACTERS)) } : result
  return { mailId: deliveryId, to, result: stored, at, rule: verdict?.rule ?? null }
}

/** The row of an input. */
export function toInputRow({ ids }: Context, account: number, input: AdviceInput, now: number): AdviceInputRow {
  return { account, id: ids.next(now), at: now, data: JSON.stringify(input) }
}

/** Reads a row. Checked cast: only toInputRow writes the data. */
export const readInputRow = ({ data }: AdviceInputRow): AdviceInput => JSON.parse(data) as AdviceInput
