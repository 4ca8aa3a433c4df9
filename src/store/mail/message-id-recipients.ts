/**
 * message-id-recipients - the deliveries of an account with a Message-ID and a recipient
 *
 * One Message-ID may be that of a thousand copies; with the recipient it names one of them, unless the account sent it twice.
 *
 * See also: store/mail/message-id-lookup (without a recipient), service/esp/record-events.
 */
import type { DatabaseReader } from '../engine/engine.ts'
import { hexToBytes } from '../engine/mapping.ts'

type MessageIdRecipientRef = { readonly messageIdHeader: string; readonly addressHash: string }

/** Finds the deliveries of these pairs. */
export async function findDeliveriesByMessageIdAndRecipient(
  reader: DatabaseReader,
  account: number,
  wanted: readonly MessageIdRecipientRef[],
): Promise<readonly string[]> {
  const refs = [...new Map(wanted.map((ref) => [`${ref.messageIdHeader}/${ref.addressHash}`, ref])).values()]
  const sql = `select d.delivery_id from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.message_id_header is not null and d.message_id_header = k.k2 and d.address_hash = k.k3`
  const rows = refs.map(({ messageIdHeader, addressHash }) => [account, messageIdHeader, hexToBytes(addressHash)])
  return (await reader.inKeys(sql, { types: ['int', 'text', 'bytes'], rows })).map((row) => String(row['delivery_id']))
}
