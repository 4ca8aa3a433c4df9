/**
 * state - the rows that facts fold into, as far as one batch has loaded them
 *
 * The store loads a LedgerState, decisions read it, `applyFact` (ledger/project/fold) changes it, and the store saves what is marked dirty.
 * It is the one mutable value of the pure core, and belongs to its caller. Only the functions of this file create its keys.
 *
 * Before facts are decided or applied, the following must be loaded: the deliveries and the dedup keys of their facts; all facts of a
 * delivery whose row is `reclassified` or that gets a reclassified fact; the entries of the address on every list (those of account 0 too
 * if the shared list is on); the last deliveries to the address (`addressHistory`); the state of the site, and its counters of the last
 * 7 days.
 *
 * Pure. See also: ledger/facts/fact, ledger/project/fold, store/facts/ledger-state.
 */
import type { Proof, DeliveryStatus } from '../facts/decision.ts'
import type { EmailType, UnsubscribeType } from '../facts/delivery-facts.ts'
import type { Fact } from '../facts/fact.ts'
import type { InboxReason, InboxState } from '../facts/inbox-facts.ts'
import type { ListName } from '../facts/list-facts.ts'
import type { FaultParty, Reason } from '../../classify/reasons.ts'
import type { Permanence } from '../../classify/verdict.ts'
import type { BaseBroadcastResult, BroadcastResult } from './broadcast-result.ts'

export type DeliveryRow = {
  readonly account: number
  readonly deliveryId: string
  readonly month: number
  /** Null until the delivery is registered. */
  readonly emailId: string | null
  readonly messageId: string | null
  readonly recipient: string | null
  readonly addressHash: string | null
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
  readonly messageIdHeader: string | null
  readonly requestIp: string | null
  /** Of the last attempt, as `mx`, and `site` after the first attempt. */
  readonly egressIp: string | null
  readonly mx: string | null
  /** Orders attempts by number, time and id. '' if there is none. */
  readonly routeKey: string
  readonly requestedAt: number
  readonly registered: boolean
  readonly status: DeliveryStatus
  readonly subStatus: number | null
  readonly asynchronous: boolean
  readonly reason: Reason | null
  readonly permanence: Permanence | null
  readonly fault: FaultParty | null
  readonly weak: boolean
  readonly forwarded: boolean
  readonly engaged: boolean
  readonly statusAt: number
  /** The fact that set the status; '' if none did. */
  readonly statusFact: string
  readonly statusRank: number
  /** The rule that decided that fact. */
  readonly rule: string | null
  /** The recipient's domain in the report that set the status. A stub needs it when it is registered later. */
  readonly reportedDomain: string | null
  /** The provider's site of that report's Remote-MTA, if neither domain nor attempt named a site. */
  readonly remoteSite: string | null
  /** The reply text of the fact that set the status, at most 512 characters. */
  readonly sendLog: string
  readonly deliveredAt: number | null
  /** The first open and the first click that count. */
  readonly openedAt: number | null
  readonly clickedAt: number | null
  /** The last open or click that counts. */
  readonly touchedAt: number | null
  readonly attempts: number
  /** All of them, those of machines included. */
  readonly opens: number
  readonly clicks: number
  readonly machineOpens: number
  readonly machineClicks: number
  readonly complaints: number
  readonly unsubscribes: number
  /** One more than the highest episode of a complaint, and of a not-spam. */
  readonly complaintEpisode: number
  readonly notSpamEpisode: number
  readonly modifiedAt: number
  readonly result: BroadcastResult
  /** The result before opens and clicks, and the fact that set it. */
  readonly resultBase: BaseBroadcastResult
  readonly resultRank: number
  readonly resultAt: number
  readonly resultFact: string
  /** Its facts include a reclassified fact: they must all be loaded before another fact is applied. */
  readonly reclassified: boolean
}

/**
 * The site for which the outcome of a delivery counts: from the report that set the status, else from the last attempt, else from the
 * registration. Null until the delivery is registered.
 */
export const receivingSiteOf = ({ remoteSite, site }: Pick<DeliveryRow, 'remoteSite' | 'site'>): string | null => remoteSite ?? site

export type SuppressionRow = {
  readonly account: number
  readonly list: ListName
  readonly addressHash: string
  /** '' or a label or an API user. */
  readonly scope: string
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
  readonly n: number
  readonly change: number
  readonly from: number
  /** Null: no end. */
  readonly until: number | null
  readonly removedAt: number | null
  readonly pending: boolean
  readonly reason: string
  readonly rule: string | null
  readonly site: string | null
  readonly deliveryId: string | null
  readonly proof: Proof | null
  readonly unsubscribeType: UnsubscribeType | null
  readonly apiUser: string | null
  readonly labelId: number | null
  readonly factId: string
}

export type InboxRow = {
  readonly account: number
  readonly digest: string
  readonly reason: InboxReason
  /** The report's kind. */
  readonly kind: string
  readonly state: InboxState
  readonly receivedAt: number
  readonly from: string | null
  readonly subject: string | null
  readonly summary: string
  /** The delivery that the mail may be about. */
  readonly deliveryId: string | null
  /** Of the last change. The later change wins. */
  readonly stateAt: number
  readonly factId: string
}

/** What deliveries are counted by; `invalid` also by sub status. `unique-…`: deliveries with an open or a click that counts. */
export type BasicCounterMetric =
  | 'request'
  | 'delivered'
  | 'invalid'
  | 'soft-bounce'
  | 'open'
  | 'click'
  | 'unique-open'
  | 'unique-click'
  | 'machine-open'
  | 'machine-click'
  | 'complaint'
  | 'unsubscribe'
export type CounterMetric = BasicCounterMetric | `invalid-${number}`

/** A delta. The store adds it to its row. */
export type CounterRow = {
  readonly account: number
  /** Start of the UTC quarter-hour in which the mail was requested. */
  readonly quarter: number
  readonly apiUser: string
  readonly labelId: number
  readonly domain: string
  readonly metric: CounterMetric
  readonly n: number
}

/** `outcomes`: all final outcomes. `hits`: permanent `not-exist`. `engaged`: hits on addresses that were alive within 30 days. */
export type SiteMetric = 'outcomes' | 'hits' | 'engaged'

/** A sum if loaded, a delta if saved. `quarter` is the quarter-hour of the outcome. */
export type SiteCounterRow = { readonly site: string; readonly quarter: number; readonly metric: SiteMetric; readonly n: number }

/** Whether the mass-bounce guard holds a site. */
export type SiteState = {
  readonly site: string
  readonly held: boolean
  readonly change: number
  /** When it was last held or released. */
  readonly at: number
  readonly factId: string
}

/** What is kept of a retired delivery (ledger/project/retired-delivery). */
export type RetiredDelivery = Pick<DeliveryRow, 'account' | 'deliveryId' | 'month' | 'domain' | 'apiUser' | 'labelId' | 'label'> & {
  readonly addressHash: string
}

export type LedgerState = {
  readonly deliveries: Map<string, DeliveryRow>
  /** Retired deliveries by deliveryId, if they were requested. Read only. */
  readonly retired: Map<string, RetiredDelivery>
  /** The last deliveries to an address (at most 100 are loaded), by addressKey, then by deliveryId. */
  readonly addressHistory: Map<string, Map<string, DeliveryRow>>
  readonly suppressions: Map<string, SuppressionRow>
  readonly inbox: Map<string, InboxRow>
  readonly sites: Map<string, SiteState>
  /** Loaded sums and the deltas of this batch together, by siteCounterKey. */
  readonly siteCounts: Map<string, number>
  /** The quarter-hours of a site in `siteCounts`: a week has 672, and few of them are loaded. */
  readonly siteQuarters: Map<string, Set<number>>
  /** Keys of stored and of applied facts, by factKey. */
  readonly seenKeys: Set<string>
  /** All facts of a delivery, if they were requested. */
  readonly facts: Map<string, Fact[]>
  /** Keeps the facts of each delivery that begins in this state (rebuild, tests). */
  readonly keepsFacts: boolean
  /** What the store must write. */
  readonly newFacts: Fact[]
  readonly dirty: {
    readonly deliveries: Set<string>
    readonly suppressions: Set<string>
    readonly inbox: Set<string>
    readonly sites: Set<string>
    readonly counters: Map<string, CounterRow>
    readonly siteCounters: Map<string, SiteCounterRow>
  }
}

/** An empty state. */
export function createLedgerState(options: { readonly keepsFacts?: boolean } = {}): LedgerState {
  return {
    deliveries: new Map(),
    retired: new Map(),
    addressHistory: new Map(),
    suppressions: new Map(),
    inbox: new Map(),
    sites: new Map(),
    siteCounts: new Map(),
    siteQuarters: new Map(),
    seenKeys: new Set(),
    facts: new Map(),
    keepsFacts: options.keepsFacts ?? false,
    newFacts: [],
    dirty: {
      deliveries: new Set(),
      suppressions: new Set(),
      inbox: new Set(),
      sites: new Set(),
      counters: new Map(),
      siteCounters: new Map(),
    },
  }
}

/** The key of `addressHistory`. */
export const addressKey = (account: number, addressHash: string): string => `${account}/${addressHash}`

/** The key of `suppressions`. */
export function suppressionKey(row: Pick<SuppressionRow, 'account' | 'list' | 'addressHash' | 'scope'>): string {
  return `${row.account}/${row.list}/${row.addressHash}/${row.scope}`
}

/** The key of `inbox`. A mail is there once, whichever account it belongs to. */
export const inboxKey = (digest: string): string => digest

/** The key of `siteCounts`. */
export const siteCounterKey = (site: string, quarter: number, metric: SiteMetric): string => `${site}/${quarter}/${metric}`

/** Adds to the sums of a site, for loaded rows and for applied facts. */
export function addSiteCount(ledger: LedgerState, row: SiteCounterRow): void {
  const key = siteCounterKey(row.site, row.quarter, row.metric)
  ledger.siteCounts.set(key, (ledger.siteCounts.get(key) ?? 0) + row.n)
  const quarters = ledger.siteQuarters.get(row.site)
  if (quarters === undefined) ledger.siteQuarters.set(row.site, new Set([row.quarter]))
  else quarters.add(row.quarter)
}

/** The key of `seenKeys`: the store's unique key of a fact. */
export function factKey(fact: Pick<Fact, 'deliveryMonth' | 'account' | 'subject' | 'dedupKey'>): string {
  return `${fact.deliveryMonth}/${fact.account}/${fact.subject}/${fact.dedupKey}`
}

/** The period of all counters. */
export const QUARTER_HOUR_MS = 900_000

/** The start of the UTC quarter-hour of a moment. */
export const quarterHourOf = (at: number): number => Math.floor(at / QUARTER_HOUR_MS) * QUARTER_HOUR_MS
