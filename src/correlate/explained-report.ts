/**
 * explained-report - the verdicts of a report without a store
 *
 * See also: commands/reading/explain, http/api/rules/explain, classify/classify.
 */
import { classify } from '../classify/classify.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { classifierInputOfReport } from '../classify/classifier-input.ts'
import type { Verdict } from '../classify/verdict.ts'
import { isDoubleBounce } from './double-bounce.ts'
import { hasDeliveredCopy } from '../mail/dsn/delivered-copy.ts'
import type { RecipientReport, Report } from '../mail/report.ts'

/** `verdict` is null for a recipient that was neither refused nor delayed. `recordedBecause`: why the report changes nothing. */
export type ExplainedRecipient = {
  readonly recipient: RecipientReport
  readonly verdict: Verdict | null
  readonly recordedBecause: string | null
}

const CLASSIFIED_ACTIONS = new Set(['failed', 'delayed'])

/** Classifies each recipient of a report. No delivery is known, so only the report names the provider. Total. */
export function explainReport(table: RuleTable, report: Report, ownDomains: readonly string[]): ExplainedRecipient[] {
  return report.recipients.map((recipient) => ({
    recipient,
    verdict: CLASSIFIED_ACTIONS.has(recipient.action)
      ? classify(table, classifierInputOfReport(recipient, { reporter: report.from }))
      : null,
    recordedBecause: recordedBecause(report, recipient, ownDomains),
  }))
}

function recordedBecause(report: Report, recipient: RecipientReport, ownDomains: readonly string[]): string | null {
  if (isDoubleBounce(report, ownDomains)) return 'the failed recipient is our own address (a double bounce): it is filed'
  if (report.isForwarded) return 'the report was passed on by a person or a gateway, which proves nothing: it goes to the inbox'
  return hasDeliveredCopy(report.recipients, recipient) ? 'another copy for the same address was delivered: it is recorded' : null
}
