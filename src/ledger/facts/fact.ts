/**
 * fact - what has happened, as immutable values
 *
 * A fact stores the decision and not only its input, so that folding facts reads no setting, rule or clock. `subject` and
 * `dedupKey` say when two facts are one: the same fact in two wrappings counts once, what legitimately recurs counts again.
 * Kinds are never renamed or reused; a changed data shape takes a new `v`.
 *
 * Pure. See also: ledger/facts/report-facts, ledger/facts/operator-facts (more shapes), ledger/facts/dedup-key (the keys), ledger/project/fold (what they add up to), ledger/decide/report (who makes them).
 */
import type { FaultParty, Reason } from '../../classify/reasons.ts'
import type { VerdictEvidence, Permanence } from '../../classify/verdict.ts'
import type { AlarmData, AuditData, MassBounceData, ErasedData, ReclassifiedData } from './operator-facts.ts'
import type { AlertData } from './alert-facts.ts'
import type { QueueData } from './queue-facts.ts'
import type { ForwardData } from './forward-facts.ts'
import type { ComplaintData, DelayedData, DeliveredData, FiledData, NotSpamData } from './report-facts.ts'

/** 18 sending, 1 delivered, 4 invalid email, 5 soft bounce. */
export type DeliveryStatus = 18 | 1 | 4 | 5

/** What a fact does to the status of its delivery. Null in a fact: nothing. */
export type StatusEffect = {
  readonly status: DeliveryStatus
  readonly subStatus: number | null
  readonly asynchronous: boolean
  readonly reason: Reason | null
  readonly permanence: Permanence | null
  readonly fault: FaultParty | null
  /** Rests on the reporter's own Status alone. */
  readonly weak: boolean
  /** Final-Recipient stood at another domain: the mail was forwarded, and no list takes anything from it. */
  readonly forwarded: boolean
  /** A permanent not-exist for an address with a delivery, open or click in the 30 days before: what the brake watches. */
  readonly engaged: boolean
}

/** The proof that stays beside the decision. `text` is at most 2,048 characters. */
export type VerdictSummary = {
  readonly rule: string
  readonly table: string
  readonly reason: Reason
  readonly permanence: Permanence
  readonly matched: readonly string[]
  readonly text: string
  readonly code: number | null
  readonly replyStatus: string | null
  readonly permanenceFrom: VerdictEvidence['permanenceFrom']
  readonly provider: string | null
}

/** From strong to weak: a reporter's aligned signature beside our token, our token alone, an operator's word. */
export const PROOFS = ['signed', 'token', 'operator'] as const
export type Proof = (typeof PROOFS)[number]

/** How a report was tied to its delivery (`via`: correlate/references), and how well that is proven. */
export type MatchProvenance = { readonly via: string; readonly proof: Proof }

export type EmailType = 'trigger' | 'batch'
export const LIST_NAMES = ['bounce', 'complaint', 'unsubscribe', 'block', 'allow'] as const
export type ListName = (typeof LIST_NAMES)[number]

/** One recipient registered: all that its delivery row is made of. */
export type RequestData = {
  readonly emailId: string
  readonly messageId: string
  readonly recipient: string | null
  readonly domain: string
  readonly site: string | null
  readonly apiUser: string
  readonly labelId: number | null
  readonly label: string | null
  readonly emailType: EmailType
  readonly broadcast: string | null
  readonly from: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly messageIdHeader: string
  readonly requestIp: string | null
  readonly requestedAt: number
  /** Where the broadcast view begins (ledger/project/broadcast-result). */
  readonly result: 'unsent' | 'sent' | 'duplicate' | 'no-email-selected'
  readonly settingsVersion: number
}

/** A valid token of an account that mints offline, before anybody registered its delivery. */
export type StubData = { readonly tie: MatchProvenance }

export type AttemptError = 'dns' | 'connect' | 'timeout' | 'tls' | 'dropped'

export type AttemptData = {
  readonly n: number | null
  readonly code: number | null
  readonly status: string | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly site: string
  readonly final: boolean
  /** `queue`: our own queue heard it; `api`: a sender told us. */
  readonly source: 'queue' | 'api'
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly settingsVersion: number
}

export type FailedData = {
  /** `report`: an NDR; `list`: one of our own lists, or the sender's list of a broadcast; `address`: nothing that one can send to. */
  readonly source: 'report' | 'list' | 'address'
  /** Whom the report names, for the timeline; lists never take it. */
  readonly reported: string | null
  readonly reportedDomain: string | null
  readonly reportStatus: string | null
  readonly remoteMta: string | null
  /** Where it was refused, as far as it was known at the decision. */
  readonly site: string | null
  /** The provider's site that a proven report's Remote-MTA stands at, where neither domain nor attempt named one; else null. */
  readonly remoteSite: string | null
  readonly text: string
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly tie: MatchProvenance | null
  readonly digest: string | null
  /** False: our bounce list answered or a broadcast left it out, which costs nothing. */
  readonly billable: boolean
  readonly settingsVersion: number
}

/** 0 does not want it any more, 1 never subscribed, 2 spam, 3 fraud. */
export type UnsubscribeType = 0 | 1 | 2 | 3

export type UnsubscribeData = {
  readonly how: 'page' | 'one-click' | 'mailto' | 'report'
  readonly type: UnsubscribeType
  /** '' (the account) or a label. */
  readonly scope: string
  /** The change of the entry that it made, or that it found standing. */
  readonly change: number
  readonly ip: string | null
  readonly userAgent: string | null
  readonly digest: string | null
  readonly settingsVersion: number
}

export type EngagementData = {
  readonly requestId: string
  readonly url: string | null
  readonly ip: string | null
  readonly userAgent: string | null
}

export type ListAction = 'add' | 'remove' | 'hold' | 'apply' | 'discard'

/** How one entry stands after this change; the change with the highest number is the entry. */
export type ListData = {
  readonly list: ListName
  readonly scope: string
  readonly change: number
  readonly action: ListAction
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
  /** How many hits in a row: the rung of the ladder. */
  readonly n: number
  readonly from: number
  /** Null: for ever. */
  readonly until: number | null
  readonly removedAt: number | null
  readonly pending: boolean
  readonly reason: string
  readonly rule: string | null
  readonly site: string | null
  /** The delivery that the entry comes from. */
  readonly deliveryId: string | null
  readonly proof: Proof | null
  readonly unsubscribeType: UnsubscribeType | null
  readonly apiUser: string | null
  readonly labelId: number | null
  /** The fact that caused the change; null where a person did. */
  readonly cause: string | null
  /** Who did it by hand. */
  readonly actor: string | null
  readonly settingsVersion: number
}

/** Why a mail lies in the inbox. */
export type InboxReason = 'unreadable' | 'unmatched' | 'unverified' | 'expired' | 'unregistered' | 'ambiguous' | 'postmaster' | 'cut'
export type InboxState = 'open' | 'accepted' | 'discarded' | 'linked' | 'replayed'

export type InboxData = {
  readonly state: InboxState
  readonly reason: InboxReason
  /** The report's kind. */
  readonly mail: string
  readonly from: string | null
  readonly subject: string | null
  readonly summary: string
  /** The delivery that the mail may be about. */
  readonly guess: string | null
  readonly actor: string | null
}

export type GaveUpData = {
  readonly afterDays: number
  /** What was answered last; facts of old have none. */
  readonly text?: string
  readonly effect: StatusEffect
  readonly verdict: VerdictSummary | null
  readonly settingsVersion: number
}

/** The data of each kind. */
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
  readonly list: ListData
  readonly inbox: InboxData
  readonly 'gave-up': GaveUpData
  readonly route: ForwardData
  readonly alarm: AlarmData
  readonly alert: AlertData
  readonly brake: MassBounceData
  readonly queue: QueueData
  readonly reclassified: ReclassifiedData
  readonly audit: AuditData
  readonly erased: ErasedData
}
export type FactKind = keyof FactData

/** The present shape of each kind. Readers upcast older ones. */
export const FACT_VERSIONS = {
  request: 1,
  stub: 1,
  attempt: 1,
  failed: 1,
  delayed: 1,
  delivered: 1,
  complaint: 1,
  'not-spam': 1,
  unsubscribe: 1,
  open: 1,
  click: 1,
  filed: 1,
  list: 1,
  inbox: 1,
  'gave-up': 1,
  route: 1,
  alarm: 1,
  alert: 1,
  brake: 1,
  queue: 1,
  reclassified: 1,
  audit: 1,
  erased: 1,
} as const satisfies Record<FactKind, number>

type FactEnvelope<K extends FactKind> = {
  /** UUIDv7, lower hex with dashes. */
  readonly id: string
  readonly kind: K
  readonly v: number
  /** When it happened; epoch milliseconds, as `receivedAt`, when we learnt it. */
  readonly at: number
  readonly receivedAt: number
  /** 0: nobody's, the operator's. */
  readonly account: number
  readonly deliveryId: string | null
  /** yyyymm of the delivery's registration, so that a late fact lies where its mail is; 0: tied to no delivery. */
  readonly deliveryMonth: number
  /** The deliveryId, `list:…`, `mail:…`, `site:…`, `address:…`, `flood:…`, `endpoint:…`, `queue:…` or `audit:…`. */
  readonly subject: string
  readonly dedupKey: string
  readonly addressHash: string | null
  readonly data: FactData[K]
}

export type FactOf<K extends FactKind> = { readonly [Kind in K]: FactEnvelope<Kind> }[K]
export type Fact = FactOf<FactKind>
