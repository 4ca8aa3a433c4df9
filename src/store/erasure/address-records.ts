/**
 * redact - all that the store knows of one address, to be read and written back without it
 *
 * What is written back has the same keys: only clear text goes, hashes stay and lists go on answering. Raw mails that mention the
 * address cannot be blanked and are removed whole.
 *
 * See also: ledger/decide/redact (what is left of a fact and a row).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../../ledger/project/state.ts'
import { listDeliveries } from '../mail/deliveries.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { appendFacts, decodeFact, findFactsBySubject, overwriteFactData } from '../facts/facts.ts'
import { removeQueuedMessagesForOperator } from '../queue/queued-mail.ts'
import { removeRawMailForOperator } from '../mail/raw-mail.ts'
import { DELIVERIES } from '../mail/delivery-columns.ts'
import { INBOX, LIST_FACTS, SUPPRESSIONS } from '../schema.ts'
import { hexToBytes } from '../engine/mapping.ts'
import { findSuppressions } from '../lists/suppressions.ts'
import { removeWebhookRecordsOfEmails } from '../webhook/attempts.ts'

export type AddressRecords = {
  readonly deliveries: readonly DeliveryRow[]
  readonly entries: readonly SuppressionRow[]
  readonly facts: readonly Fact[]
}

type AddressRedaction = AddressRecords & {
  readonly inbox: readonly InboxRow[]
  /** Digests of raw mails to be removed. */
  readonly digests: readonly string[]
  /** Mails of which what webhooks said and heard goes too: answers may quote them. */
  readonly emailIds: readonly string[]
  /** The fact that says so. */
  readonly fact: Fact
}

/** What one page of {@link findAddressRecords} holds. */
const PAGE_SIZE = 1_000

/** Deliveries to an address with all their facts, its entries on every list with theirs; of one account. */
export async function findAddressRecords(reader: DatabaseReader, account: number, addressHash: string): Promise<AddressRecords> {
  const deliveries: DeliveryRow[] = []
  for (let page: readonly DeliveryRow[] | null = null; page === null || page.length === PAGE_SIZE;) {
    const last = deliveries.at(-1)
    const after = last === undefined ? {} : { after: { requestedAt: last.requestedAt, deliveryId: last.deliveryId } }
    page = (await listDeliveries(reader, account, { addressHash }, { limit: PAGE_SIZE, ...after })).rows
    deliveries.push(...page)
  }
  const sql = `select ${LIST_FACTS.columns('e')} from list_events e where e.account_id = $1 and e.address_hash = $2 order by e.id`
  const [entries, facts, listFacts] = await Promise.all([
    findSuppressions(reader, [{ account, addressHash }]),
    findFactsBySubject(
      reader,
      deliveries.map(({ deliveryId }) => ({ account, subject: deliveryId })),
    ),
    reader.all(sql, [account, hexToBytes(addressHash)]),
  ])
  return { deliveries, entries, facts: [...facts, ...listFacts.map(decodeFact)] }
}

/** Writes everything back without the address, in one transaction with the fact that says so. */
export async function saveAddressRedaction(db: Database, account: number, redaction: AddressRedaction): Promise<void> {
  await Promise.all([
    db.upsertMany(DELIVERIES, filterByAccount(account, redaction.deliveries)),
    db.upsertMany(SUPPRESSIONS, filterByAccount(account, redaction.entries)),
    db.upsertMany(INBOX, filterByAccount(account, redaction.inbox)),
    overwriteFactData(db, account, redaction.facts),
    removeWebhookRecordsOfEmails(db, account, redaction.emailIds),
    // What waits to be sent to the address is not sent any more.
    removeQueuedMessagesForOperator(
      db,
      filterByAccount(account, redaction.deliveries).map((row) => ({ ...row, deliveryMonth: row.month })),
    ),
    ...redaction.digests.map(async (digest) => removeRawMailForOperator(db, digest)),
    appendFacts(db, [redaction.fact], 'ignore'),
  ])
}

const filterByAccount = <Row extends { readonly account: number }>(account: number, rows: readonly Row[]): readonly Row[] =>
  rows.filter((row) => row.account === account)
