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
import { findDeliveries } from '../mail/deliveries.ts'
import type { Db, Reader } from '../engine/engine.ts'
import { appendFacts, factOf, factsOf, rewriteFacts } from './facts.ts'
import { unpack } from '../engine/compression.ts'
import { removeQueuedForOperator } from '../queue/queued-mail.ts'
import { removeRawMailForOperator } from '../mail/raw-mail.ts'
import { DELIVERIES, INBOX, LIST_EVENTS, RAW_MAILS, SUPPRESSIONS } from '../schema.ts'
import { bytesOfHex } from '../engine/mapping.ts'
import { suppressionsOf } from '../lists/suppressions.ts'
import { removeRecordsOfEmail } from '../webhook/attempts.ts'

export type Traces = {
  readonly deliveries: readonly DeliveryRow[]
  readonly entries: readonly SuppressionRow[]
  readonly facts: readonly Fact[]
}

export type Erasure = Traces & {
  readonly inbox: readonly InboxRow[]
  /** Digests of raw mails to be removed. */
  readonly digests: readonly string[]
  /** Mails of which what webhooks said and heard goes too: answers may quote them. */
  readonly emailIds: readonly string[]
  /** The fact that says so. */
  readonly fact: Fact
}

/** What one page of {@link tracesOf} holds. */
const PAGE = 1_000

/** Deliveries to an address with all their facts, its entries on every list with theirs; of one account. */
export async function tracesOf(reader: Reader, account: number, addressHash: string): Promise<Traces> {
  const deliveries: DeliveryRow[] = []
  for (let page: readonly DeliveryRow[] | null = null; page === null || page.length === PAGE;) {
    const last = deliveries.at(-1)
    const after = last === undefined ? {} : { after: { requestedAt: last.requestedAt, deliveryId: last.deliveryId } }
    page = (await findDeliveries(reader, account, { addressHash }, { limit: PAGE, ...after })).rows
    deliveries.push(...page)
  }
  const sql = `select ${LIST_EVENTS.columns('e')} from list_events e where e.account_id = $1 and e.address_hash = $2 order by e.id`
  const [entries, facts, listFacts] = await Promise.all([
    suppressionsOf(reader, [{ account, addressHash }]),
    factsOf(
      reader,
      deliveries.map(({ deliveryId }) => ({ account, subject: deliveryId })),
    ),
    reader.all(sql, [account, bytesOfHex(addressHash)]),
  ])
  return { deliveries, entries, facts: [...facts, ...listFacts.map(factOf)] }
}

/** Writes everything back without the address, in one transaction with the fact that says so. */
export async function saveErasure(db: Db, account: number, erasure: Erasure): Promise<void> {
  await Promise.all([
    db.upsertMany(DELIVERIES, ofAccount(account, erasure.deliveries)),
    db.upsertMany(SUPPRESSIONS, ofAccount(account, erasure.entries)),
    db.upsertMany(INBOX, ofAccount(account, erasure.inbox)),
    rewriteFacts(db, account, erasure.facts),
    removeRecordsOfEmail(db, account, erasure.emailIds),
    // What waits to be sent to the address is not sent any more.
    removeQueuedForOperator(
      db,
      ofAccount(account, erasure.deliveries).map((row) => ({ ...row, deliveryMonth: row.month })),
    ),
    ...erasure.digests.map(async (digest) => removeRawMailForOperator(db, digest)),
    appendFacts(db, [erasure.fact], 'ignore'),
  ])
}

/** Where a page of {@link pageRawMailsForOperator} ended. */
export type RawMailCursor = { readonly receivedAt: number; readonly digest: string }

/** Mails that are kept, unpacked, oldest first. */
export async function pageRawMailsForOperator(
  reader: Reader,
  after: RawMailCursor | null,
  limit: number,
): Promise<readonly (RawMailCursor & { readonly raw: Buffer })[]> {
  const { receivedAt, digest } = after ?? { receivedAt: -1, digest: '' }
  const sql = `select ${RAW_MAILS.columns('m')} from raw_mails m where (m.received_at, m.digest) > ($1, $2) order by m.received_at, m.digest limit $3`
  const rows = (await reader.all(sql, [receivedAt, bytesOfHex(digest), limit])).map(RAW_MAILS.decode)
  return Promise.all(rows.map(async (row) => ({ receivedAt: row.receivedAt, digest: row.digest, raw: await unpack(row.body) })))
}

/** The address as sender or recipient of mails that came; how many. */
export async function eraseEnvelopesForOperator(db: Db, address: string): Promise<number> {
  const [from, to] = [
    await db.run(`update reports set mail_from = '' where lower(mail_from) = $1`, [address]),
    await db.run(`update reports set rcpt_to = '' where lower(rcpt_to) = $1`, [address]),
  ]
  return from + to
}

const ofAccount = <Row extends { readonly account: number }>(account: number, rows: readonly Row[]): readonly Row[] =>
  rows.filter((row) => row.account === account)
