/**
 * report - what one report changes
 *
 * | report                      | status                        | list                        |
 * |-----------------------------|-------------------------------|-----------------------------|
 * | failed                      | 4 or 5, asynchronous          | ledger/suppress/bounce-list           |
 * | delayed                     | recorded                      |                             |
 * | delivered, relayed, expanded| sending → delivered           | drops what the brake holds  |
 * | complaint of a listed type  | recorded                      | complaint, 180 days         |
 * | opt-out, opt-out-list       | recorded                      | unsubscribe                 |
 * | any other complaint         | recorded, alarm               |                             |
 * | not-spam, as well proven    | recorded                      | lifts that complaint's entry|
 * | unsubscribe by mail         | recorded                      | unsubscribe                 |
 * | auth-failure, MDN, auto-reply| filed                        |                             |
 * | about a retired mail        |                               | ledger/decide/retired, or inbox |
 * | anything with a problem     | inbox                         |                             |
 *
 * The address that a status or a list takes is the delivery's own, never the report's. Pure: the World is only read; the caller applies the
 * facts before it decides the next mail. See also: correlate/match, ledger/decide/recipients, ledger/decide/complaint.
 */
import type { Match } from '../../correlate/match.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { Report, ReportKind } from '../../mail/report.ts'
import { decideComplaint, decideNotSpam } from './complaint.ts'
import { decideRecipients } from './recipients.ts'
import { decideRemains } from './retired.ts'
import { optOut } from './opt-out.ts'
import { blankDelivery } from '../project/delivery.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { draftFor, type Draft } from '../facts/fact-batch.ts'
import type { Fact, InboxReason, Tie } from '../facts/fact.ts'
import { makeFact, type Moment, ofDelivery, ofMail } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, World } from '../project/state.ts'

export type ReportInput = {
  readonly world: World
  readonly report: Report
  /** One for each of `report.recipients`, in order; null: that group needs none. */
  readonly verdicts: readonly (Verdict | null)[]
  /** The provider's site of each group's Remote-MTA, in order; null: its name says nothing that we know. */
  readonly sites: readonly (string | null)[]
  readonly match: Match<DeliveryRow>
  /** Names the mail (reports). */
  readonly digest: string
  /** Sent to `postmaster` or `abuse`: a person reads it unless it proves to be a report. */
  readonly isForPeople: boolean
  /** Who signed it: the aligned DKIM domain, else the domain of From; '' where there is none. */
  readonly reporter: string
  /** Of the account that `match` names. */
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** A report that is tied to a delivery, and may change it. */
export type TiedReport = ReportInput & { readonly delivery: DeliveryRow; readonly tie: Tie }

/** What each kind of tied report does. */
const DOORS = {
  bounce: decideRecipients,
  delay: decideRecipients,
  delivered: decideRecipients,
  complaint: decideComplaint,
  'not-spam': decideNotSpam,
  unsubscribe: optOutByMail,
  'auth-failure': file,
  'auto-reply': file,
  mdn: file,
  other: fileAndShow,
  unreadable: fileAndShow,
} as const satisfies Record<ReportKind, (input: TiedReport, draft: Draft) => void>

const FILED = { 'auth-failure': 'auth-failure', mdn: 'mdn', 'auto-reply': 'auto-reply' } as const satisfies Partial<
  Record<ReportKind, string>
>

/** The facts of one report; none where everything is known. Total. */
export function decideReport(input: ReportInput): readonly Fact[] {
  const late = decideRemains(input)
  if (late !== null) return late
  const draft = draftFor(input.world)
  const tied = tie(input, draft)
  if (tied !== null) DOORS[input.report.kind](tied, draft)
  else if (Object.hasOwn(FILED, input.report.kind) && !input.isForPeople && input.match.problem !== 'cut') draft.add(filed(input, null))
  else draft.add(inboxFact(input, reasonOf(input)))
  return draft.facts
}

/** Null: it points at nothing, or proves too little. A stub is written down first. */
function tie(input: ReportInput, draft: Draft): TiedReport | null {
  const { match, moment } = input
  if (match.problem !== null || match.deliveryId === null || match.proof === null) return null
  const known: Tie = { via: match.via ?? 'hand', proof: match.proof }
  // The world may have moved on since the match was made: an earlier mail of the same batch.
  const now = input.world.deliveries.get(match.deliveryId) ?? match.delivery
  if (now !== null) return { ...input, delivery: now, tie: known }
  if (!match.stub) return null
  const about = { account: match.account, subject: match.deliveryId, deliveryMonth: monthOfDelivery(match.deliveryId) }
  const delivery = blankDelivery(about)
  draft.add(makeFact('stub', ofDelivery(delivery), moment, { tie: known }))
  return { ...input, delivery, tie: known }
}

function reasonOf({ world, report, match, isForPeople }: ReportInput): InboxReason {
  if (match.problem === 'cut') return 'cut'
  if (report.kind === 'unreadable') return 'unreadable'
  const isRetired = match.deliveryId !== null && world.remains.has(match.deliveryId)
  return isForPeople ? 'postmaster' : (match.problem ?? (isRetired ? 'expired' : 'unmatched'))
}

const MAX_LINE = 256
const MAX_SUMMARY = 1_024

function inboxFact({ report, match, digest, moment }: ReportInput, reason: InboxReason): Fact {
  return makeFact('inbox', ofMail(match.account, digest, match.deliveryId), moment, {
    state: 'open',
    reason,
    mail: report.kind,
    from: report.from?.slice(0, MAX_LINE) ?? null,
    subject: report.subject?.slice(0, MAX_LINE) ?? null,
    summary: summaryOf(report),
    guess: match.deliveryId,
    actor: null,
  })
}

/** What an operator sees before opening it. */
function summaryOf(report: Report): string {
  const replies = report.recipients.map((each) => `${each.recipient ?? '?'}: ${each.text}`)
  const words =
    report.complaint === null
      ? [...replies, report.text]
      : [`${report.complaint.feedbackType} ${report.complaint.sourceIp ?? ''}`, report.text]
  return words.join(' | ').replace(/\s+/g, ' ').slice(0, MAX_SUMMARY)
}

function filed(input: ReportInput, tied: TiedReport | null): Fact {
  const { report, match, digest, moment } = input
  const about = tied === null ? ofMail(match.account, digest, null) : ofDelivery(tied.delivery)
  const what = report.kind === 'auth-failure' || report.kind === 'mdn' || report.kind === 'auto-reply' ? report.kind : 'other'
  return makeFact('filed', about, moment, {
    what,
    from: report.from?.slice(0, MAX_LINE) ?? null,
    subject: report.subject?.slice(0, MAX_LINE) ?? null,
    text: report.text.slice(0, MAX_SUMMARY),
    tie: tied?.tie ?? null,
    digest,
  })
}

function file(input: TiedReport, draft: Draft): void {
  draft.add(filed(input, input))
}

/** Mail that nobody could read as a report is filed with its delivery and shown to a person: it may be a bounce of a new shape. */
function fileAndShow(input: TiedReport, draft: Draft): void {
  draft.addWith(filed(input, input), () => [inboxFact(input, reasonOf(input))])
}

function optOutByMail(input: TiedReport, draft: Draft): void {
  optOut({ ...input, how: 'mailto', type: 0, ip: null, userAgent: null, digest: input.digest, proof: input.tie.proof }, draft)
}
