/**
 * report - what one report changes
 *
 * | report                       | status                        | list                                        |
 * |------------------------------|-------------------------------|---------------------------------------------|
 * | failed                       | 4 or 5, asynchronous          | ledger/suppress/bounce-list                 |
 * | delayed                      | recorded                      |                                             |
 * | delivered, relayed, expanded | sending → delivered           | discards what the mass-bounce guard holds   |
 * | complaint of a listed type   | recorded                      | complaint, 180 days                         |
 * | opt-out, opt-out-list        | recorded                      | unsubscribe                                 |
 * | any other complaint          | recorded, alarm               |                                             |
 * | not-spam of the same reporter | recorded                      | removes the entry of that complaint         |
 * | unsubscribe by mail          | recorded                      | unsubscribe                                 |
 * | auth-failure, MDN, auto-reply | filed                        |                                             |
 * | TLS report                   |                               | recorded for the installation               |
 * | about a retired delivery     |                               | ledger/decide/retired, or inbox             |
 * | anything with a problem      | inbox                         |                                             |
 *
 * The address that a status or a list takes is that of the delivery, never one that the report names.
 *
 * Pure: the LedgerState is only read. The caller applies the facts before it decides the next report.
 * See also: correlate/match, ledger/decide/recipients, ledger/decide/complaint, ledger/decide/tls-report.
 */
import type { Report, ReportKind } from '../../mail/report.ts'
import { decideComplaint, decideNotSpam } from './complaint.ts'
import { decideRecipients } from './recipients.ts'
import { decideRetiredReport } from './retired.ts'
import { createTlsReportFact, readableTlsReport } from './tls-report.ts'
import { addUnsubscribeFacts } from './unsubscribe.ts'
import { createEmptyDelivery } from '../project/delivery.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { createFactBatch, type FactBatch } from '../facts/fact-batch.ts'
import type { MatchProvenance } from '../facts/decision.ts'
import type { Fact } from '../facts/fact.ts'
import type { InboxReason } from '../facts/inbox-facts.ts'
import { createFact, aboutDelivery, aboutMail } from '../facts/new-fact.ts'
import type { MatchedReport, ReportInput } from './report-input.ts'

/** What each kind of matched report does. */
const REPORT_HANDLERS = {
  bounce: decideRecipients,
  delay: decideRecipients,
  delivered: decideRecipients,
  complaint: decideComplaint,
  'not-spam': decideNotSpam,
  unsubscribe: unsubscribeByMail,
  'auth-failure': fileReport,
  'tls-report': recordTlsReport,
  'auto-reply': fileReport,
  mdn: fileReport,
  other: fileAndAddToInbox,
  unreadable: fileAndAddToInbox,
} as const satisfies Record<ReportKind, (input: MatchedReport, batch: FactBatch) => void>

const FILED_KINDS = { 'auth-failure': 'auth-failure', mdn: 'mdn', 'auto-reply': 'auto-reply' } as const satisfies Partial<
  Record<ReportKind, string>
>

/** The facts of one report; empty if all of it is known. Total. */
export function decideReport(input: ReportInput): readonly Fact[] {
  const retiredFacts = decideRetiredReport(input)
  if (retiredFacts !== null) return retiredFacts
  const batch = createFactBatch(input.ledger)
  // Before the delivery is resolved: a TLS report has none, and must not record one.
  if (input.report.kind === 'tls-report' && input.match.problem !== 'cut') {
    recordTlsReport(input, batch)
    return batch.facts
  }
  const matched = resolveDelivery(input, batch)
  if (input.isDoubleBounce) batch.add(createFiledFact(input, matched))
  else if (matched !== null) REPORT_HANDLERS[input.report.kind](matched, batch)
  else if (Object.hasOwn(FILED_KINDS, input.report.kind) && !input.isForHumans && input.match.problem !== 'cut')
    batch.add(createFiledFact(input, null))
  else batch.add(createInboxFact(input, inboxReasonOf(input)))
  return batch.facts
}

/** Null: the report refers to no delivery, or proves too little. Records a stub first if the delivery is not registered. */
function resolveDelivery(input: ReportInput, batch: FactBatch): MatchedReport | null {
  const { match, moment } = input
  if (match.problem !== null || match.deliveryId === null || match.proof === null) return null
  const provenance: MatchProvenance = { via: match.via ?? 'hand', proof: match.proof }
  // An earlier report of the same batch may have changed the delivery since the match.
  const current = input.ledger.deliveries.get(match.deliveryId) ?? match.delivery
  if (current !== null) return { ...input, delivery: current, tie: provenance }
  if (!match.stub) return null
  const about = { account: match.account, subject: match.deliveryId, deliveryMonth: monthOfDelivery(match.deliveryId) }
  const delivery = createEmptyDelivery(about)
  batch.add(createFact('stub', aboutDelivery(delivery), moment, { tie: provenance }))
  return { ...input, delivery, tie: provenance }
}

function inboxReasonOf({ ledger, report, match, isForHumans }: ReportInput): InboxReason {
  if (match.problem === 'cut') return 'cut'
  if (report.kind === 'unreadable') return 'unreadable'
  const isRetired = match.deliveryId !== null && ledger.retired.has(match.deliveryId)
  return isForHumans ? 'postmaster' : (match.problem ?? (isRetired ? 'expired' : 'unmatched'))
}

const MAX_HEADER_LENGTH = 256
const MAX_SUMMARY_LENGTH = 1_024

function createInboxFact({ report, match, digest, moment }: ReportInput, reason: InboxReason): Fact {
  return createFact('inbox', aboutMail(match.account, digest, match.deliveryId), moment, {
    state: 'open',
    reason,
    mail: report.kind,
    from: report.from?.slice(0, MAX_HEADER_LENGTH) ?? null,
    subject: report.subject?.slice(0, MAX_HEADER_LENGTH) ?? null,
    summary: summaryOf(report),
    guess: match.deliveryId,
    actor: null,
  })
}

/** The text that an operator sees in the inbox before opening the mail. */
function summaryOf(report: Report): string {
  const replies = report.recipients.map((each) => `${each.recipient ?? '?'}: ${each.text}`)
  const texts =
    report.complaint === null
      ? [...replies, report.text]
      : [`${report.complaint.feedbackType} ${report.complaint.sourceIp ?? ''}`, report.text]
  return texts.join(' | ').replace(/\s+/g, ' ').slice(0, MAX_SUMMARY_LENGTH)
}

function createFiledFact(input: ReportInput, matched: MatchedReport | null): Fact {
  const { report, match, digest, moment } = input
  const about = matched === null ? aboutMail(match.account, digest, null) : aboutDelivery(matched.delivery)
  const what = report.kind === 'auth-failure' || report.kind === 'mdn' || report.kind === 'auto-reply' ? report.kind : 'other'
  return createFact('filed', about, moment, {
    what,
    from: report.from?.slice(0, MAX_HEADER_LENGTH) ?? null,
    subject: report.subject?.slice(0, MAX_HEADER_LENGTH) ?? null,
    text: report.text.slice(0, MAX_SUMMARY_LENGTH),
    tie: matched?.tie ?? null,
    digest,
  })
}

function fileReport(input: MatchedReport, batch: FactBatch): void {
  batch.add(createFiledFact(input, input))
}

function recordTlsReport(input: ReportInput, batch: FactBatch): void {
  const { report, digest, moment, tlsReportOrigin: origin = { signedBy: null, isOwnDomain: false } } = input
  const tlsReport = readableTlsReport(report)
  batch.add(tlsReport === null ? createInboxFact(input, 'unreadable') : createTlsReportFact(tlsReport, { digest, moment, origin }))
}

/** A mail that could not be read as a report is filed with its delivery and shown to an operator: it may be a bounce in a new format. */
function fileAndAddToInbox(input: MatchedReport, batch: FactBatch): void {
  batch.addWithConsequences(createFiledFact(input, input), () => [createInboxFact(input, inboxReasonOf(input))])
}

function unsubscribeByMail(input: MatchedReport, batch: FactBatch): void {
  addUnsubscribeFacts({ ...input, how: 'mailto', type: 0, ip: null, userAgent: null, digest: input.digest, proof: input.tie.proof }, batch)
}
