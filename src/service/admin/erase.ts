/**
 * erase - erases one address everywhere, and keeps what protects it
 *
 * First, per account and in one transaction, everything that is indexed by the address: deliveries, list entries, their facts, the inbox.
 * Then every row of every table that merely quotes it. Lists keep working by the hash of the address. Raw mails that contain it are
 * removed. A second call erases what a crash has left.
 *
 * See also: ledger/decide/redact (facts), store/erasure/address-records (what is indexed), service/admin/erase-tables (every table).
 */
import { domainToUnicode } from 'node:url'
import { normaliseAddress, type HashedAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { foldDeliveryFacts } from '../../ledger/project/delivery.ts'
import { decideErasure, redactFact, containsAddress } from '../../ledger/decide/redact.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { saveAddressRedaction, findAddressRecords, type AddressRecords } from '../../store/erasure/address-records.ts'
import { redactRow } from '../../store/erasure/redact-row.ts'
import { expireErasedExports } from '../../store/exports.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { listInbox, type InboxCursor } from '../../store/mail/inbox.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import { INBOX, SUPPRESSIONS } from '../../store/schema.ts'
import type { Context } from '../context.ts'
import { purgeExports } from '../export/exporter.ts'
import { transact } from '../transact.ts'
import { eraseFromTables } from './erase-tables.ts'

/** How much was redacted or removed. `mails` counts received mails, which are removed whole. */
export type EraseResult = {
  readonly addressHash: string
  readonly deliveries: number
  readonly entries: number
  readonly mails: number
}

/** Erases an address in all accounts. Idempotent. Faults: bad_request (not an email address), store_busy. */
export async function eraseAddress(context: Context, email: string, actor: string): Promise<EraseResult> {
  const known = normaliseAddress(email)
  if (known === null) throw new Fault('bad_request', 'this is not an email address that mail can be sent to')
  const snapshot = await context.accountCache.snapshot()
  const total = { deliveries: 0, entries: 0 }
  for (const account of [0, ...snapshot.accounts.map((each) => each.account)]) {
    const removed = await context.engine.tx((db) =>
      eraseInAccount(db, context, { account, address: known.address, addressHash: known.hash, actor }),
    )
    total.deliveries += removed.deliveries
    total.entries += removed.entries
  }
  let mails = 0
  for (const spelling of spellingsOf(known)) mails += (await eraseFromTables(context, spelling)).mails
  await purgeExports(context, 0)
  const erased = { addressHash: known.hash, ...total, mails }
  await auditErasure(context, actor, erased)
  if (!(await context.engine.truncateLog()))
    context.telemetry.log.warn('the database log is in use by another process: it contains the erased data until its next checkpoint')
  return erased
}

/** The spellings to search for: text may quote an internationalised domain in A-labels or in U-labels (RFC 5890). */
function spellingsOf({ address, domain }: HashedAddress): readonly string[] {
  return [...new Set([address, `${address.slice(0, -domain.length)}${domainToUnicode(domain)}`])]
}

type EraseTarget = { readonly account: number; readonly address: string; readonly addressHash: string; readonly actor: string }

async function eraseInAccount(
  db: Database,
  context: Context,
  { account, address, addressHash, actor }: EraseTarget,
): Promise<{ readonly deliveries: number; readonly entries: number }> {
  const records = await findAddressRecords(db, account, addressHash)
  const inbox = await findInboxMentions(db, { account, address, records })
  const subjects = inbox.map(({ digest }) => ({ account, subject: `mail:${digest}` }))
  const { deliveries, entries } = records
  if (deliveries.length + entries.length + inbox.length === 0) return { deliveries: 0, entries: 0 }
  const facts = [...records.facts, ...(await findFactsBySubject(db, subjects))].map((fact) => redactFact(fact, address))
  const bySubject = Map.groupBy(facts, ({ subject }) => subject)
  const now = context.now()
  const counts = { deliveries: deliveries.length, entries: entries.length }
  await saveAddressRedaction(db, account, {
    deliveries: deliveries.map((row) => foldDeliveryFacts(bySubject.get(row.deliveryId) ?? []) ?? redactRow(DELIVERIES, row, address)),
    entries: entries.map((row) => redactRow(SUPPRESSIONS, row, address)),
    inbox: inbox.map((row) => redactRow(INBOX, row, address)),
    facts,
    emailIds: deliveries.flatMap(({ emailId }) => emailId ?? []),
    digests: [...new Set([...inbox.map(({ digest }) => digest), ...records.facts.flatMap(digestOf)])],
    fact: decideErasure({ account, addressHash, actor, ...counts }, { at: now, receivedAt: now, ids: context.ids }),
  })
  await expireErasedExports(db, account, { at: now, error: 'an address in it was erased; request the export again' })
  return counts
}

const digestOf = ({ data }: Fact): readonly string[] => ('digest' in data && data.digest !== null ? [data.digest] : [])

const PAGE_SIZE = 1_000

type MentionQuery = { readonly account: number; readonly address: string; readonly records: AddressRecords }

/** Inbox items that mention the address or concern a delivery to it. */
async function findInboxMentions(db: Database, { account, address, records }: MentionQuery): Promise<readonly InboxRow[]> {
  const ids = new Set(records.deliveries.map(({ deliveryId }) => deliveryId))
  const found: InboxRow[] = []
  for (let after: InboxCursor | null = null; ;) {
    const rows: readonly InboxRow[] = await listInbox(db, account, {}, { limit: PAGE_SIZE, ...(after === null ? {} : { after }) })
    const isMentioned = (row: InboxRow): boolean =>
      (row.deliveryId !== null && ids.has(row.deliveryId)) || containsAddress([row.from, row.subject, row.summary].join('\n'), address)
    found.push(...rows.filter(isMentioned))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_SIZE) return found
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
}

async function auditErasure(context: Context, actor: string, erased: EraseResult): Promise<void> {
  await transact(context, {}, ({ moment }) => ({ result: null, facts: [createAuditFact(0, 'erase', erased, { actor, moment })] }))
}
