/**
 * fact - what has happened, one immutable row each, with the decision that was made of it
 *
 * A fact stores its decision (status effect, list effect, rule, settings version) and not only its input, so that the fold needs
 * no setting, rule or clock. The kinds and the shapes of their data are the types below; the dedup key of each kind is the table in
 * ledger/dedup. A released kind is never renamed or reused; `v` is the version of a kind's data, readers upcast.
 *
 * Pure. See also: ledger/world (the fold), ledger/decide (who makes facts), DESIGN, Events.
 */
import type { Fault as FaultParty, Reason } from '../classify/reasons.ts'
import type { Evidence, PauseClass, Permanence } from '../classify/verdict.ts'
import type { Action, ReportKind } from '../mail/report.ts'

export const LISTS = ['bounce', 'complaint', 'unsubscribe', 'block', 'allow'] as const
export type List = (typeof LISTS)[number]

/** What a fact does to a delivery's status: the stored decision. */
export type Effect = {
  readonly status: 1 | 4 | 5 | 18
  readonly subStatus: number | null
  readonly asynchronous: boolean
  readonly reason: Reason | null
  readonly permanence: Permanence | null
  readonly fault: FaultParty | null
  /** Rests on the reporter's own Status alone. */
  readonly weak: boolean
  readonly forwarded: boolean
  /** False for refusals by our own bounce list. */
  readonly billable: boolean
}

/** The verdict as it is stored beside its effect. */
export type VerdictNote = {
  readonly rule: string
  readonly table: string
  readonly reason: Reason
  readonly permanence: Permanence
  readonly pause: PauseClass | null
  readonly deferral: boolean
  readonly evidence: Evidence
}

export type RequestData = {
  readonly emailId: string
  readonly messageId: string
  /** Null: a broadcast row without an address. */
  readonly recipient: string | null
  readonly domain: string
  readonly site: string
  readonly apiUser: string
  readonly labelId: number | null
  readonly label: string | null
  readonly emailType: 'trigger' | 'batch'
  readonly broadcast: string | null
  readonly contactTypes: readonly string[]
  readonly from: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly messageIdHeader: string
  readonly requestIp: string | null
  /** Null while sending; a list hit or an unlawful address is decided at once. */
  readonly effect: Effect | null
  readonly duplicate: boolean
}

export type AttemptData = {
  readonly n: number
  readonly code: number | null
  readonly text: string
  readonly error: string | null
  readonly mx: string | null
  readonly site: string
  readonly egressIp: string | null
  readonly final: boolean
  readonly verdict: VerdictNote | null
  readonly effect: Effect | null
}

/** What every fact out of a mail carries: where the mail is and why it was believed. */
export type MailNote = {
  readonly digest: string
  readonly reportKind: ReportKind
  readonly format: string
  readonly reporter: string | null
  readonly matchedBy: string | null
  readonly trustedBy: string | null
  readonly source: 'smtp' | 'replay' | 'inbox'
  readonly sessionId: string
}

export type FailedData = {
  readonly mail: MailNote
  readonly recipient: string | null
  readonly status: string | null
  readonly remoteMta: string | null
  readonly site: string
  readonly verdict: VerdictNote
  readonly effect: Effect | null
}
export type DelayedData = {
  readonly mail: MailNote
  readonly recipient: string | null
  readonly status: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
  readonly verdict: VerdictNote
}
export type DeliveredData = { readonly mail: MailNote; readonly recipient: string | null; readonly action: Action; readonly effect: Effect | null }
export type ComplaintData = {
  readonly mail: MailNote
  readonly feedbackType: string
  readonly reporter: string
  readonly episode: string
  readonly counts: boolean
}
export type NotSpamData = { readonly mail: MailNote; readonly reporter: string }
export type UnsubscribeData = {
  readonly by: 'page' | 'one-click' | 'mailto' | 'complaint' | 'api'
  readonly type: 0 | 1 | 2 | 3
  readonly ip: string | null
  readonly mail: MailNote | null
}
export type EngagementData = { readonly requestId: string; readonly url: string | null; readonly ip: string | null; readonly agent: string | null }
export type FiledData = { readonly mail: MailNote; readonly what: string }
export type StubData = { readonly by: string; readonly recipient: string | null }
export type GaveUpData = { readonly effect: Effect; readonly lastText: string | null }

export type ListAction = 'add' | 'remove' | 'hold' | 'apply' | 'discard'
/** One change of one entry; the entry's latest change number wins. Times are epoch ms; `until` null is for ever. */
export type ListData = {
  readonly list: List
  readonly scope: string
  readonly change: number
  readonly action: ListAction
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
  readonly n: number
  readonly from: number
  readonly until: number | null
  readonly reason: string
  readonly rule: string | null
  readonly site: string | null
  readonly cause: string | null
  /** Who did it when it was no mail: `api:user`, `operator`, `lift`. */
  readonly by: string | null
  /** unsubscribeType of the compatible API. */
  readonly unsubscribeType: 0 | 1 | 2 | 3
}

export const INBOX_REASONS = ['unreadable', 'unmatched', 'unverified', 'expired', 'unregistered', 'foreign', 'postmaster', 'other'] as const
export type InboxReason = (typeof INBOX_REASONS)[number]
export type InboxState = 'open' | 'accepted' | 'discarded' | 'linked' | 'replayed'
export type InboxData = {
  readonly digest: string
  readonly state: InboxState
  /** Rises by one with each change; the highest wins. */
  readonly change: number
  readonly reason: InboxReason
  readonly reportKind: ReportKind
  readonly from: string | null
  readonly to: string
  readonly subject: string | null
  readonly summary: string
  readonly guess: string | null
  readonly by: string | null
}

export type AlarmData = { readonly alarm: string; readonly text: string; readonly detail: Readonly<Record<string, string | number>> }
/** The brake of one site: held or released, by its change number. */
export type BrakeData = { readonly site: string; readonly held: boolean; readonly change: number; readonly text: string; readonly by: string | null }
export type ReclassifiedData = { readonly supersedes: string; readonly table: string; readonly verdict: VerdictNote; readonly effect: Effect | null }
export type AuditData = { readonly by: string; readonly action: string; readonly detail: Readonly<Record<string, string | number | boolean | null>> }
export type ErasedData = { readonly by: string }

export type FactData = {
  readonly request: RequestData
  readonly stub: StubData
  readonly attempt: AttemptData
  readonly failed: FailedData
  readonly delayed: DelayedData
  readonly delivered: DeliveredData
  readonly complaint: ComplaintData
  readonly 'not-spam': NotSpamData
  readonly unsubscribe: UnsubscribeData
  readonly open: EngagementData
  readonly click: EngagementData
  readonly filed: FiledData
  readonly 'gave-up': GaveUpData
  readonly list: ListData
  readonly inbox: InboxData
  readonly alarm: AlarmData
  readonly brake: BrakeData
  readonly reclassified: ReclassifiedData
  readonly audit: AuditData
  readonly erased: ErasedData
}
export type FactKind = keyof FactData

export type FactHead = {
  /** UUIDv7, lower case with dashes. */
  readonly id: string
  readonly v: number
  /** When it happened, and when we heard of it; epoch ms. */
  readonly at: number
  readonly receivedAt: number
  /** 0: nobody's (the operator's). */
  readonly account: number
  readonly deliveryId: string | null
  /** yyyymm of the delivery's registration, 0 where there is none. */
  readonly deliveryMonth: number
  /** What the dedup key is unique under: the deliveryId, `list:…`, `mail:<digest>`, `site:…`. */
  readonly subject: string
  readonly dedupKey: string
  /** SHA-256 of the normalised address, hex. */
  readonly addressHash: string | null
  readonly settingsVersion: number
}

export type Fact = { readonly [K in FactKind]: FactHead & { readonly kind: K; readonly data: FactData[K] } }[FactKind]
export type FactOf<K extends FactKind> = Extract<Fact, { readonly kind: K }>
