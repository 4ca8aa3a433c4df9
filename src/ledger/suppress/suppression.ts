/**
 * suppression - how long lists hold, what an entry answers, and when a hit is a new one
 *
 * The bounce list climbs a ladder: n rises by one only for a hit on a mail that was accepted for sending after the previous entry had
 * ended or was removed (three mails in one minute are one hit); life after the hit, with no report within seven days, begins anew.
 *
 * Pure. See also: ledger/suppress/address-history (the past of an address), ledger/suppress/list-entry (the facts), ledger/suppress/bounce-list (who calls it).
 */
import { hashDomain } from '../../correlate/address-hash.ts'
import type { ListName } from '../facts/list-facts.ts'
import { DAY_MS, isCleanSince } from './address-history.ts'
import type { AccountSettings } from '../account-settings.ts'
import { type DeliveryRow, suppressionKey, type SuppressionRow, type LedgerState } from '../project/state.ts'

const HOUR_MS = 3_600_000

/** Rungs in milliseconds; above the last one it holds or doubles, and never more than the cap. */
export type SuppressionLadder = { readonly rungs: readonly number[]; readonly above: 'hold' | 'double'; readonly cap: number }

const TENCENT_LADDER: SuppressionLadder = { rungs: [DAY_MS], above: 'double', cap: 30 * DAY_MS }

/** Named data: `engagelab` is what that vendor does, `sendcloud` what the other does. */
export const SUPPRESSION_LADDERS = {
  engagelab: { tencent: TENCENT_LADDER, others: { rungs: [30 * DAY_MS, 60 * DAY_MS, 180 * DAY_MS], above: 'hold', cap: 180 * DAY_MS } },
  sendcloud: {
    tencent: TENCENT_LADDER,
    others: { rungs: [HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, DAY_MS], above: 'double', cap: 180 * DAY_MS },
  },
} as const satisfies Record<AccountSettings['ladder'], { readonly tencent: SuppressionLadder; readonly others: SuppressionLadder }>

/** A repeated failure that is not "unknown" holds so long. */
export const REPEAT_SUPPRESSION_MS = 30 * DAY_MS

/** How long the n-th hit holds, n from 1. */
export function suppressionMsOf(ladder: SuppressionLadder, n: number): number {
  const rung = ladder.rungs[n - 1]
  if (rung !== undefined) return Math.min(rung, ladder.cap)
  const last = ladder.rungs[ladder.rungs.length - 1] ?? ladder.cap
  const steps = Math.min(n - ladder.rungs.length, 40)
  return Math.min(ladder.above === 'hold' ? last : last * 2 ** steps, ladder.cap)
}

/** Tencent's mailboxes: its domains, and domains whose MX stands under qq.com (the site of the delivery says so). */
function isTencentMailbox(row: Pick<DeliveryRow, 'domain' | 'site' | 'mx'>, settings: AccountSettings): boolean {
  const mx = row.mx?.toLowerCase().replace(/\.$/, '') ?? ''
  return settings.tencentDomains.includes(row.domain) || row.site === 'tencent' || mx === 'qq.com' || mx.endsWith('.qq.com')
}

/** When an entry ended or will end; null: never. */
export function entryEndOf(row: Pick<SuppressionRow, 'until' | 'removedAt'>): number | null {
  if (row.removedAt === null) return row.until
  return row.until === null ? row.removedAt : Math.min(row.until, row.removedAt)
}

/** Whether an entry suppresses at that moment. What the brake holds back does not. */
export function isEntryInForce(row: SuppressionRow, at: number): boolean {
  const end = entryEndOf(row)
  return !row.pending && (end === null || end > at)
}

/** Whether a mail was accepted for sending after an entry had ended: only then is a failure of it a new hit. */
export function isNewHit(entry: SuppressionRow | null, requestedAt: number): boolean {
  if (entry === null) return true
  const end = entryEndOf(entry)
  return (!entry.pending || entry.removedAt !== null) && end !== null && requestedAt > end
}

export type SuppressionHit = { readonly at: number; readonly delivery: DeliveryRow; readonly history: readonly DeliveryRow[] }

/** The next rung for a permanent not-exist; null: no new hit. */
export function climbLadder(
  entry: SuppressionRow | null,
  hit: SuppressionHit,
  settings: AccountSettings,
): { readonly n: number; readonly until: number } | null {
  if (!isNewHit(entry, hit.delivery.requestedAt)) return null
  const isFresh = entry === null || isCleanSince(hit.history, entry.from, hit.at)
  const n = isFresh ? 1 : entry.n + 1
  const { tencent, others } = SUPPRESSION_LADDERS[settings.ladder]
  return { n, until: hit.at + suppressionMsOf(isTencentMailbox(hit.delivery, settings) ? tencent : others, n) }
}

/** What the vendor writes where a list answers instead of a server, in the order in which lists are asked. */
const LIST_REFUSALS = [
  { list: 'complaint', reason: 'blacklisted', billable: true, text: 'Blacklist:complaint (worker:address in complaint list)' },
  { list: 'block', reason: 'blacklisted', billable: true, text: 'Blacklist: Block:(worker:address in block list)' },
  { list: 'bounce', reason: 'blacklisted', billable: false, text: 'Blacklist: Bounce(worker:address in bounce list)' },
  { list: 'unsubscribe', reason: 'unsubscribed', billable: true, text: 'unsubscribe' },
] as const satisfies readonly {
  readonly list: ListName
  readonly reason: 'blacklisted' | 'unsubscribed'
  readonly billable: boolean
  readonly text: string
}[]
export type ListRefusal = (typeof LIST_REFUSALS)[number] & { readonly entry: SuppressionRow }

/** Whom a mail is for, as lists see it. */
export type Addressee = {
  readonly account: number
  readonly addressHash: string
  readonly domain: string
  readonly label: string | null
  readonly apiUser: string
  /** Whether the list that all accounts share is asked too. */
  readonly shared: boolean
}

/** The list that answers a send at that moment; null: none. An allow entry lets through what stands on the bounce list only. */
export function findListRefusal(ledger: LedgerState, addressee: Addressee, at: number): ListRefusal | null {
  if (ledger.suppressions.size === 0) return null
  const hashes = [addressee.addressHash, hashDomain(addressee.domain)]
  const findOn = (list: ListName): SuppressionRow | null => findEntryInForce(ledger, { addressee, hashes, list }, at)
  for (const refusal of LIST_REFUSALS) {
    const entry = findOn(refusal.list)
    if (entry !== null && (refusal.list !== 'bounce' || findOn('allow') === null)) return { ...refusal, entry }
  }
  return null
}

type EntryQuery = { readonly addressee: Addressee; readonly hashes: readonly string[]; readonly list: ListName }

/** Allow entries of account 0 hold for all; its bounce entries are the shared list. */
function findEntryInForce(ledger: LedgerState, { addressee, hashes, list }: EntryQuery, at: number): SuppressionRow | null {
  const accounts = list === 'allow' || (list === 'bounce' && addressee.shared) ? [addressee.account, 0] : [addressee.account]
  // A recipient leaves a label; a block or an allowance is set for an API user. A label that is called like one is something else.
  const ownScope = list === 'unsubscribe' ? (addressee.label ?? '') : addressee.apiUser
  for (const account of accounts)
    for (const addressHash of hashes)
      for (const scope of ownScope === '' ? [''] : ['', ownScope]) {
        const row = ledger.suppressions.get(suppressionKey({ account, list, addressHash, scope }))
        if (row !== undefined && isEntryInForce(row, at)) return row
      }
  return null
}
