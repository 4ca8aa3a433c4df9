/**
 * report-input - what the decision about a report reads
 *
 * Pure. See also: ledger/decide/report, ledger/decide/recipients, ledger/decide/complaint, ledger/decide/retired.
 */
import type { ReportMatch } from '../../correlate/match.ts'
import type { Verdict } from '../../classify/verdict.ts'
import type { Report } from '../../mail/report.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { MatchProvenance } from '../facts/decision.ts'
import type { TlsReportOrigin } from './tls-report.ts'
import type { FactMoment } from '../facts/new-fact.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'

/** A report with everything that its decision depends on. */
export type ReportInput = {
  readonly ledger: LedgerState
  readonly report: Report
  /** One for each of `report.recipients`, in order; null: the group needs none. */
  readonly verdicts: readonly (Verdict | null)[]
  /** The provider's site of each group's Remote-MTA, in order; null: the host name is unknown. */
  readonly sites: readonly (string | null)[]
  readonly match: ReportMatch<DeliveryRow>
  /** Identifies the mail. */
  readonly digest: string
  /** Sent to `postmaster` or `abuse`: a person reads it unless it proves to be a report. */
  readonly isForHumans: boolean
  /** Every recipient that the report names is an address of ours: an answer to one of our mails could not be delivered (a double bounce). */
  readonly isDoubleBounce: boolean
  /** An MTA whose log is followed wrote the report: what it says is an outcome in the SMTP session, which the log has as well. */
  readonly isFromFollowedMta?: boolean
  /** Of a TLS report. Absent: nothing proves it. */
  readonly tlsReportOrigin?: TlsReportOrigin
  /** The signer: the aligned DKIM domain, else the domain of From; '' if there is none. */
  readonly reporter: string
  /** Of the account that `match` names. */
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** A report that is matched to a delivery and may change it. */
export type MatchedReport = ReportInput & { readonly delivery: DeliveryRow; readonly tie: MatchProvenance }
