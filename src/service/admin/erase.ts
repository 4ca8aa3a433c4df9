/**
 * erase - one address goes from everywhere, and what protects it stays
 *
 * Rows and facts of every account are written again without the clear address; lists go on answering by its hash. Raw mails that mention it
 * cannot be blanked and go whole. One transaction an account, so that intake never waits for all of it; a second call finds what a crash
 * of the first has left.
 *
 * See also: ledger/decide/redact (what is left of a row), store/facts/redact (what there is).
 */
import { knowAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import { foldFacts } from '../../ledger/project/delivery.ts'
import { decideErasure, eraseDelivery, eraseEntry, eraseFact, eraseInbox, isNamedIn } from '../../ledger/decide/redact.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_SETTINGS } from '../../ledger/account-settings.ts'
import { emptyWorld, type InboxRow } from '../../ledger/project/state.ts'
import { parseReport } from '../../mail/report.ts'
import type { Db } from '../../store/engine/engine.ts'
import {
  eraseEnvelopesForOperator,
  pageRawMailsForOperator,
  saveErasure,
  tracesOf,
  type RawMailCursor,
  type Traces,
} from '../../store/facts/redact.ts'
import { eraseExports } from '../../store/exports.ts'
import { factsOf } from '../../store/facts/facts.ts'
import { inboxPage, type InboxCursor } from '../../store/mail/inbox.ts'
import { removeRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { pageRouteMailsForOperator, removeRouteMail, type RouteMail } from '../../store/mail/forwarded-mails.ts'
import { commitWorld } from '../commit.ts'
import { sweepExports } from '../export/exporter.ts'
import type { Shop } from '../context.ts'

/** What went: mails that we sent, entries of lists, raw mails that came. */
export type Erased = {
  readonly addressHash: string
  readonly deliveries: number
  readonly entries: number
  readonly mails: number
}

/** Erases an address. Idempotent. Faults: bad_request for what is no address. */
export async function eraseAddress(shop: Shop, email: string, actor: string): Promise<Erased> {
  const known = knowAddress(email)
  if (known === null) throw new Fault('bad_request', 'that is not an address that one can send to')
  const page = await shop.book.open()
  const total = { deliveries: 0, entries: 0 }
  for (const account of [0, ...page.accounts.map((each) => each.account)]) {
    const went = await shop.engine.tx((db) => eraseFrom(db, shop, { account, address: known.address, addressHash: known.hash, actor }))
    total.deliveries += went.deliveries
    total.entries += went.entries
  }
  const mails = (await eraseMails(shop, known.address)) + (await eraseRouteMails(shop, known.address))
  await sweepExports(shop, 0)
  const erased = { addressHash: known.hash, ...total, mails }
  await tellErasure(shop, actor, known.address, erased)
  if (!(await shop.engine.scrub())) shop.telemetry.log.warn('the store’s log is in use: what was erased leaves it at its next checkpoint')
  return erased
}

type Wish = { readonly account: number; readonly address: string; readonly addressHash: string; readonly actor: string }

async function eraseFrom(
  db: Db,
  shop: Shop,
  { account, address, addressHash, actor }: Wish,
): Promise<{ readonly deliveries: number; readonly entries: number }> {
  const traces = await tracesOf(db, account, addressHash)
  const inbox = await inboxThatNames(db, { account, address, traces })
  const subjects = inbox.map(({ digest }) => ({ account, subject: `mail:${digest}` }))
  const { deliveries, entries } = traces
  if (deliveries.length + entries.length + inbox.length === 0) return { deliveries: 0, entries: 0 }
  const facts = [...traces.facts, ...(await factsOf(db, subjects))].map((fact) => eraseFact(fact, address))
  const bySubject = Map.groupBy(facts, ({ subject }) => subject)
  const now = shop.now()
  const counts = { deliveries: deliveries.length, entries: entries.length }
  await saveErasure(db, account, {
    deliveries: deliveries.map((row) => foldFacts(bySubject.get(row.deliveryId) ?? []) ?? eraseDelivery(row, address)),
    entries: entries.map(eraseEntry),
    inbox: inbox.map((row) => eraseInbox(row, address)),
    facts,
    emailIds: deliveries.flatMap(({ emailId }) => emailId ?? []),
    digests: [...new Set([...inbox.map(({ digest }) => digest), ...traces.facts.flatMap(digestOf)])],
    fact: decideErasure({ account, addressHash, actor, ...counts }, { at: now, receivedAt: now, ids: shop.ids }),
  })
  await eraseExports(db, account, { at: now, error: 'an address in it was erased; ask for it again' })
  return counts
}

const digestOf = ({ data }: Fact): readonly string[] => ('digest' in data && data.digest !== null ? [data.digest] : [])

const PAGE = 1_000

type Named = { readonly account: number; readonly address: string; readonly traces: Traces }

/** Waiting mails that name the address, or are about a mail to it. */
async function inboxThatNames(db: Db, { account, address, traces }: Named): Promise<readonly InboxRow[]> {
  const ids = new Set(traces.deliveries.map(({ deliveryId }) => deliveryId))
  const found: InboxRow[] = []
  for (let after: InboxCursor | null = null; ;) {
    const rows: readonly InboxRow[] = await inboxPage(db, account, {}, { limit: PAGE, ...(after === null ? {} : { after }) })
    const isNamed = (row: InboxRow): boolean =>
      (row.deliveryId !== null && ids.has(row.deliveryId)) || isNamedIn([row.from, row.subject, row.summary].join('\n'), address)
    found.push(...rows.filter(isNamed))
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return found
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
}

/** Raw mails that one read unpacks: a few megabytes. */
const MAILS = 100

/** Looks through every mail that is kept, in its bytes and as our reader sees it (encoded words, base64); each goes by itself. */
async function eraseMails({ engine }: Shop, address: string): Promise<number> {
  let went = 0
  for (let after: RawMailCursor | null = null; ;) {
    const mails: Awaited<ReturnType<typeof pageRawMailsForOperator>> = await pageRawMailsForOperator(engine.read, after, MAILS)
    const named = mails.filter(({ raw }) => isNamedIn(raw.toString('latin1'), address) || isNamedIn(wordsOf(raw), address))
    if (named.length > 0) {
      await engine.tx(async (db) => {
        for (const { digest } of named) await removeRawMailForOperator(db, digest)
      })
    }
    went += named.length
    const last = mails.at(-1)
    if (last === undefined || mails.length < MAILS) return went
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
}

/** The same for mail that came for accounts; who wrote it and to whom counts too. */
async function eraseRouteMails({ engine }: Shop, address: string): Promise<number> {
  let went = 0
  for (let after: Pick<RouteMail, 'account' | 'digest'> | null = null; ;) {
    const mails: readonly RouteMail[] = await pageRouteMailsForOperator(engine.read, after, MAILS)
    const isNamed = ({ body, mailFrom, rcptTo }: RouteMail): boolean =>
      [Buffer.from(body).toString('latin1'), wordsOf(body), `${mailFrom}\n${rcptTo}`].some((text) => isNamedIn(text, address))
    const named = mails.filter(isNamed)
    if (named.length > 0) {
      await engine.tx(async (db) => {
        for (const { account, digest } of named) await removeRouteMail(db, account, digest)
      })
    }
    went += named.length
    const last = mails.at(-1)
    if (last === undefined || mails.length < MAILS) return went
    after = last
  }
}

/** All that our reader sees in a mail. JSON writes line ends as letters, which would join what stands beside them. */
const wordsOf = (raw: Uint8Array): string => JSON.stringify(parseReport(raw)).replaceAll(/\\[bfnrt]/g, ' ')

async function tellErasure(shop: Shop, actor: string, address: string, erased: Erased): Promise<void> {
  const now = shop.now()
  await shop.engine.tx(async (db) => {
    await eraseEnvelopesForOperator(db, address)
    const world = emptyWorld()
    applyFacts(world, [
      audit(0, 'erase', erased, { actor, settings: DEFAULT_SETTINGS, moment: { at: now, receivedAt: now, ids: shop.ids } }),
    ])
    await commitWorld(db, world, { now, notify: () => false })
  })
}
