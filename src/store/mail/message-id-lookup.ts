/**
 * message-id-lookup - the deliveries with a Message-ID that proves nothing
 *
 * A client may give one Message-ID to all copies of a campaign, and a stranger may name it in a report. A Message-ID that more than one delivery
 * has identifies none, so at most three deliveries of each are read: enough to see whether there are several, and whether in several accounts.
 *
 * See also: correlate/references, store/facts/ledger-state (which loads and locks the deliveries).
 */
import type { DatabaseReader } from '../engine/engine.ts'
import type { SqlValue } from '../engine/value.ts'

/** `account` null: in all accounts. */
export type MessageIdHeaderRef = { readonly account: number | null; readonly messageIdHeader: string }

type FoundDelivery = { readonly account: number; readonly deliveryId: string }

/** SQLite compiles at most 500 terms of a compound select; each Message-ID needs two. */
const HEADERS_PER_QUERY = 100

/** Finds up to three deliveries of each Message-ID: two of the first account, and one of the last. They may appear twice. */
export async function findDeliveriesByMessageIdForOperator(
  reader: DatabaseReader,
  wanted: readonly MessageIdHeaderRef[],
): Promise<readonly FoundDelivery[]> {
  const refs = [...new Map(wanted.map((ref) => [`${ref.account}/${ref.messageIdHeader}`, ref])).values()]
  const pages = Array.from({ length: Math.ceil(refs.length / HEADERS_PER_QUERY) }, (_, n) =>
    refs.slice(n * HEADERS_PER_QUERY, (n + 1) * HEADERS_PER_QUERY),
  )
  const rows = await Promise.all(pages.map((page) => readPage(reader, page)))
  return rows.flat()
}

async function readPage(reader: DatabaseReader, refs: readonly MessageIdHeaderRef[]): Promise<readonly FoundDelivery[]> {
  const parameters: SqlValue[] = []
  const selects = refs.flatMap(({ account, messageIdHeader }) => {
    parameters.push(messageIdHeader)
    const isSame = `d.message_id_header is not null and d.message_id_header = $${parameters.length}`
    if (account !== null) parameters.push(account)
    const where = account === null ? isSame : `${isSame} and d.account_id = $${parameters.length}`
    const from = `select d.account_id, d.delivery_id from deliveries d where ${where} order by d.message_id_header`
    return [`${from}, d.account_id limit 2`, `${from} desc, d.account_id desc limit 1`]
  })
  const sql = selects.map((each) => `select * from (${each}) as found`).join(' union all ')
  const rows = await reader.all(sql, parameters)
  return rows.map((row) => ({ account: Number(row['account_id']), deliveryId: String(row['delivery_id']) }))
}
