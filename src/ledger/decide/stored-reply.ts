/**
 * stored-reply - classifies the reply that a stored fact holds, by any rule table
 *
 * An attempt stores all that its classification reads. A failure report does not: the mail itself has the whole text, and the caller passes
 * the recipient group that it read there. If the mail is no longer stored, only the reply and the text that decided are left. Then a
 * verdict from a bare code replaces no verdict from words, because the missing words may say more than the code.
 *
 * Pure. See also: ledger/decide/reclassification, ledger/decide/attempt-reading, classify/classify, service/reclassify/stored-mail.
 */
import { classify, UNMATCHED } from '../../classify/classify.ts'
import { classifierInputOfReport } from '../../classify/classifier-input.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import type { ClassifierInput, ProviderHint, Verdict } from '../../classify/verdict.ts'
import type { RecipientReport } from '../../mail/report.ts'
import { DIALOGUE_ERRORS, type FailedData, type GaveUpData } from '../facts/delivery-facts.ts'
import type { Fact } from '../facts/fact.ts'
import type { DeliveryRow } from '../project/state.ts'
import { classifyAttempt, NO_REPLY_ATTEMPT } from './attempt-reading.ts'

/** A group of a stored report, and what named its provider besides the report. */
export type StoredGroup = { readonly group: RecipientReport; readonly dkimDomain: string | null; readonly reporter: string | null }

type RepliedDelivery = Pick<DeliveryRow, 'mx' | 'domain'>

/**
 * The verdict of a table about the reply that a fact stores. Null: the fact holds no reply, or too little of it. `stored` is the group of
 * the report that the fact came from; null if its mail is not stored.
 */
export function classifyStoredReply(
  table: RuleTable,
  fact: Fact,
  { delivery, stored }: { readonly delivery: RepliedDelivery; readonly stored: StoredGroup | null },
): Verdict | null {
  if (fact.kind === 'attempt') return fact.data.verdict === null ? null : classifyAttempt(table, delivery.domain, fact.data)
  if (fact.kind === 'gave-up') return classifyLastReply(table, fact.data, delivery)
  if (fact.kind !== 'failed' || fact.data.source !== 'report' || fact.data.verdict === null) return null
  if (stored === null) return classifyRemainder(table, fact.data, delivery)
  const { group, dkimDomain, reporter } = stored
  return classify(table, classifierInputOfReport(group, { deliveryMx: delivery.mx, dkimDomain, reporter }))
}

/** The last reply of a delivery that was given up. The rule names a connection that failed without a reply. */
function classifyLastReply(table: RuleTable, { text = '', verdict }: GaveUpData, { domain, mx }: RepliedDelivery): Verdict | null {
  if (verdict === null) return null
  const error = DIALOGUE_ERRORS.find((each) => verdict.rule === `dialogue-${each}`) ?? null
  const read = text === '' ? verdict.text : text
  return classifyAttempt(table, domain, { ...NO_REPLY_ATTEMPT, text: read, code: verdict.code, status: verdict.replyStatus, mx, error })
}

function classifyRemainder(table: RuleTable, data: FailedData, { mx }: RepliedDelivery): Verdict | null {
  const { verdict, text, reportStatus, remoteMta, reportedDomain } = data
  if (verdict === null) return null
  const hints: readonly (readonly [ProviderHint['source'], string | null])[] = [
    ['delivery-mx', mx],
    ['remote-mta', remoteMta],
    ['recipient-domain', reportedDomain],
  ]
  const input: ClassifierInput = {
    reply: { code: verdict.code, status: verdict.replyStatus, text },
    reportStatus,
    action: 'failed',
    text: verdict.text === '' ? text : verdict.text,
    hints: hints.flatMap(([source, value]) => (value === null ? [] : [{ source, value }])),
  }
  const next = classify(table, input)
  return isByCode(table, next.rule) && !isByCode(table, verdict.rule) ? null : next
}

/** Whether a rule reads no words. */
const isByCode = (table: RuleTable, rule: string): boolean => rule === UNMATCHED || table.standardRules.some(({ id }) => id === rule)
