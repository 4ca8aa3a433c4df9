/**
 * address-records - everything that is indexed by one address: found, and saved without it
 *
 * Rows keep their keys and hashes, so lists keep working. Only clear text is removed. Raw mails of the address are removed as a whole.
 * Rows that merely quote the address have no index: see store/erasure/mentions.
 *
 * See also: service/admin/erase, ledger/decide/redact (facts), store/erasure/redact-row (rows).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../../ledger/project/state.ts'
import { listDeliveries } from '../mail/deliveries.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { appendFacts, findFactsBySubject, findListFacts, overwriteFactData } from '../facts/facts.ts'
import { removeQueuedMessagesForOperator } from '../queue/queued-mail.ts'
import { removeRawMailForOperator } from '../mail/raw-mail.ts'
import { DELIVERIES } from '../mail/delivery-columns.ts'
import { INBOX, SUPPRESSIONS } from '../schema.ts'
import { findSuppressions } from '../lists/suppressions.ts'
import { removeWebhookRecordsOfEmails } from '../webhook/attempts.ts'

export type AddressRecords = {
  readonly deliveries: readonly DeliveryRow[]
  readonly entries: readonly SuppressionRow[]
  readonly facts: readonly Fact[]
}

type AddressRedaction = AddressRecords & {
  readonly inbox: readonly InboxRow[]
  /** Digests of the raw mails to remove. */
  readonly digests: readonly string[]
  /** Emails whose webhook records are removed too: responses may quote the address. */
  readonly emailIds: readonly string[]
  /** The fact that records the erasure. */
  readonly fact: Fact
}

/** Deliveries of one page of {@link findAddressRecords}. */
const PAGE_SIZE = 1_000

/** Finds the deliveries to an address with all their facts, and its entries on every list with theirs, in one account. */
export async function findAddressRecords(reader: DatabaseReader, account: number, addressHash: string): Promise<AddressRecords> {
  const deliveries: DeliveryRow[] = []
  for (let page: readonly DeliveryRow[] | null = null; page === null || page.length === PAGE_SIZE;) {
    const last = deliveries.at(-1)
    const after = last === undefined ? {} : { after: { requestedAt: last.requestedAt, deliveryId: last.deliveryId } }
    page = (await listDeliveries(reader, account, { addressHash }, { limit: PAGE_SIZE, ...after })).rows
    deliveries.push(...page)
  }
  const [entries, facts, listFacts] = await Promise.all([
    findSuppressions(reader, [{ account, addressHash }]),
    findFactsBySubject(
      reader,
      deliveries.map(({ deliveryId }) => ({ account, subject: deliveryId })),
    ),
    findListFacts(reader, { account, addressHash }),
  ])
  return { deliveries, entries, facts: [...facts, ...listFacts] }
}

/** Saves everything without the address, together with the fact that records the erasure. Run it in one transaction. */
export async function saveAddressRedaction(db: Database, account: number, redaction: AddressRedaction): Promise<void> {
  await Promise.all([
    db.upsertMany(DELIVERIES, filterByAccount(account, redaction.deliveries)),
    db.upsertMany(SUPPRESSIONS, filterByAccount(account, redaction.entries)),
    db.upsertMany(INBOX, filterByAccount(account, redaction.inbox)),
    overwriteFactData(db, account, redaction.facts),
    removeWebhookRecordsOfEmails(db, account, redaction.emailIds),
    // Queued messages to the address are not sent any more.
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
