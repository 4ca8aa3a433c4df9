/**
 * erase - one address goes from everywhere, and what protects it stays
 *
 * Rows and facts of every account are written again without the clear address; lists go on answering by its hash. Raw mails that mention it
 * cannot be blanked and go whole. One transaction an account, so that intake never waits for all of it; a second call finds what a crash
 * of the first has left.
 *
 * See also: ledger/decide/redact (what is left of a row), store/facts/redact (what there is).
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { foldDeliveryFacts } from '../../ledger/project/delivery.ts'
import { decideErasure, redactDelivery, redactEntry, redactFact, redactInbox, containsAddress } from '../../ledger/decide/redact.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { createLedgerState, type InboxRow } from '../../ledger/project/state.ts'
import { parseReport } from '../../mail/report.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  redactEnvelopesForOperator,
  listRawMailsForOperator,
  saveAddressRedaction,
  findAddressRecords,
  type RawMailCursor,
  type AddressRecords,
} from '../../store/facts/redact.ts'
import { expireErasedExports } from '../../store/exports.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { listInbox, type InboxCursor } from '../../store/mail/inbox.ts'
import { removeRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { listForwardedMailsForOperator, removeForwardedMail, type ForwardedMail } from '../../store/mail/forwarded-mails.ts'
import { commitLedgerState } from '../commit.ts'
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
  const mails = (await eraseRawMails(context, known.address)) + (await eraseForwardedMails(context, known.address))
  await purgeExports(context, 0)
  const erased = { addressHash: known.hash, ...total, mails }
  await auditErasure(context, actor, known.address, erased)
  if (!(await context.engine.truncateLog()))
    context.telemetry.log.warn('the store’s log is in use: what was erased leaves it at its next checkpoint')
  return erased
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
    deliveries: deliveries.map((row) => foldDeliveryFacts(bySubject.get(row.deliveryId) ?? []) ?? redactDelivery(row, address)),
    entries: entries.map((row) => redactEntry(row, address)),
    inbox: inbox.map((row) => redactInbox(row, address)),
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

/** Raw mails that one read unpacks: a few megabytes. */
const MAIL_PAGE_SIZE = 100

/** Looks through every mail that is kept, in its bytes and as our reader sees it (encoded words, base64); each goes by itself. */
async function eraseRawMails({ engine }: Context, address: string): Promise<number> {
  let removed = 0
  for (let after: RawMailCursor | null = null; ;) {
    const mails: Awaited<ReturnType<typeof listRawMailsForOperator>> = await listRawMailsForOperator(engine.read, after, MAIL_PAGE_SIZE)
    const named = mails.filter(({ raw }) => containsAddress(raw.toString('latin1'), address) || containsAddress(readableText(raw), address))
    if (named.length > 0) {
      await engine.tx(async (db) => {
        for (const { digest } of named) await removeRawMailForOperator(db, digest)
      })
    }
    removed += named.length
    const last = mails.at(-1)
    if (last === undefined || mails.length < MAIL_PAGE_SIZE) return removed
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
}

/** The same for mail that came for accounts; who wrote it and to whom counts too. */
async function eraseForwardedMails({ engine }: Context, address: string): Promise<number> {
  let removed = 0
  for (let after: Pick<ForwardedMail, 'account' | 'digest'> | null = null; ;) {
    const mails: readonly ForwardedMail[] = await listForwardedMailsForOperator(engine.read, after, MAIL_PAGE_SIZE)
    const isNamed = ({ body, mailFrom, rcptTo }: ForwardedMail): boolean =>
      [Buffer.from(body).toString('latin1'), readableText(body), `${mailFrom}\n${rcptTo}`].some((text) => containsAddress(text, address))
    const named = mails.filter(isNamed)
    if (named.length > 0) {
      await engine.tx(async (db) => {
        for (const { account, digest } of named) await removeForwardedMail(db, account, digest)
      })
    }
    removed += named.length
    const last = mails.at(-1)
    if (last === undefined || mails.length < MAIL_PAGE_SIZE) return removed
    after = last
  }
}

/** All that our reader sees in a mail. JSON writes line ends as letters, which would join what stands beside them. */
const readableText = (raw: Uint8Array): string => JSON.stringify(parseReport(raw)).replaceAll(/\\[bfnrt]/g, ' ')

async function auditErasure(context: Context, actor: string, address: string, erased: EraseResult): Promise<void> {
  const now = context.now()
  await context.engine.tx(async (db) => {
    await redactEnvelopesForOperator(db, address)
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
