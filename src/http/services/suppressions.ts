/**
 * suppressions - reads and changes the suppression lists of an account
 *
 * See also: http/api/suppressions/suppressions, http/sendcloud/lists, http/engagelab/lists, service/lists/bulk-removal, store/lists/suppressions.
 */
import { REASONS } from '../../classify/reasons.ts'
import { hashDomain, normaliseAddress, normaliseDomain } from '../../correlate/address-hash.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import type { BulkRemovalFilter } from '../../ledger/decide/operator-action.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import type { Proof } from '../../ledger/facts/decision.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { Context } from '../../service/context.ts'
import { isStanding, readAddressEntries, type AddressEntries } from '../../service/lists/address-entries.ts'
import { reactivateAddresses, removeSuppressions } from '../../service/lists/bulk-removal.ts'
import { addUnsubscribeEntry } from '../../service/lists/unsubscribe.ts'
import { actorOf, type Caller } from '../../service/caller.ts'
import { findAccount } from '../../store/account/accounts.ts'
import { findDeliveriesByIds } from '../../store/mail/deliveries.ts'
import { subStatusName } from '../../webhook/sub-status-names.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import {
  findSuppressions,
  findSuppressionsInForce,
  isListedByIndex,
  listSuppressions,
  type SuppressionFilters,
} from '../../store/lists/suppressions.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor, type CursorPage } from '../server/cursor.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import { toAddressHashFilter } from './address-filter.ts'
import { MAX_SHORT_OFFSET, type WideReader } from './wide-reader.ts'

/** Which entries of one list to read. Null means no filter. `from` (inclusive) and `until` (exclusive) limit the start of the entry. */
export type SuppressionQuery = {
  readonly list: ListName
  readonly email: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  /** Entries for this whole domain. */
  readonly domain?: string | null
  /** '' for entries of the whole account; otherwise a label or an API user. */
  readonly scope?: string | null
  readonly proof?: Proof | null
  readonly site?: string | null
  readonly rule?: string | null
  /** True: only entries that the mass-bounce guard holds. */
  readonly pending?: boolean | null
  /** Leaves out entries that have expired, were removed, or are held by the mass-bounce guard. */
  readonly onlyInForce: boolean
  readonly after: string | null
  readonly offset: number
  readonly limit: number
}

/** Which bounce entries to reactivate. `dryRun` only counts them. */
type ReactivateRequest = {
  readonly site: string | null
  readonly rule: string | null
  readonly since: number
  readonly until: number
  readonly dryRun: boolean
}

/** `scope`: null means every scope. */
type EntryQuery = { readonly text: string; readonly list: ListName; readonly scope: string | null }

/** `emailId` names the message that caused the entry; null if a person made it, or the message has been retired. */
type FoundEntry = { readonly row: SuppressionRow; readonly emailId: string | null }

export type SuppressionService = {
  /** A page of entries. Faults: bad_request (an invalid cursor). */
  readonly list: (account: number, query: SuppressionQuery) => Promise<CursorPage<SuppressionRow>>
  readonly count: (account: number, query: SuppressionQuery) => Promise<number>
  /** The entries in force for each address, in the order of the addresses. */
  readonly checkAddresses: (account: number, addresses: readonly string[]) => Promise<readonly (readonly SuppressionRow[])[]>
  /** Every entry of an address and of its domain, on all lists, in force or not, with the message that caused it. */
  readonly lookUp: (account: number, address: string) => Promise<readonly FoundEntry[]>
  /** The entries of one address or domain on one list that are not ended, with who changed them; null if there are none. Faults: bad_request. */
  readonly findEntries: (account: number, query: EntryQuery) => Promise<AddressEntries | null>
  /** Removes the matching entries and returns their number. */
  readonly remove: (caller: Caller, query: SuppressionQuery) => Promise<number>
  /** What each entry says of its cause: of a bounce, the provider's reply, or the name of its sub status if the mail is no longer stored. */
  readonly describeCauses: (account: number, rows: readonly SuppressionRow[]) => Promise<readonly string[]>
  readonly addUnsubscribe: (caller: Caller, address: string, type: UnsubscribeType) => Promise<SuppressionRow>
  /** Reactivates the matching addresses and returns their entries. */
  readonly reactivate: (caller: Caller, request: ReactivateRequest) => Promise<readonly SuppressionRow[]>
}

/** Creates the service. Entries are counted, and listed by what no index finds, on `wideRead`, so that other queries do not wait for it. */
export function createSuppressionService(context: Context, wideRead: WideReader): SuppressionService {
  const { now } = context
  const { read } = context.engine
  return {
    list: async (account, query) => {
      const after = decodeCursor(query.after, CURSOR_SCHEMAS.entry)
      const page = { start: query.offset, limit: query.limit, ...(after === null ? {} : { after }) }
      const filters = toSuppressionFilters(query, now())
      const isShort = isListedByIndex(filters) && query.offset <= MAX_SHORT_OFFSET
      const { rows } = await listSuppressions(isShort ? read : wideRead(account), account, filters, page)
      return { rows, next: nextCursor(rows, query.limit, ({ from, addressHash, scope }) => ({ from, addressHash, scope })) }
    },
    count: async (account, query) => {
      const { total } = await listSuppressions(wideRead(account), account, toSuppressionFilters(query, now()), { limit: 1, total: true })
      return total ?? 0
    },
    checkAddresses: (account, addresses) => checkAddresses(context, account, addresses),
    lookUp: (account, address) => lookUp(context, account, address),
    findEntries: (account, query) => findEntries(context, account, query),
    remove: (caller, query) => removeSuppressions(context, caller, toSuppressionFilters(query, now())),
    describeCauses: (account, rows) => describeCauses(read, account, rows),
    addUnsubscribe: (caller, address, type) => addUnsubscribeEntry(context, caller, address, type),
    reactivate: (caller, { dryRun, ...filter }) =>
      reactivateAddresses(
        context,
        { account: caller.account, actor: actorOf(caller) },
        { filter: omitNullish<BulkRemovalFilter>(filter), dryRun },
      ),
  }
}

async function describeCauses(reader: DatabaseReader, account: number, rows: readonly SuppressionRow[]): Promise<readonly string[]> {
  const ids = rows.flatMap(({ list, deliveryId }) => (list === 'bounce' && deliveryId !== null ? [deliveryId] : []))
  const deliveries = ids.length === 0 ? [] : await findDeliveriesByIds(reader, account, ids)
  const failed = deliveries.filter(({ status }) => status === 4 || status === 5)
  const replies = new Map(failed.map(({ deliveryId, sendLog }) => [deliveryId, sendLog]))
  return rows.map((row) => (row.list === 'bounce' ? replies.get(row.deliveryId ?? '') || nameOfReason(row.reason) : row.reason))
}

const REASON_NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(REASONS).map(([reason, { permanent }]) => [reason, subStatusName(permanent)]),
)

const nameOfReason = (reason: string): string => REASON_NAMES.get(reason) ?? reason

async function checkAddresses(
  { engine: { read }, now }: Context,
  account: number,
  addresses: readonly string[],
): Promise<readonly (readonly SuppressionRow[])[]> {
  const normalised = addresses.map((address) => normaliseAddress(address))
  const hashes = normalised.flatMap((each) => (each === null ? [] : [each.hash, hashDomain(each.domain)]))
  // Loaded in parallel; entries of the shared list are dropped below if the account does not use it.
  const [row, rowsByHash] = await Promise.all([
    findAccount(read, account),
    findSuppressionsInForce(read, account, { hashes, at: now(), shared: true }),
  ])
  const { sharedList } = row?.settings ?? DEFAULT_ACCOUNT_SETTINGS
  const rowsOf = (hash: string): readonly SuppressionRow[] =>
    (rowsByHash.get(hash) ?? []).filter((entry) => sharedList || entry.account === account)
  return normalised.map((each) => (each === null ? [] : [...rowsOf(each.hash), ...rowsOf(hashDomain(each.domain))]))
}

async function lookUp({ engine: { read } }: Context, account: number, text: string): Promise<readonly FoundEntry[]> {
  const known = normaliseAddress(text)
  const domain = known?.domain ?? normaliseDomain(text)
  const hashes = [...(known === null ? [] : [known.hash]), ...(domain === null ? [] : [hashDomain(domain)])]
  const { sharedList } = (await findAccount(read, account))?.settings ?? DEFAULT_ACCOUNT_SETTINGS
  const owners = sharedList ? [account, 0] : [account]
  const rows = await findSuppressions(
    read,
    owners.flatMap((owner) => hashes.map((addressHash) => ({ account: owner, addressHash }))),
  )
  const ids = rows.flatMap(({ deliveryId }) => deliveryId ?? [])
  const emailIds = new Map((await findDeliveriesByIds(read, account, ids)).map(({ deliveryId, emailId }) => [deliveryId, emailId]))
  return rows.map((row) => ({ row, emailId: row.deliveryId === null ? null : (emailIds.get(row.deliveryId) ?? null) }))
}

async function findEntries({ engine, now }: Context, account: number, query: EntryQuery): Promise<AddressEntries | null> {
  const { text, list, scope } = query
  const { target, entries, changes } = await readAddressEntries(engine.read, [account], { text, list })
  const at = now()
  const standing = entries.filter((row) => isStanding(row, at) && (scope === null || row.scope === scope))
  const changesOfScope = changes.filter(({ data }) => scope === null || data.scope === scope)
  return standing.length === 0 ? null : { target, entries: standing, changes: changesOfScope }
}

function toSuppressionFilters(query: SuppressionQuery, now: number): SuppressionFilters {
  const filters = omitNullish<Omit<SuppressionFilters, 'list'>>({
    from: query.from,
    to: query.until,
    addressHash: toAddressHashFilter(query.email),
    apiUsers: query.apiUsers,
    labelIds: query.labelIds,
    domain: query.domain,
    isDomain: query.domain === undefined || query.domain === null ? null : true,
    scope: query.scope,
    proof: query.proof,
    site: query.site,
    rule: query.rule,
    pending: query.pending,
    inForceAt: query.onlyInForce ? now : null,
  })
  return { ...filters, list: query.list }
}
