/**
 * forwarded-mails - mail that came for an account at one of its own domains, as it came, packed, for a limited time
 *
 * See also: store/mail/forward-domains, service/forward/forward-mail, settings (retention.routeDays).
 */
import type { Db, Reader } from '../engine/engine.ts'
import { unpack } from '../engine/compression.ts'
import { bytesOfHex, flag, hex, int, maybe, packed, shapeOf, text } from '../engine/mapping.ts'
import { createWhere } from '../engine/filter.ts'

/** `body` goes in as it came and comes out packed; of a truncated mail it is the beginning. */
export type RouteMail = {
  readonly account: number
  readonly digest: string
  readonly receivedAt: number
  readonly size: number
  readonly truncated: boolean
  readonly mailFrom: string
  readonly rcptTo: string
  readonly peer: string | null
  readonly body: Uint8Array
}

export const ROUTE_MAILS = shapeOf<RouteMail>('route_mails', ['account_id', 'digest'], {
  account: int('account_id'),
  digest: hex('digest'),
  receivedAt: int('received_at'),
  size: int('size'),
  truncated: flag('truncated'),
  mailFrom: text('mail_from'),
  rcptTo: text('rcpt_to'),
  peer: maybe(text('peer')),
  body: packed('body'),
})

/** Keeps mails; one that is kept already stays as it is. */
export async function addRouteMails(db: Db, mails: readonly RouteMail[]): Promise<void> {
  await db.insertMany(ROUTE_MAILS, mails, 'ignore')
}

/** One mail with its bytes unpacked; null where it is not there, not there any more, or another's. */
export async function findRouteMail(reader: Reader, account: number, digest: string): Promise<RouteMail | null> {
  const sql = `select ${ROUTE_MAILS.columns('m')} from route_mails m where m.account_id = $1 and m.digest = $2`
  const row = await reader.one(sql, [account, bytesOfHex(digest)])
  if (row === null) return null
  const mail = ROUTE_MAILS.decode(row)
  return { ...mail, body: await unpack(mail.body) }
}

export type RouteMailHead = Omit<RouteMail, 'body' | 'account'>

/** One page of an account's mails without their bytes, newest first. */
export async function pageRouteMails(
  reader: Reader,
  account: number,
  page: { readonly limit: number; readonly after: Pick<RouteMail, 'receivedAt' | 'digest'> | null },
): Promise<readonly RouteMailHead[]> {
  const where = createWhere('m.account_id = ?', account)
  const { after } = page
  if (after !== null) where.also(`(m.received_at, m.digest) < (${where.param(after.receivedAt)}, ${where.param(bytesOfHex(after.digest))})`)
  const columns = 'm.digest, m.received_at, m.size, m.truncated, m.mail_from, m.rcpt_to, m.peer, m.account_id'
  const sql = `select ${columns} from route_mails m where ${where.sql()} order by m.received_at desc, m.digest desc limit ${where.param(page.limit)}`
  const rows = await reader.all(sql, where.params())
  return rows.map((row) => {
    const { body: _, account: _account, ...head } = ROUTE_MAILS.decode({ ...row, body: new Uint8Array(0) })
    return head
  })
}

/** Removes mails received before a moment, oldest first, at most `limit`; how many went. */
export async function removeRouteMailsForOperator(db: Db, before: number, limit: number): Promise<number> {
  return db.run(
    `delete from route_mails where (account_id, digest) in
     (select m.account_id, m.digest from route_mails m where m.received_at < $1 order by m.received_at limit $2)`,
    [before, limit],
  )
}

/** Mails that are kept, unpacked, by account and digest. */
export async function pageRouteMailsForOperator(
  reader: Reader,
  after: Pick<RouteMail, 'account' | 'digest'> | null,
  limit: number,
): Promise<readonly RouteMail[]> {
  const { account, digest } = after ?? { account: -1, digest: '' }
  const sql = `select ${ROUTE_MAILS.columns('m')} from route_mails m where (m.account_id, m.digest) > ($1, $2)
    order by m.account_id, m.digest limit $3`
  const mails = (await reader.all(sql, [account, bytesOfHex(digest), limit])).map(ROUTE_MAILS.decode)
  return Promise.all(mails.map(async (mail) => ({ ...mail, body: await unpack(mail.body) })))
}

/** Removes one mail, as when an address is erased; whether it was there. */
export async function removeRouteMail(db: Db, account: number, digest: string): Promise<boolean> {
  return (await db.run('delete from route_mails where account_id = $1 and digest = $2', [account, bytesOfHex(digest)])) > 0
}
