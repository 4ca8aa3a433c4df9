/**
 * suppression - whether a list entry is in force, when a hit is a new one, and which list refuses a recipient
 *
 * The bounce list climbs a ladder: the rung n rises by one only for a hit on a mail that was accepted for sending after the previous entry
 * had ended or was removed (three mails in one minute are one hit). A sign of life after the last hit, with no report within seven days,
 * starts the ladder again.
 *
 * Pure. See also: ledger/suppress/suppression-ladder, ledger/suppress/address-history, ledger/suppress/list-entry (facts),
 * ledger/suppress/bounce-list.
 */
import { hashDomain } from '../../correlate/address-hash.ts'
import type { ListName } from '../facts/list-facts.ts'
import { DAY_MS, isCleanSince } from './address-history.ts'
import { SUPPRESSION_LADDERS, suppressionMsOf } from './suppression-ladder.ts'
import type { AccountSettings } from '../account-settings.ts'
import { type DeliveryRow, suppressionKey, type SuppressionRow, type LedgerState } from '../project/state.ts'

/** How long an entry for a repeated failure other than `not-exist` holds. */
export const REPEAT_SUPPRESSION_MS = 30 * DAY_MS

/** Mailboxes of Tencent: its own domains, and domains whose MX is under qq.com (the site of the delivery shows it). */
function isTencentMailbox(row: Pick<DeliveryRow, 'domain' | 'site' | 'mx'>, settings: AccountSettings): boolean {
  const mx = row.mx?.toLowerCase().replace(/\.$/, '') ?? ''
  return settings.tencentDomains.includes(row.domain) || row.site === 'tencent' || mx === 'qq.com' || mx.endsWith('.qq.com')
}

/** When an entry ended or will end; null: never. */
export function entryEndOf(row: Pick<SuppressionRow, 'until' | 'removedAt'>): number | null {
  if (row.removedAt === null) return row.until
  return row.until === null ? row.removedAt : Math.min(row.until, row.removedAt)
}

/** Whether an entry suppresses at a given time. A pending entry does not. */
export function isEntryInForce(row: SuppressionRow, at: number): boolean {
  const end = entryEndOf(row)
  return !row.pending && (end === null || end > at)
}

/** Whether a mail was accepted for sending after an entry had ended. Only then is its failure a new hit. */
export function isNewHit(entry: SuppressionRow | null, requestedAt: number): boolean {
  if (entry === null) return true
  const end = entryEndOf(entry)
  return (!entry.pending || entry.removedAt !== null) && end !== null && requestedAt > end
}

type SuppressionHit = { readonly at: number; readonly delivery: DeliveryRow; readonly history: readonly DeliveryRow[] }

/** The next rung for a permanent `not-exist`; null: not a new hit. */
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

/** The text that the vendor shows if a list refuses an address, in the order in which lists are checked. */
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

/** The recipient of a mail, as lists see it. */
type Addressee = {
  readonly account: number
  readonly addressHash: string
  readonly domain: string
  readonly label: string | null
  readonly apiUser: string
  /** Whether the list that all accounts share is checked too. */
  readonly usesSharedList: boolean
}

/** The list that refuses a recipient at a given time; null: none. An allow entry overrides the bounce list only. */
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

/** Allow entries of account 0 apply to all accounts; its bounce entries are the shared list. */
function findEntryInForce(ledger: LedgerState, { addressee, hashes, list }: EntryQuery, at: number): SuppressionRow | null {
  const accounts = list === 'allow' || (list === 'bounce' && addressee.usesSharedList) ? [addressee.account, 0] : [addressee.account]
  // A recipient unsubscribes from a label; block and allow entries are set for an API user. The two may have the same name.
  const ownScope = list === 'unsubscribe' ? (addressee.label ?? '') : addressee.apiUser
  for (const account of accounts)
    for (const addressHash of hashes)
      for (const scope of ownScope === '' ? [''] : ['', ownScope]) {
        const row = ledger.suppressions.get(suppressionKey({ account, list, addressHash, scope }))
        if (row !== undefined && isEntryInForce(row, at)) return row
      }
  return null
}
