/**
 * read-services - the desk's questions, answered by the store
 *
 * Every answer is for one account; only what the operator may ask goes over all. Pages are cut by keys, which the caller carries as one
 * opaque word.
 *
 * See also: http/services, store/*.
 */
import { hashAddress, hashDomain, normaliseAddress } from '../correlate/address-hash.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../ledger/account-settings.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../ledger/project/state.ts'
import { findAccount, listAccountsForOperator } from '../store/account/accounts.ts'
import { countBroadcastResults, listBroadcastDeliveries } from '../store/mail/broadcasts.ts'
import { listSiteHoldsForOperator } from '../store/lists/mass-bounce-holds.ts'
import { listCredentials } from '../store/account/credentials.ts'
import { listAccessBlocksForOperator } from '../store/lists/blocks.ts'
import { findDeliveriesByEmailIds, listDeliveries } from '../store/mail/deliveries.ts'
import type { DeliveryFilters } from '../store/mail/deliveries.ts'
import type { DatabaseReader } from '../store/engine/engine.ts'
import { findPublicNames } from '../store/facts/fact-feed.ts'
import { readTimelineByEmailId } from '../store/facts/facts.ts'
import { findInboxItem, findInboxItemsForOperator, listInbox, listInboxForOperator } from '../store/mail/inbox.ts'
import type { InboxFilters } from '../store/mail/inbox.ts'
import { findRawMail, findRawMailForOperator } from '../store/mail/raw-mail.ts'
import { readCommitStamp } from '../store/engine/commit-stamp.ts'
import { findSuppressionsInForce, listSuppressions } from '../store/lists/suppressions.ts'
import type { SuppressionFilters } from '../store/lists/suppressions.ts'
import { followFacts } from '../service/notify/event-feed.ts'
import { CURSOR_SCHEMAS, decodeCursor, encodeCursor } from './server/cursor.ts'
import { findUnbilledIds } from '../store/facts/unbilled.ts'
import type { Services, InboxQuery, StatusQuery, SuppressionQuery } from './services.ts'
import { createStatisticsService } from './api/statistics.ts'

/** What the desk reads; what it writes is work's. */
export type ReadServices = Pick<
  Services,
  | 'getSettings'
  | 'findMessage'
  | 'listStatuses'
  | 'findUnbilled'
  | 'listSuppressions'
  | 'countSuppressions'
  | 'checkAddresses'
  | 'listInbox'
  | 'findInboxMail'
  | 'listAccessBlocks'
  | 'listMassBounceReviews'
  | 'statistics'
  | 'findProfile'
  | 'readCommitStamp'
  | 'listAccountNames'
  | 'openEventFeed'
  | 'findDeliveryNames'
  | 'readBroadcastResults'
>

export function createReadServices(reader: DatabaseReader, now: () => number): ReadServices {
  const getSettings: Services['getSettings'] = async (account) => (await findAccount(reader, account))?.settings ?? DEFAULT_ACCOUNT_SETTINGS
  return {
    getSettings,
    findMessage: async (account, emailId) => {
      const [[row], facts] = await Promise.all([
        findDeliveriesByEmailIds(reader, account, [emailId]),
        readTimelineByEmailId(reader, account, emailId),
      ])
      return row === undefined ? null : { row, facts }
    },
    listStatuses: async (account, query) => {
      const after = decodeCursor(query.after, CURSOR_SCHEMAS.mail)
      const page = {
        start: query.offset,
        limit: query.limit,
        total: query.withTotal,
        ...(after === null ? {} : { after }),
      }
      const { rows, total } = await listDeliveries(reader, account, toDeliveryFilters(query), page)
      return { rows, total, next: nextCursor(rows, query.limit, toDeliveryCursor) }
    },
    findUnbilled: (account, rows) => findUnbilledIds(reader, account, rows),
    listSuppressions: async (account, query) => {
      const after = decodeCursor(query.after, CURSOR_SCHEMAS.entry)
      const page = { start: query.offset, limit: query.limit, ...(after === null ? {} : { after }) }
      const { rows } = await listSuppressions(reader, account, toSuppressionFilters(query, now()), page)
      return { rows, next: nextCursor(rows, query.limit, toSuppressionCursor) }
    },
    countSuppressions: async (account, query) => {
      const { total } = await listSuppressions(reader, account, toSuppressionFilters(query, now()), { limit: 1, total: true })
      return total ?? 0
    },
    checkAddresses: async (account, addresses) => {
      const hashed = addresses.map((address) => normaliseAddress(address))
      const hashes = hashed.flatMap((each) => (each === null ? [] : [each.hash, hashDomain(each.domain)]))
      // Both at once: what the shared list says is left out where the account does not take it.
      const [{ sharedList }, rowsByHash] = await Promise.all([
        getSettings(account),
        findSuppressionsInForce(reader, account, { hashes, at: now(), shared: true }),
      ])
      const rowsOfHash = (hash: string): readonly SuppressionRow[] =>
        (rowsByHash.get(hash) ?? []).filter((row) => sharedList || row.account === account)
      return hashed.map((each) => (each === null ? [] : [...rowsOfHash(each.hash), ...rowsOfHash(hashDomain(each.domain))]))
    },
    listInbox: async (account, query) => {
      const after = decodeCursor(query.after, CURSOR_SCHEMAS.item)
      const page = {
        limit: query.limit,
        ...(after === null ? {} : { after }),
      }
      const filters = toInboxFilters(query)
      const rows = await (account === null ? listInboxForOperator(reader, filters, page) : listInbox(reader, account, filters, page))
      return { rows, next: nextCursor(rows, query.limit, toInboxCursor) }
    },
    statistics: createStatisticsService(reader),
    findProfile: async (accountId) => {
      const [account, credentials] = await Promise.all([findAccount(reader, accountId), listCredentials(reader, accountId)])
      return account === null ? null : { account, apiUsers: [...new Set(credentials.map(({ apiUser }) => apiUser))] }
    },
    readCommitStamp: () => readCommitStamp(reader),
    listAccountNames: async () => new Map((await listAccountsForOperator(reader)).map(({ account, name }) => [account, name])),
    readBroadcastResults: async (account, broadcast, page) => {
      const [counts, rows] = await Promise.all([
        countBroadcastResults(reader, account, broadcast),
        listBroadcastDeliveries(reader, account, broadcast, page),
      ])
      return { counts, rows }
    },
    openEventFeed: (account, start) => followFacts({ reader, now }, account, start),
    findDeliveryNames: (account, deliveryIds) => findPublicNames(reader, account, deliveryIds),
    listAccessBlocks: () => listAccessBlocksForOperator(reader),
    listMassBounceReviews: () => listSiteHoldsForOperator(reader),
    findInboxMail: async (account, digest) => {
      const row = account === null ? (await findInboxItemsForOperator(reader, [digest]))[0] : await findInboxItem(reader, account, digest)
      if (!row) return null
      return { row, raw: await (account === null ? findRawMailForOperator(reader, digest) : findRawMail(reader, account, digest)) }
    },
  }
}

/** An address that is none is on no list and was never sent to: it finds nothing. */
const UNKNOWN_ADDRESS_HASH = '00'.repeat(32)

/** Leaves out what was not asked, as the store wants it. */
export function omitNullish<T extends object>(filters: { readonly [Name in keyof T]: T[Name] | null | undefined }): Partial<T> {
  // The checked door: only null and undefined are taken away.
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== null && value !== undefined)) as Partial<T>
}

function toDeliveryFilters(query: StatusQuery): DeliveryFilters {
  return omitNullish<DeliveryFilters>({
    from: query.from,
    to: query.until,
    addressHash: query.email === null ? null : (hashAddress(query.email) ?? UNKNOWN_ADDRESS_HASH),
    emailIds: query.emailIds,
    labelIds: query.labelId === null ? null : [query.labelId],
    labelName: query.labelName,
    domain: query.domain,
    apiUsers: query.apiUsers,
    status: toStatusFilter(query.status),
    subStatuses: query.subStatuses,
    requestIp: query.requestIp,
    egressIp: query.egressIp,
    emailType: query.emailType,
  })
}

/** A status that there is not is a filter that finds nothing, not one that finds all. */
function toStatusFilter(status: number | null): DeliveryFilters['status'] | null {
  // The checked door: the column holds nothing else, and another number finds no row.
  return status === null ? null : (status as NonNullable<DeliveryFilters['status']>)
}

/** The store's words for a question about a list. */
export function toSuppressionFilters(query: SuppressionQuery, now: number): SuppressionFilters {
  const filters = omitNullish<Omit<SuppressionFilters, 'list'>>({
    from: query.from,
    to: query.until,
    addressHash: query.email === null ? null : (hashAddress(query.email) ?? UNKNOWN_ADDRESS_HASH),
    apiUsers: query.apiUsers,
    labelIds: query.labelIds,
    domain: query.domain,
    isDomain: query.domain === undefined || query.domain === null ? null : true,
    scope: query.scope,
    inForceAt: query.onlyInForce ? now : null,
  })
  return { ...filters, list: query.list }
}

function toInboxFilters(query: InboxQuery): InboxFilters {
  return omitNullish<InboxFilters>({ state: query.state, reason: query.reason })
}

const toDeliveryCursor = ({ requestedAt, deliveryId }: DeliveryRow): object => ({ requestedAt, deliveryId })
const toSuppressionCursor = ({ from, addressHash, scope }: SuppressionRow): object => ({ from, addressHash, scope })
const toInboxCursor = ({ receivedAt, digest }: InboxRow): object => ({ receivedAt, digest })

/** Null when the page was not full: there is nothing more. */
function nextCursor<T>(rows: readonly T[], limit: number, toCursor: (row: T) => object): string | null {
  const last = rows.at(-1)
  return last === undefined || rows.length < limit ? null : encodeCursor(toCursor(last))
}
