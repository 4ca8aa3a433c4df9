/**
 * state - the rows that facts add up to, as far as a batch has loaded them
 *
 * The store loads a World, decisions read it, `applyFact` (ledger/project/fold) changes it, the store saves what is marked dirty. It is
 * the one mutable value of the core; whoever holds it owns it. Keys are made by the functions here and nowhere else.
 *
 * What must be loaded before facts are decided or applied: the delivery and the dedup keys of its facts; all facts of a delivery
 * whose row says `reclassified` or that gets a reclassified fact; the entries of an address on every list (of account 0 too where
 * the shared list is on); the address's last deliveries (`history`); the site's state and its counters of the last 7 days.
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
import type { RetiredDelivery } from './retired-delivery.ts'

/** The broadcast view (ledger/project/broadcast-result). */
export type BroadcastResult =
  | 'unsent'
  | 'sent'
  | 'soft-bounced'
  | 'delivered'
  | 'blocked'
  | 'failed'
  | 'bounced'
  | 'duplicate'
  | 'no-email-selected'
  | 'opened'

export type DeliveryRow = {
  readonly account: number
  readonly deliveryId: string
  readonly month: number
  /** Null until it is registered. */
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
  /** Of the last attempt, as `mx` and then `site`. */
  readonly egressIp: string | null
  readonly mx: string | null
  /** Orders attempts: number, time, id. '' while there is none. */
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
  /** The fact that won; '' while none did. */
  readonly statusFact: string
  readonly statusRank: number
  /** The rule that decided the winner. */
  readonly rule: string | null
  /** What the winner's report called the recipient's domain; a stub that is registered later needs it. */
  readonly reportedDomain: string | null
  /** The provider's site that the winner's Remote-MTA stands at, where neither domain nor attempt named one. */
  readonly remoteSite: string | null
  /** The winner's words, at most 512 characters. */
  readonly sendLog: string
  readonly deliveredAt: number | null
  /** The first of each. */
  readonly openedAt: number | null
  readonly clickedAt: number | null
  /** The last open or click. */
  readonly touchedAt: number | null
  readonly attempts: number
  readonly opens: number
  readonly clicks: number
  readonly complaints: number
  readonly unsubscribes: number
  /** One more than the highest episode of a complaint, of a not-spam. */
  readonly complaintEpisode: number
  readonly notSpamEpisode: number
  readonly modifiedAt: number
  readonly result: BroadcastResult
  /** What the result was before opens, and the fact that made it so. */
  readonly resultBase: Exclude<BroadcastResult, 'opened'>
  readonly resultRank: number
  readonly resultAt: number
  readonly resultFact: string
  /** A reclassified fact is among its facts: they must all be loaded before another is applied. */
  readonly reclassified: boolean
}

/**
 * The site that a delivery's outcome counts for: what the report of its status said, else the route of the last attempt, else what was
 * known when it was requested. Null until it is registered.
 */
export const receivingSiteOf = ({ remoteSite, site }: Pick<DeliveryRow, 'remoteSite' | 'site'>): string | null => remoteSite ?? site

export type SuppressionRow = {
  readonly account: number
  readonly list: ListName
  readonly addressHash: string
  /** '' or a label. */
  readonly scope: string
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
  readonly n: number
  readonly change: number
  readonly from: number
  /** Null: for ever. */
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
  /** The delivery that it may be about. */
  readonly deliveryId: string | null
  /** Of the last change: higher wins. */
  readonly stateAt: number
  readonly factId: string
}

export type CounterMetric =
  | 'request'
  | 'delivered'
  | 'invalid'
  | 'soft-bounce'
  | 'open'
  | 'click'
  | 'unique-open'
  | 'unique-click'
  | 'complaint'
  | 'unsubscribe'
  | `invalid-${number}`

/** A delta: the store adds it to its row, in a slot of its choice. */
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

/** `outcomes`: all final outcomes; `hits`: permanent not-exist; `engaged`: hits on addresses that were alive within 30 days. */
export type SiteMetric = 'outcomes' | 'hits' | 'engaged'

/** As loaded: a sum; as saved: a delta. `quarter` is that of the outcome's own time. */
export type SiteCounterRow = { readonly site: string; readonly quarter: number; readonly metric: SiteMetric; readonly n: number }

/** Whether the brake holds a site. */
export type SiteState = {
  readonly site: string
  readonly held: boolean
  readonly change: number
  /** When it was last held or released. */
  readonly at: number
  readonly factId: string
}

export type LedgerState = {
  readonly deliveries: Map<string, DeliveryRow>
  /** Of retired deliveries, by deliveryId, where they were asked for; only read. */
  readonly retired: Map<string, RetiredDelivery>
  /** The last deliveries to an address (100 are plenty), by addressKey, then by deliveryId. */
  readonly addressHistory: Map<string, Map<string, DeliveryRow>>
  readonly suppressions: Map<string, SuppressionRow>
  readonly inbox: Map<string, InboxRow>
  readonly sites: Map<string, SiteState>
  /** Loaded sums and this batch's deltas together, by siteKey. */
  readonly siteCounts: Map<string, number>
  /** The quarters of a site that `siteCounts` knows of: a week has 672, and few of them are loaded. */
  readonly siteQuarters: Map<string, Set<number>>
  /** Dedup keys of stored and of applied facts, by seenKey. */
  readonly seenKeys: Set<string>
  /** All facts of a delivery, where they were asked for. */
  readonly facts: Map<string, Fact[]>
  /** Keep the facts of every delivery that begins in this world (rebuild, tests). */
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

/** A world in which nothing has happened. */
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

/** The key of `history`. */
export const addressKey = (account: number, addressHash: string): string => `${account}/${addressHash}`

/** The key of `suppressions`. */
export function suppressionKey(row: Pick<SuppressionRow, 'account' | 'list' | 'addressHash' | 'scope'>): string {
  return `${row.account}/${row.list}/${row.addressHash}/${row.scope}`
}

/** The key of `inbox`. A mail lies there once, whoever's it is. */
export const inboxKey = (digest: string): string => digest

/** The key of `siteCounts`. */
export const siteCounterKey = (site: string, quarter: number, metric: SiteMetric): string => `${site}/${quarter}/${metric}`

/** Adds to the sums of a site, as they are loaded and as facts are applied. */
export function addSiteCount(ledger: LedgerState, row: SiteCounterRow): void {
  const key = siteCounterKey(row.site, row.quarter, row.metric)
  ledger.siteCounts.set(key, (ledger.siteCounts.get(key) ?? 0) + row.n)
  const quarters = ledger.siteQuarters.get(row.site)
  if (quarters === undefined) ledger.siteQuarters.set(row.site, new Set([row.quarter]))
  else quarters.add(row.quarter)
}

/** The key of `seen`: the store's unique key of an event. */
export function factKey(fact: Pick<Fact, 'deliveryMonth' | 'account' | 'subject' | 'dedupKey'>): string {
  return `${fact.deliveryMonth}/${fact.account}/${fact.subject}/${fact.dedupKey}`
}

/** Quarter-hours are the grain of all counters. */
export const QUARTER_HOUR_MS = 900_000

/** The start of the UTC quarter-hour of a moment. */
export const quarterHourOf = (at: number): number => Math.floor(at / QUARTER_HOUR_MS) * QUARTER_HOUR_MS
