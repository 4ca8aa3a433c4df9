/**
 * explained-report - the verdicts of a report without a store
 *
 * See also: commands/reading/explain, classify/classify.
 */
import { classify } from '../../classify/classify.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import { classifierInputOfReport } from '../../classify/classifier-input.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { RecipientReport, Report } from '../../mail/report.ts'

/** `verdict` is null for a recipient that was neither refused nor delayed. */
export type ExplainedRecipient = { readonly recipient: RecipientReport; readonly verdict: Verdict | null }

const CLASSIFIED_ACTIONS = new Set(['failed', 'delayed'])

/** Classifies each recipient of a report. No delivery is known, so only the report names the provider. Total. */
export function explainReport(table: RuleTable, report: Report): ExplainedRecipient[] {
  return report.recipients.map((recipient) => ({
    recipient,
    verdict: CLASSIFIED_ACTIONS.has(recipient.action) ? classify(table, classifierInputOfReport(recipient)) : null,
  }))
}
