/**
 * inbox - mail that could not be read, matched or trusted, until a person decides
 *
 * A mail that points at an account is in that account's inbox. Others are in the inbox of account 0, the operator's.
 *
 * See also: ledger/project/state (InboxRow), store/mail/raw-mail (the mails themselves).
 */
import type { InboxRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { INBOX } from '../schema.ts'
import { hexToBytes } from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'
import type { SqlFilter } from '../engine/filter.ts'

export type InboxFilters = {
  readonly state?: InboxRow['state']
  readonly reason?: InboxRow['reason']
  readonly from?: number
  readonly to?: number
}

/** The last row of a page. The next page begins after it. */
export type InboxCursor = { readonly receivedAt: number; readonly digest: string }

type InboxPage = { readonly limit: number; readonly after?: InboxCursor }

const COLUMNS = INBOX.columns('i')

/** Lists one page of an account's inbox, newest first. */
export async function listInbox(
  reader: DatabaseReader,
  account: number,
  filters: InboxFilters,
  page: InboxPage,
): Promise<readonly InboxRow[]> {
  return listMatchingInboxItems(reader, createSqlFilter('i.account_id = ?', account), filters, page)
}

/** Lists one page of all inboxes, newest first. */
export async function listInboxForOperator(reader: DatabaseReader, filters: InboxFilters, page: InboxPage): Promise<readonly InboxRow[]> {
  return listMatchingInboxItems(reader, createSqlFilter('i.account_id >= ?', 0), filters, page)
}

/** Finds one mail in an account's inbox, or null. */
export async function findInboxItem(reader: DatabaseReader, account: number, digest: string): Promise<InboxRow | null> {
  const row = await reader.one(`select ${COLUMNS} from inbox i where i.account_id = $1 and i.digest = $2`, [account, hexToBytes(digest)])
  return row === null ? null : INBOX.decode(row)
}

/** Finds the inbox rows of these mails in any account. */
export async function findInboxItemsForOperator(
  reader: DatabaseReader,
  digests: readonly string[],
  lock = false,
): Promise<readonly InboxRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join inbox i where i.digest = k.k1${lock ? ' order by i.digest {lock i}' : ''}`
  return (await reader.inKeys(sql, { types: ['bytes'], rows: digests.map((digest) => [hexToBytes(digest)]) })).map(INBOX.decode)
}

async function listMatchingInboxItems(
  reader: DatabaseReader,
  where: SqlFilter,
  filters: InboxFilters,
  page: InboxPage,
): Promise<readonly InboxRow[]> {
  where.andIfGiven('i.state = ?', filters.state).andIfGiven('i.reason = ?', filters.reason)
  where.andIfGiven('i.received_at >= ?', filters.from).andIfGiven('i.received_at < ?', filters.to)
  const { after } = page
  if (after !== undefined)
    where.and(`(i.received_at, i.digest) < (${where.addParameter(after.receivedAt)}, ${where.addParameter(hexToBytes(after.digest))})`)
  const sql = `select ${COLUMNS} from inbox i where ${where.sql()} order by i.received_at desc, i.digest desc limit ${where.addParameter(page.limit)}`
  return (await reader.all(sql, where.parameters())).map(INBOX.decode)
}

/** Counts the open mails of all inboxes, up to a number that nobody counts beyond. */
export async function countOpenInboxItemsForOperator(reader: DatabaseReader): Promise<number> {
  const sql = "select count(*) as n from (select 1 as one from inbox i where i.account_id >= 0 and i.state = 'open' limit 100001) o"
  return Number((await reader.one(sql))?.['n'] ?? 0)
}
