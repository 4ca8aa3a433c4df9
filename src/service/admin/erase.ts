/**
 * erase - one address goes from everywhere, and what protects it stays
 *
 * Rows and facts of every account are written again without the clear address; lists go on answering by its hash. Raw mails that mention it
 * cannot be blanked and go whole. One transaction an account, so that intake never waits for all of it; a second call finds what a crash
 * of the first has left.
 *
 * See also: ledger/decide/redact (what is left of a row), store/erasure/address-records (what there is), service/admin/erase-tables (every table).
 */
import { domainToUnicode } from 'node:url'
import { normaliseAddress, type HashedAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { foldDeliveryFacts } from '../../ledger/project/delivery.ts'
import { decideErasure, redactFact, containsAddress } from '../../ledger/decide/redact.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { createLedgerState, type InboxRow } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { saveAddressRedaction, findAddressRecords, type AddressRecords } from '../../store/erasure/address-records.ts'
import { redactRow } from '../../store/erasure/redact-row.ts'
import { expireErasedExports } from '../../store/exports.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { listInbox, type InboxCursor } from '../../store/mail/inbox.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import { INBOX, SUPPRESSIONS } from '../../store/schema.ts'
import { commitLedgerState } from '../commit.ts'
import { eraseFromTables } from './erase-tables.ts'
import { purgeExports } from '../export/exporter.ts'
import type { Context } from '../context.ts'

/** What went: mails that we sent, entries of lists, raw mails that came. */
export type EraseResult = {
  readonly addressHash: string
  readonly deliveries: number
  readonly entries: number
  readonly mails: number
}

/** Erases an address. Idempotent. Faults: bad_request for what is no address. */
export async function eraseAddress(context: Context, email: string, actor: string): Promise<EraseResult> {
  const known = normaliseAddress(email)
  if (known === null) throw new Fault('bad_request', 'that is not an address that one can send to')
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
    context.telemetry.log.warn('the store’s log is in use: what was erased leaves it at its next checkpoint')
  return erased
}

/** Text may quote an internationalised domain as A-label or as U-label. */
function spellingsOf({ address, domain }: HashedAddress): readonly string[] {
  return [...new Set([address, `${address.slice(0, -domain.length)}${domainToUnicode(domain)}`])]
}

type EraseTarget = { readonly account: number; readonly address: string; readonly addressHash: string; readonly actor: string }

async function eraseInAccount(
  db: Database,
  context: Context,
  { account, address, addressHash, actor }: EraseTarget,
): Promise<{ readonly deliveries: number; readonly entries: number }> {
  const traces = await findAddressRecords(db, account, addressHash)
  const inbox = await findInboxMentions(db, { account, address, traces })
  const subjects = inbox.map(({ digest }) => ({ account, subject: `mail:${digest}` }))
  const { deliveries, entries } = traces
  if (deliveries.length + entries.length + inbox.length === 0) return { deliveries: 0, entries: 0 }
  const facts = [...traces.facts, ...(await findFactsBySubject(db, subjects))].map((fact) => redactFact(fact, address))
  const bySubject = Map.groupBy(facts, ({ subject }) => subject)
  const now = context.now()
  const counts = { deliveries: deliveries.length, entries: entries.length }
  await saveAddressRedaction(db, account, {
    deliveries: deliveries.map((row) => foldDeliveryFacts(bySubject.get(row.deliveryId) ?? []) ?? redactRow(DELIVERIES, row, address)),
    entries: entries.map((row) => redactRow(SUPPRESSIONS, row, address)),
    inbox: inbox.map((row) => redactRow(INBOX, row, address)),
    facts,
    emailIds: deliveries.flatMap(({ emailId }) => emailId ?? []),
    digests: [...new Set([...inbox.map(({ digest }) => digest), ...traces.facts.flatMap(digestOf)])],
    fact: decideErasure({ account, addressHash, actor, ...counts }, { at: now, receivedAt: now, ids: context.ids }),
  })
  await expireErasedExports(db, account, { at: now, error: 'an address in it was erased; ask for it again' })
  return counts
}

const digestOf = ({ data }: Fact): readonly string[] => ('digest' in data && data.digest !== null ? [data.digest] : [])

const PAGE_SIZE = 1_000

type MentionQuery = { readonly account: number; readonly address: string; readonly traces: AddressRecords }

/** Waiting mails that name the address, or are about a mail to it. */
async function findInboxMentions(db: Database, { account, address, traces }: MentionQuery): Promise<readonly InboxRow[]> {
  const ids = new Set(traces.deliveries.map(({ deliveryId }) => deliveryId))
  const found: InboxRow[] = []
  for (let after: InboxCursor | null = null; ;) {
    const rows: readonly InboxRow[] = await listInbox(db, account, {}, { limit: PAGE_SIZE, ...(after === null ? {} : { after }) })
    const isNamed = (row: InboxRow): boolean =>
      (row.deliveryId !== null && ids.has(row.deliveryId)) || containsAddress([row.from, row.subject, row.summary].join('\n'), address)
    found.push(...rows.filter(isNamed))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_SIZE) return found
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
}

async function auditErasure(context: Context, actor: string, erased: EraseResult): Promise<void> {
  const now = context.now()
  await context.engine.tx(async (db) => {
    const ledgerState = createLedgerState()
    applyFacts(ledgerState, [
      createAuditFact(0, 'erase', erased, {
        actor,
        settings: DEFAULT_ACCOUNT_SETTINGS,
        moment: { at: now, receivedAt: now, ids: context.ids },
      }),
    ])
    await commitLedgerState(db, ledgerState, { now, notify: () => false })
  })
}
