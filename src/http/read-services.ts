/**
 * read-services - the desk's questions, answered by the store
 *
 * Every answer is for one account; only what the operator may ask goes over all. Pages are cut by keys, which the caller carries as one
 * opaque word.
 *
 * See also: http/services, store/*.
 */
import { hashAddress, hashDomain, knowAddress } from '../correlate/address-hash.ts'
import { DEFAULT_SETTINGS } from '../ledger/account-settings.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../ledger/project/state.ts'
import { findAccount, listAccountsForOperator } from '../store/account/accounts.ts'
import { countResults, pageResults } from '../store/mail/broadcasts.ts'
import { listBrakesForOperator } from '../store/lists/mass-bounce-holds.ts'
import { listCredentials } from '../store/account/credentials.ts'
import { listCutsForOperator } from '../store/lists/blocks.ts'
import { findByEmailIds, findDeliveries } from '../store/mail/deliveries.ts'
import type { DeliveryFilters } from '../store/mail/deliveries.ts'
import type { Reader } from '../store/engine/engine.ts'
import { doorNamesOf } from '../store/facts/fact-feed.ts'
import { timelineByEmailId } from '../store/facts/facts.ts'
import { findInbox, inboxOfForOperator, inboxPage, inboxPageForOperator } from '../store/mail/inbox.ts'
import type { InboxFilters } from '../store/mail/inbox.ts'
import { getRawMail, getRawMailForOperator } from '../store/mail/raw-mail.ts'
import { stampOf } from '../store/engine/commit-stamp.ts'
import { checkSuppressions, listSuppressions } from '../store/lists/suppressions.ts'
import type { SuppressionFilters } from '../store/lists/suppressions.ts'
import { follow } from '../service/notify/event-feed.ts'
import { CURSORS, readWord, wordOf } from './server/cursor.ts'
import { unbilledOf } from '../store/facts/unbilled.ts'
import type { Desk, InboxQuery, StatusQuery, SuppressionQuery } from './services.ts'
import { createStatistics } from './api/statistics.ts'

/** What the desk reads; what it writes is work's. */
export type ReadingDesk = Pick<
  Desk,
  | 'settings'
  | 'message'
  | 'statuses'
  | 'unbilled'
  | 'suppressions'
  | 'countSuppressions'
  | 'checkAddresses'
  | 'inbox'
  | 'inboxMail'
  | 'cuts'
  | 'brakes'
  | 'statistics'
  | 'profile'
  | 'stamp'
  | 'accountNames'
  | 'follow'
  | 'doorNames'
  | 'broadcast'
>

export function createReadingDesk(reader: Reader, now: () => number): ReadingDesk {
  const settings: Desk['settings'] = async (account) => (await findAccount(reader, account))?.settings ?? DEFAULT_SETTINGS
  return {
    settings,
    message: async (account, emailId) => {
      const [[row], facts] = await Promise.all([findByEmailIds(reader, account, [emailId]), timelineByEmailId(reader, account, emailId)])
      return row === undefined ? null : { row, facts }
    },
    statuses: async (account, query) => {
      const after = readWord(query.after, CURSORS.mail)
      const page = {
        start: query.offset,
        limit: query.limit,
        total: query.withTotal,
        ...(after === null ? {} : { after }),
      }
      const { rows, total } = await findDeliveries(reader, account, deliveryFilters(query), page)
      return { rows, total, next: nextOf(rows, query.limit, cursorOfMail) }
    },
    unbilled: (account, rows) => unbilledOf(reader, account, rows),
    suppressions: async (account, query) => {
      const after = readWord(query.after, CURSORS.entry)
      const page = { start: query.offset, limit: query.limit, ...(after === null ? {} : { after }) }
      const { rows } = await listSuppressions(reader, account, entryFilters(query, now()), page)
      return { rows, next: nextOf(rows, query.limit, cursorOfEntry) }
    },
    countSuppressions: async (account, query) => {
      const { total } = await listSuppressions(reader, account, entryFilters(query, now()), { limit: 1, total: true })
      return total ?? 0
    },
    checkAddresses: async (account, addresses) => {
      const known = addresses.map((address) => knowAddress(address))
      const hashes = known.flatMap((each) => (each === null ? [] : [each.hash, hashDomain(each.domain)]))
      // Both at once: what the shared list says is left out where the account does not take it.
      const [{ sharedList }, found] = await Promise.all([
        settings(account),
        checkSuppressions(reader, account, { hashes, at: now(), shared: true }),
      ])
      const of = (hash: string): readonly SuppressionRow[] => (found.get(hash) ?? []).filter((row) => sharedList || row.account === account)
      return known.map((each) => (each === null ? [] : [...of(each.hash), ...of(hashDomain(each.domain))]))
    },
    inbox: async (account, query) => {
      const after = readWord(query.after, CURSORS.item)
      const page = {
        limit: query.limit,
        ...(after === null ? {} : { after }),
      }
      const filters = inboxFilters(query)
      const rows = await (account === null ? inboxPageForOperator(reader, filters, page) : inboxPage(reader, account, filters, page))
      return { rows, next: nextOf(rows, query.limit, cursorOfItem) }
    },
    statistics: createStatistics(reader),
    profile: async (number) => {
      const [account, credentials] = await Promise.all([findAccount(reader, number), listCredentials(reader, number)])
      return account === null ? null : { account, apiUsers: [...new Set(credentials.map(({ apiUser }) => apiUser))] }
    },
    stamp: () => stampOf(reader),
    accountNames: async () => new Map((await listAccountsForOperator(reader)).map(({ account, name }) => [account, name])),
    broadcast: async (account, broadcast, page) => {
      const [counts, rows] = await Promise.all([countResults(reader, account, broadcast), pageResults(reader, account, broadcast, page)])
      return { counts, rows }
    },
    follow: (account, start) => follow({ reader, now }, account, start),
    doorNames: (account, deliveryIds) => doorNamesOf(reader, account, deliveryIds),
    cuts: () => listCutsForOperator(reader),
    brakes: () => listBrakesForOperator(reader),
    inboxMail: async (account, digest) => {
      const row = account === null ? (await inboxOfForOperator(reader, [digest]))[0] : await findInbox(reader, account, digest)
      if (!row) return null
      return { row, raw: await (account === null ? getRawMailForOperator(reader, digest) : getRawMail(reader, account, digest)) }
    },
  }
}

/** An address that is none is on no list and was never sent to: it finds nothing. */
const NOBODY = '00'.repeat(32)

/** Leaves out what was not asked, as the store wants it. */
export function given<T extends object>(filters: { readonly [Name in keyof T]: T[Name] | null | undefined }): Partial<T> {
  // The checked door: only null and undefined are taken away.
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== null && value !== undefined)) as Partial<T>
}

function deliveryFilters(query: StatusQuery): DeliveryFilters {
  return given<DeliveryFilters>({
    from: query.from,
    to: query.until,
    addressHash: query.email === null ? null : (hashAddress(query.email) ?? NOBODY),
    emailIds: query.emailIds,
    labelIds: query.labelId === null ? null : [query.labelId],
    labelName: query.labelName,
    domain: query.domain,
    apiUsers: query.apiUsers,
    status: readStatus(query.status),
    subStatuses: query.subStatuses,
    requestIp: query.requestIp,
    egressIp: query.egressIp,
    emailType: query.emailType,
  })
}

/** A status that there is not is a filter that finds nothing, not one that finds all. */
function readStatus(status: number | null): DeliveryFilters['status'] | null {
  // The checked door: the column holds nothing else, and another number finds no row.
  return status === null ? null : (status as NonNullable<DeliveryFilters['status']>)
}

/** The store's words for a question about a list. */
export function entryFilters(query: SuppressionQuery, now: number): SuppressionFilters {
  const rest = given<Omit<SuppressionFilters, 'list'>>({
    from: query.from,
    to: query.until,
    addressHash: query.email === null ? null : (hashAddress(query.email) ?? NOBODY),
    apiUsers: query.apiUsers,
    labelIds: query.labelIds,
    domain: query.domain,
    isDomain: query.domain === undefined || query.domain === null ? null : true,
    scope: query.scope,
    inForceAt: query.onlyInForce ? now : null,
  })
  return { ...rest, list: query.list }
}

function inboxFilters(query: InboxQuery): InboxFilters {
  return given<InboxFilters>({ state: query.state, reason: query.reason })
}

const cursorOfMail = ({ requestedAt, deliveryId }: DeliveryRow): object => ({ requestedAt, deliveryId })
const cursorOfEntry = ({ from, addressHash, scope }: SuppressionRow): object => ({ from, addressHash, scope })
const cursorOfItem = ({ receivedAt, digest }: InboxRow): object => ({ receivedAt, digest })

/** Null when the page was not full: there is nothing more. */
function nextOf<T>(rows: readonly T[], limit: number, cursor: (row: T) => object): string | null {
  const last = rows.at(-1)
  return last === undefined || rows.length < limit ? null : wordOf(cursor(last))
}
