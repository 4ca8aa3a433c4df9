/**
 * inbox - mails that could not be read, matched or trusted, waiting for a person
 *
 * What points at an account is that account's; what points at nobody is account 0's, the operator's.
 *
 * See also: ledger/project/state (InboxRow), store/mail/raw-mail (the mails themselves).
 */
import type { InboxRow } from '../../ledger/project/state.ts'
import type { Reader } from '../engine/engine.ts'
import { INBOX } from '../schema.ts'
import { bytesOfHex } from '../engine/mapping.ts'
import { createWhere } from '../engine/filter.ts'
import type { Where } from '../engine/filter.ts'

export type InboxFilters = {
  readonly state?: InboxRow['state']
  readonly reason?: InboxRow['reason']
  readonly from?: number
  readonly to?: number
}

/** Where a page ended; the next begins behind it. */
export type InboxCursor = { readonly receivedAt: number; readonly digest: string }

export type InboxPage = { readonly limit: number; readonly after?: InboxCursor }

const COLUMNS = INBOX.columns('i')

/** One page of an account's inbox, newest first. */
export async function inboxPage(reader: Reader, account: number, filters: InboxFilters, page: InboxPage): Promise<readonly InboxRow[]> {
  return readPage(reader, createWhere('i.account_id = ?', account), filters, page)
}

/** One page of all inboxes, newest first. */
export async function inboxPageForOperator(reader: Reader, filters: InboxFilters, page: InboxPage): Promise<readonly InboxRow[]> {
  return readPage(reader, createWhere('i.account_id >= ?', 0), filters, page)
}

/** One mail in an account's inbox, or null. */
export async function findInbox(reader: Reader, account: number, digest: string): Promise<InboxRow | null> {
  const row = await reader.one(`select ${COLUMNS} from inbox i where i.account_id = $1 and i.digest = $2`, [account, bytesOfHex(digest)])
  return row === null ? null : INBOX.decode(row)
}

/** The inbox rows of these mails, whoever's they are. */
export async function inboxOfForOperator(reader: Reader, digests: readonly string[], lock = false): Promise<readonly InboxRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join inbox i where i.digest = k.k1${lock ? ' order by i.digest {lock i}' : ''}`
  return (await reader.inKeys(sql, { types: ['bytes'], rows: digests.map((digest) => [bytesOfHex(digest)]) })).map(INBOX.decode)
}

async function readPage(reader: Reader, where: Where, filters: InboxFilters, page: InboxPage): Promise<readonly InboxRow[]> {
  where.when('i.state = ?', filters.state).when('i.reason = ?', filters.reason)
  where.when('i.received_at >= ?', filters.from).when('i.received_at < ?', filters.to)
  const { after } = page
  if (after !== undefined)
    where.also(`(i.received_at, i.digest) < (${where.param(after.receivedAt)}, ${where.param(bytesOfHex(after.digest))})`)
  const sql = `select ${COLUMNS} from inbox i where ${where.sql()} order by i.received_at desc, i.digest desc limit ${where.param(page.limit)}`
  return (await reader.all(sql, where.params())).map(INBOX.decode)
}
