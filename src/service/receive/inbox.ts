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
import { createManualMatch, type ReportMatch } from '../../correlate/match.ts'
import { NO_AUTHENTICATION_RESULTS, type SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact, decideInboxChange, type OperatorContext } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { InboxState } from '../../ledger/facts/inbox-facts.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { inboxKey, type DeliveryRow, type InboxRow } from '../../ledger/project/state.ts'
import type { ReportKind } from '../../mail/report.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { findInboxItem, findInboxItemsForOperator } from '../../store/mail/inbox.ts'
import { findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import { accountScopedKey, loadLedgerState, type LoadedLedgerState, type LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { logAlarms } from '../alarm-log.ts'
import { commitLedgerState } from '../commit.ts'
import { decideForMatch, matchAndDecide, matchMail, loadNeedsOf, type MatchContext } from './match-and-decide.ts'
import type { IncomingMail } from './incoming-mail.ts'
import { prepareMail, type PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'

export type InboxAction = 'accept' | 'discard' | 'link' | 'replay'

/** `account` null: the operator, who may touch everybody's. */
export type InboxCommand = { readonly account: number | null; readonly actor: string; readonly digest: string } & (
  | { readonly action: Exclude<InboxAction, 'link'> }
  | { readonly action: 'link'; readonly emailId: string }
)

/** `changed` false: it was done before, or (replay) the mail still waits, for the reason in `problem`. */
export type InboxResult = {
  readonly row: InboxRow
  readonly changed: boolean
  readonly problem: string | null
  /** What it added. */
  readonly facts: readonly Fact[]
}

const TARGET_STATES = { accept: 'accepted', discard: 'discarded', link: 'linked', replay: 'replayed' } as const satisfies Record<
  InboxAction,
  InboxState
>

/** What has counted once cannot be undone here: lists are lifted, statuses stand. */
const ACTIONABLE_STATES: readonly InboxState[] = ['open', 'discarded']

/** Kinds that a replay leaves where they are: today's reader can do no more with them. */
const UNREADABLE_KINDS: readonly ReportKind[] = ['other', 'unreadable']

export type RunInboxCommand = (call: InboxCommand) => Promise<InboxResult>

/**
 * Makes the door. Faults of a call: not_found (no such mail, or its bytes are no longer kept), conflict (it was settled otherwise, or
 * points at no mail), store_busy.
 */
export function createInboxCommandRunner(context: Context, prover: SignatureVerifier): RunInboxCommand {
  return async (call) => {
    const snapshot = await context.accountCache.snapshot()
    const found = await findRow(context, call)
    if (found.state === TARGET_STATES[call.action] && call.action !== 'link') return unchangedResult(found)
    const item =
      call.action === 'discard' ? null : await prepareStoredMail(context, call.action === 'replay' ? prover : null, snapshot, found)
    const result = await context.engine.tx(async (db) => {
      const loaded = await loadLedgerState(db, inboxNeedsOf(context, { call, row: found, item, snapshot }))
      const row = loaded.ledgerState.inbox.get(inboxKey(call.digest))
      if (row === undefined || row.account !== found.account) throw inboxMailNotFound()
      const answer = applyCommand(context, snapshot, { call, row, loaded, item })
      if (answer.changed)
        await commitLedgerState(db, loaded.ledgerState, { now: context.now(), egressIps: context.egressIps, notify: () => true })
      return { ...answer, row: loaded.ledgerState.inbox.get(inboxKey(call.digest)) ?? row }
    })
    logAlarms(context.telemetry, result.facts)
    return result
  }
}

const inboxMailNotFound = (): Fault => new Fault('not_found', 'no mail in the inbox has this id')

const unchangedResult = (row: InboxRow, problem: string | null = null): InboxResult => ({ row, changed: false, problem, facts: [] })

async function findRow({ engine }: Context, { account, digest }: InboxCommand): Promise<InboxRow> {
  const row =
    account === null ? (await findInboxItemsForOperator(engine.read, [digest]))[0] : await findInboxItem(engine.read, account, digest)
  if (!row) throw inboxMailNotFound()
  return row
}

/**
 * The mail as the listener had it, read by today's reader. What it proved then it proves for ever, since keys are rotated away; a replay asks
 * again for what could not be proven then.
 */
async function prepareStoredMail(
  context: Context,
  prover: SignatureVerifier | null,
  snapshot: AccountSnapshot,
  row: InboxRow,
): Promise<PreparedMail> {
  const { read } = context.engine
  const [raw, report, facts] = await Promise.all([
    findRawMailForOperator(read, row.digest),
    findReportForOperator(read, row.digest),
    findFactsBySubject(read, [{ account: row.account, subject: `mail:${row.digest}` }]),
  ])
  if (raw === null || report === null)
    throw new Fault('not_found', 'the raw mail is no longer kept (retention.rawDays); it can only be discarded')
  const at = facts.find((fact) => fact.kind === 'inbox')?.at ?? report.receivedAt
  const known = report.auth ?? NO_AUTHENTICATION_RESULTS
  const isProven = known.dkim.some(({ valid }) => valid)
  const prove: SignatureVerifier = (mail) => (prover === null || isProven ? Promise.resolve(known) : prover(mail, report.receivedAt))
  const item = await prepareMail(context, prove, snapshot, incomingMailOf(report, raw, { at, receivedAt: context.now() }))
  // The digest of a mail that was cut cannot be had from what was kept of it.
  return { ...item, digest: row.digest }
}

function incomingMailOf(report: ReportRow, raw: Uint8Array, times: { readonly at: number; readonly receivedAt: number }): IncomingMail {
  const { size, truncated, mailFrom, rcptTo, peer, sessionId } = report
  const envelope = { from: mailFrom, to: rcptTo }
  return { raw, size, truncated, dataDigest: '', envelope, peer, helo: null, ...times, source: 'replay', trustAs: null, sessionId }
}

type NeedsInput = {
  readonly call: InboxCommand
  readonly row: InboxRow
  readonly item: PreparedMail | null
  readonly snapshot: AccountSnapshot
}

function inboxNeedsOf(context: Context, { call, row, item, snapshot }: NeedsInput): LedgerStateNeeds {
  const base: LedgerStateNeeds = item === null ? { digests: [row.digest] } : loadNeedsOf(context, [item], snapshot)
  const subjects = [...(base.subjects ?? []), { account: row.account, subject: `mail:${row.digest}` }]
  if (call.action !== 'link') return { ...base, subjects }
  // A mail that is nobody's may be linked to anybody's; one that points at an account only there.
  const owners = row.account === 0 ? snapshot.accounts.map(({ account }) => account) : [row.account]
  return { ...base, subjects, emailIds: [...(base.emailIds ?? []), ...owners.map((account) => ({ account, emailId: call.emailId }))] }
}

type CommandInput = {
  readonly call: InboxCommand
  readonly row: InboxRow
  readonly loaded: LoadedLedgerState
  readonly item: PreparedMail | null
}

function applyCommand(context: Context, snapshot: AccountSnapshot, { call, row, loaded, item }: CommandInput): InboxResult {
  const now = context.now()
  const actionContext: OperatorContext = {
    actor: call.actor,
    settings: snapshot.settingsOf(row.account),
    moment: { at: now, receivedAt: now, ids: context.ids },
  }
  const input: MatchContext | null = item === null ? null : { context, snapshot, loaded, item }
  const linked = call.action === 'link' ? linkedMatch(call.emailId, row, loaded, snapshot) : null
  if (row.state === TARGET_STATES[call.action] && (linked === null || row.deliveryId === linked.deliveryId)) return unchangedResult(row)
  if (!ACTIONABLE_STATES.includes(row.state)) throw new Fault('conflict', `this mail was ${row.state} already`)
  if (row.reason === 'cut' && call.account !== null && call.action !== 'discard')
    throw new Fault('forbidden', 'an operator has cut this off, and only an operator lets it in')
  const outcome = input === null ? { match: null, facts: [] } : DECIDERS[call.action](input, linked)
  const isOther = outcome.match !== null && row.account !== 0 && outcome.match.account !== row.account
  if (isOther) throw new Fault('conflict', 'this mail speaks of another account’s mail')
  const problem = outcome.match?.problem ?? null
  if (problem !== null && call.action === 'replay') return unchangedResult(row, problem)
  if (problem !== null) throw new Fault('conflict', `it points at no mail that is known (${problem}): link it by hand`)
  if (call.action === 'replay' && input !== null && UNREADABLE_KINDS.includes(input.item.report.kind))
    return unchangedResult(row, input.item.report.kind)
  const facts = [...outcome.facts, ...closingFacts(row, outcome.match, TARGET_STATES[call.action], actionContext)]
  applyFacts(loaded.ledgerState, facts)
  return { row, changed: true, problem: null, facts }
}

/** The mail leaves the inbox; where it was nobody's, the account that it moved is told too. */
function closingFacts(
  row: InboxRow,
  match: ReportMatch<DeliveryRow> | null,
  state: InboxState,
  actionContext: OperatorContext,
): readonly Fact[] {
  const deliveryId = match?.deliveryId ?? null
  const inboxFacts = decideInboxChange(row, { state, deliveryId }, actionContext)
  if (match === null || match.account === row.account) return inboxFacts
  return [...inboxFacts, createAuditFact(match.account, `inbox.${state}`, { digest: row.digest, deliveryId }, actionContext)]
}

type InboxDecision = { readonly match: ReportMatch<DeliveryRow> | null; readonly facts: readonly Fact[] }

/** Its place in the inbox is told by {@link closingFacts}; a mail that is filed with its delivery need not be shown again. */
const withoutInboxFacts = (facts: readonly Fact[]): readonly Fact[] => facts.filter((fact) => fact.kind !== 'inbox')

const DECIDERS = {
  accept: (input) => decideManually(input, matchMail(input, true)),
  link: (input, linked) => decideManually(input, linked),
  replay: (input) => {
    const { match, facts } = matchAndDecide(input, false)
    return { match, facts: withoutInboxFacts(facts) }
  },
  discard: () => ({ match: null, facts: [] }),
} as const satisfies Record<InboxAction, (input: MatchContext, linked: ReportMatch<DeliveryRow> | null) => InboxDecision>

/** A person's word is all that it proves, whatever is signed: so it never feeds the shared list. */
function decideManually(input: MatchContext, match: ReportMatch<DeliveryRow> | null): InboxDecision {
  if (match === null || match.problem !== null) return { match, facts: [] }
  const vouchedMatch: ReportMatch<DeliveryRow> = { ...match, proof: 'operator' }
  return { match: vouchedMatch, facts: withoutInboxFacts(decideForMatch(input, vouchedMatch)) }
}

function linkedMatch(
  emailId: string,
  row: InboxRow,
  { byEmailId }: LoadedLedgerState,
  snapshot: AccountSnapshot,
): ReportMatch<DeliveryRow> {
  const owners = row.account === 0 ? snapshot.accounts.map(({ account }) => account) : [row.account]
  const [delivery, ...others] = owners.flatMap((account) => byEmailId.get(accountScopedKey(account, emailId)) ?? [])
  if (delivery === undefined) throw new Fault('not_found', 'no mail has this emailId')
  if (others.length > 0) throw new Fault('conflict', 'more than one account has a mail of this emailId')
  return createManualMatch(delivery)
}
