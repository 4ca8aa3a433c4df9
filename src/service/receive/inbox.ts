/**
 * inbox - what a person does with a mail that waits: accept, link, discard, replay
 *
 * The kept bytes go through today's reader and rules once more. `accept` vouches for what the mail points at; `link` says which mail it is
 * about; `replay` asks again and believes no more than the listener would. All three leave the world as if the mail had come so at once,
 * but for the proof: `operator` where a person vouched, which never feeds the list that accounts share. One transaction each, audited, and
 * saying it again changes nothing. A mail of an account can only ever speak of that account's mails.
 *
 * See also: service/receive/match-and-decide, ledger/decide/operator-action, http/api/inbox, commands/reading/inbox.
 */
import { matchByHand, type Match } from '../../correlate/match.ts'
import { NO_PROOFS, type Prover } from '../../mail-auth/verify-signatures.ts'
import { Fault } from '../../errors.ts'
import { audit, decideInbox, type Hand } from '../../ledger/decide/operator-action.ts'
import type { Fact, InboxState } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { inboxKey, type DeliveryRow, type InboxRow } from '../../ledger/project/state.ts'
import type { ReportKind } from '../../mail/report.ts'
import { factsOf } from '../../store/facts/facts.ts'
import { findInbox, inboxOfForOperator } from '../../store/mail/inbox.ts'
import { getRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import type { ReportRow } from '../../store/schema.ts'
import { doorKey, loadWorld, type Loaded, type WorldNeeds } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import { tellAlarms } from '../alarm-log.ts'
import { commitWorld } from '../commit.ts'
import { decideAs, judge, matchOf, needsOf, type Case } from './match-and-decide.ts'
import type { IncomingMail } from './incoming-mail.ts'
import { prepare, type Prepared } from './prepare.ts'
import type { Shop } from '../context.ts'

export type InboxAction = 'accept' | 'discard' | 'link' | 'replay'

/** `account` null: the operator, who may touch everybody's. */
export type InboxCall = { readonly account: number | null; readonly actor: string; readonly digest: string } & (
  | { readonly action: Exclude<InboxAction, 'link'> }
  | { readonly action: 'link'; readonly emailId: string }
)

/** `changed` false: it was done before, or (replay) the mail still waits, for the reason in `problem`. */
export type InboxAnswer = {
  readonly row: InboxRow
  readonly changed: boolean
  readonly problem: string | null
  /** What it added. */
  readonly facts: readonly Fact[]
}

const WANTED = { accept: 'accepted', discard: 'discarded', link: 'linked', replay: 'replayed' } as const satisfies Record<
  InboxAction,
  InboxState
>

/** What has counted once cannot be undone here: lists are lifted, statuses stand. */
const OPEN: readonly InboxState[] = ['open', 'discarded']

/** Kinds that a replay leaves where they are: today's reader can do no more with them. */
const UNREAD: readonly ReportKind[] = ['other', 'unreadable']

export type SettleInbox = (call: InboxCall) => Promise<InboxAnswer>

/**
 * Makes the door. Faults of a call: not_found (no such mail, or its bytes are no longer kept), conflict (it was settled otherwise, or
 * points at no mail), store_busy.
 */
export function createInbox(shop: Shop, prover: Prover): SettleInbox {
  return async (call) => {
    const page = await shop.book.open()
    const found = await findRow(shop, call)
    if (found.state === WANTED[call.action] && call.action !== 'link') return unchanged(found)
    const item = call.action === 'discard' ? null : await reopen(shop, call.action === 'replay' ? prover : null, page, found)
    const settled = await shop.engine.tx(async (db) => {
      const loaded = await loadWorld(db, needsFor(shop, { call, row: found, item, page }))
      const row = loaded.world.inbox.get(inboxKey(call.digest))
      if (row === undefined || row.account !== found.account) throw missing()
      const answer = settle(shop, page, { call, row, loaded, item })
      if (answer.changed) await commitWorld(db, loaded.world, { now: shop.now(), egressIps: shop.egressIps, notify: () => true })
      return { ...answer, row: loaded.world.inbox.get(inboxKey(call.digest)) ?? row }
    })
    tellAlarms(shop.telemetry, settled.facts)
    return settled
  }
}

const missing = (): Fault => new Fault('not_found', 'no mail in the inbox has this id')

const unchanged = (row: InboxRow, problem: string | null = null): InboxAnswer => ({ row, changed: false, problem, facts: [] })

async function findRow({ engine }: Shop, { account, digest }: InboxCall): Promise<InboxRow> {
  const row = account === null ? (await inboxOfForOperator(engine.read, [digest]))[0] : await findInbox(engine.read, account, digest)
  if (!row) throw missing()
  return row
}

/**
 * The mail as the listener had it, read by today's reader. What it proved then it proves for ever, since keys are rotated away; a replay asks
 * again for what could not be proven then.
 */
async function reopen(shop: Shop, prover: Prover | null, page: Page, row: InboxRow): Promise<Prepared> {
  const { read } = shop.engine
  const [raw, report, facts] = await Promise.all([
    getRawMailForOperator(read, row.digest),
    findReportForOperator(read, row.digest),
    factsOf(read, [{ account: row.account, subject: `mail:${row.digest}` }]),
  ])
  if (raw === null || report === null)
    throw new Fault('not_found', 'the raw mail is no longer kept (retention.rawDays); it can only be discarded')
  const at = facts.find((fact) => fact.kind === 'inbox')?.at ?? report.receivedAt
  const known = report.auth ?? NO_PROOFS
  const isProven = known.dkim.some(({ valid }) => valid)
  const prove: Prover = (mail) => (prover === null || isProven ? Promise.resolve(known) : prover(mail, report.receivedAt))
  const item = await prepare(shop, prove, page, mailOf(report, raw, { at, receivedAt: shop.now() }))
  // The digest of a mail that was cut cannot be had from what was kept of it.
  return { ...item, digest: row.digest }
}

function mailOf(report: ReportRow, raw: Uint8Array, times: { readonly at: number; readonly receivedAt: number }): IncomingMail {
  const { size, truncated, mailFrom, rcptTo, peer, sessionId } = report
  const envelope = { from: mailFrom, to: rcptTo }
  return { raw, size, truncated, dataDigest: '', envelope, peer, helo: null, ...times, source: 'replay', trustAs: null, sessionId }
}

type Needing = { readonly call: InboxCall; readonly row: InboxRow; readonly item: Prepared | null; readonly page: Page }

function needsFor(shop: Shop, { call, row, item, page }: Needing): WorldNeeds {
  const base: WorldNeeds = item === null ? { digests: [row.digest] } : needsOf(shop, [item], page)
  const subjects = [...(base.subjects ?? []), { account: row.account, subject: `mail:${row.digest}` }]
  if (call.action !== 'link') return { ...base, subjects }
  // A mail that is nobody's may be linked to anybody's; one that points at an account only there.
  const owners = row.account === 0 ? page.accounts.map(({ account }) => account) : [row.account]
  return { ...base, subjects, emailIds: [...(base.emailIds ?? []), ...owners.map((account) => ({ account, emailId: call.emailId }))] }
}

type Settling = { readonly call: InboxCall; readonly row: InboxRow; readonly loaded: Loaded; readonly item: Prepared | null }

function settle(shop: Shop, page: Page, { call, row, loaded, item }: Settling): InboxAnswer {
  const now = shop.now()
  const hand: Hand = { actor: call.actor, settings: page.settingsOf(row.account), moment: { at: now, receivedAt: now, ids: shop.ids } }
  const given = item === null ? null : { shop, page, loaded, item }
  const linked = call.action === 'link' ? linkedTo(call.emailId, row, loaded, page) : null
  if (row.state === WANTED[call.action] && (linked === null || row.deliveryId === linked.deliveryId)) return unchanged(row)
  if (!OPEN.includes(row.state)) throw new Fault('conflict', `this mail was ${row.state} already`)
  if (row.reason === 'cut' && call.account !== null && call.action !== 'discard')
    throw new Fault('forbidden', 'an operator has cut this off, and only an operator lets it in')
  const outcome = given === null ? { match: null, facts: [] } : DECIDE[call.action](given, linked)
  const isOther = outcome.match !== null && row.account !== 0 && outcome.match.account !== row.account
  if (isOther) throw new Fault('conflict', 'this mail speaks of another account’s mail')
  const problem = outcome.match?.problem ?? null
  if (problem !== null && call.action === 'replay') return unchanged(row, problem)
  if (problem !== null) throw new Fault('conflict', `it points at no mail that is known (${problem}): link it by hand`)
  if (call.action === 'replay' && given !== null && UNREAD.includes(given.item.report.kind)) return unchanged(row, given.item.report.kind)
  const facts = [...outcome.facts, ...closing(row, outcome.match, WANTED[call.action], hand)]
  applyFacts(loaded.world, facts)
  return { row, changed: true, problem: null, facts }
}

/** The mail leaves the inbox; where it was nobody's, the account that it moved is told too. */
function closing(row: InboxRow, match: Match<DeliveryRow> | null, state: InboxState, hand: Hand): readonly Fact[] {
  const deliveryId = match?.deliveryId ?? null
  const told = decideInbox(row, { state, deliveryId }, hand)
  if (match === null || match.account === row.account) return told
  return [...told, audit(match.account, `inbox.${state}`, { digest: row.digest, deliveryId }, hand)]
}

type Decided = { readonly match: Match<DeliveryRow> | null; readonly facts: readonly Fact[] }

/** Its place in the inbox is told by {@link closing}; a mail that is filed with its delivery need not be shown again. */
const besideInbox = (facts: readonly Fact[]): readonly Fact[] => facts.filter((fact) => fact.kind !== 'inbox')

const DECIDE = {
  accept: (given) => decideByHand(given, matchOf(given, true)),
  link: (given, linked) => decideByHand(given, linked),
  replay: (given) => {
    const { match, facts } = judge(given, false)
    return { match, facts: besideInbox(facts) }
  },
  discard: () => ({ match: null, facts: [] }),
} as const satisfies Record<InboxAction, (given: Case, linked: Match<DeliveryRow> | null) => Decided>

/** A person's word is all that it proves, whatever is signed: so it never feeds the shared list. */
function decideByHand(given: Case, match: Match<DeliveryRow> | null): Decided {
  if (match === null || match.problem !== null) return { match, facts: [] }
  const vouched: Match<DeliveryRow> = { ...match, proof: 'operator' }
  return { match: vouched, facts: besideInbox(decideAs(given, vouched)) }
}

function linkedTo(emailId: string, row: InboxRow, { byEmailId }: Loaded, page: Page): Match<DeliveryRow> {
  const owners = row.account === 0 ? page.accounts.map(({ account }) => account) : [row.account]
  const [delivery, ...others] = owners.flatMap((account) => byEmailId.get(doorKey(account, emailId)) ?? [])
  if (delivery === undefined) throw new Fault('not_found', 'no mail has this emailId')
  if (others.length > 0) throw new Fault('conflict', 'more than one account has a mail of this emailId')
  return matchByHand(delivery)
}
