/**
 * inbox - accepts, links, discards and replays mails in the inbox
 *
 * - `accept` trusts the mail, and lets it change the delivery that its references name.
 * - `link` lets it change the delivery that the command names.
 * - `replay` processes it again with the current parser and rules, and trusts it no more than the SMTP listener would.
 * - `discard` ignores it.
 *
 * If the report names another recipient than the mail that it would change, `accept` and `link` need `force`.
 *
 * The result is the same as if the mail had been processed so on arrival. Only the proof differs: with `operator` the mail never feeds the
 * list that accounts share. Each command is one transaction, creates an audit fact, and is idempotent. A mail of an account can only change
 * deliveries of that account.
 *
 * See also: service/receive/match-and-decide, ledger/decide/operator-action, http/api/inbox, commands/reading/inbox.
 */
import { createManualMatch, type ReportMatch } from '../../correlate/match.ts'
import { findOtherRecipient } from '../../correlate/other-recipient.ts'
import {
  NO_AUTHENTICATION_RESULTS,
  type AuthenticationResults,
  type DkimResult,
  type SignatureVerifier,
} from '../../mail-auth/verify-signatures.ts'
import { Fault } from '../../errors.ts'
import { createInboxAuditFact, decideInboxChange, type OperatorContext } from '../../ledger/decide/operator-action.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { InboxState } from '../../ledger/facts/inbox-facts.ts'
import { inboxKey, type DeliveryRow, type InboxRow } from '../../ledger/project/state.ts'
import type { ReportKind } from '../../mail/report.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { findInboxItem, findInboxItemsForOperator } from '../../store/mail/inbox.ts'
import { findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import { accountScopedKey, type LoadedLedgerState, type LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { decideForMatch, matchAndDecide, matchMail, loadNeedsOf, type MatchContext } from './match-and-decide.ts'
import type { IncomingMail } from './incoming-mail.ts'
import { prepareMail, type PreparedMail } from './prepare.ts'

/** The state that each action leads to. */
const TARGET_STATES = { accept: 'accepted', discard: 'discarded', link: 'linked', replay: 'replayed' } as const satisfies Record<
  string,
  InboxState
>

type InboxAction = keyof typeof TARGET_STATES

/** `account` null: the operator, who may change the inbox of every account. */
export type InboxCommand = {
  readonly account: number | null
  readonly actor: string
  readonly digest: string
  /** Only if the mail is still pending; otherwise the command is a conflict. */
  readonly whilePending?: boolean
} & (
  | { readonly action: 'discard' | 'replay' }
  | ({ readonly action: 'accept' } & ForceOption)
  | ({ readonly action: 'link'; readonly emailId: string } & ForceOption)
)

/** `force`: also if the report names another recipient than the mail. */
type ForceOption = { readonly force?: boolean }

/** `changed` is false if the command was carried out before, or if a replayed mail stays in the inbox because of `problem`. */
export type InboxResult = {
  readonly row: InboxRow
  readonly changed: boolean
  readonly problem: string | null
  /** The facts that the command created. */
  readonly facts: readonly Fact[]
}

/** A mail that has taken effect cannot be changed here: list entries are removed elsewhere, and statuses are final. */
const ACTIONABLE_STATES: readonly InboxState[] = ['open', 'discarded']

/** Whether a mail waits for the verification of its signatures, and for nobody else. */
export const isPendingItem = ({ state, reason }: InboxRow): boolean => state === 'open' && reason === 'pending'

/** Kinds that a replay leaves in the inbox: the current parser still cannot read them. */
const UNREADABLE_KINDS: readonly ReportKind[] = ['other', 'unreadable']

export type RunInboxCommand = (command: InboxCommand) => Promise<InboxResult>

/**
 * Creates the service. Faults of a call: not_found (no such mail, or its bytes are no longer stored), conflict (another command was carried
 * out before, no delivery matches, or the report names another recipient), forbidden (only the operator may), store_busy.
 */
export function createInboxCommandRunner(context: Context, verifySignatures: SignatureVerifier): RunInboxCommand {
  return async (command) => {
    const { action, digest } = command
    const snapshot = await context.accountCache.snapshot()
    const found = await findRow(context, command)
    if (found.state === TARGET_STATES[action] && action !== 'link') return unchangedResult(found)
    const item =
      action === 'discard' ? null : await prepareStoredMail(context, action === 'replay' ? verifySignatures : null, snapshot, found)
    const needs = inboxNeedsOf(context, { command, row: found, item, snapshot })
    const result = await transact(context, needs, (transaction) => {
      const row = transaction.ledgerState.inbox.get(inboxKey(digest))
      if (row === undefined || row.account !== found.account) throw inboxMailNotFound()
      const outcome = decideCommand(context, snapshot, { command, row, loaded: transaction, item })
      transaction.apply(outcome.facts)
      return { result: { ...outcome, row: transaction.ledgerState.inbox.get(inboxKey(digest)) ?? row } }
    })
    const { account, deliveryId } = result.row
    const { changed, problem } = result
    context.telemetry.log.debug({ action, digest, account, deliveryId, changed, problem }, 'inbox command executed')
    return result
  }
}

const inboxMailNotFound = (): Fault => new Fault('not_found', 'there is no mail with this id in the inbox')

const unchangedResult = (row: InboxRow, problem: string | null = null): InboxResult => ({ row, changed: false, problem, facts: [] })

async function findRow({ engine }: Context, { account, digest }: InboxCommand): Promise<InboxRow> {
  const row =
    account === null ? (await findInboxItemsForOperator(engine.read, [digest]))[0] : await findInboxItem(engine.read, account, digest)
  if (!row) throw inboxMailNotFound()
  return row
}

/**
 * Prepares the stored mail again with the current parser. Signatures that were valid on arrival stay valid, because DKIM keys are removed from
 * DNS over time. A replay (`verifySignatures`) verifies a mail again that has no valid signature, or one that could not be verified; null skips it.
 */
async function prepareStoredMail(
  context: Context,
  verifySignatures: SignatureVerifier | null,
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
    throw new Fault('not_found', 'the raw mail is no longer stored (setting retention.rawDays); you can only discard this item')
  const at = facts.find((fact) => fact.kind === 'inbox')?.at ?? report.receivedAt
  const known = report.auth ?? NO_AUTHENTICATION_RESULTS
  const isKnown = known.dkim.some(({ valid }) => valid) && known.dkim.every(({ result }) => result !== 'temperror')
  const verify: SignatureVerifier = async (mail) =>
    verifySignatures === null || isKnown ? known : keepValid(known, await verifySignatures(mail, report.receivedAt))
  const item = await prepareMail(context, verify, snapshot, incomingMailOf(report, raw, { at, receivedAt: context.now() }))
  // The digest of a truncated mail cannot be computed from the stored part.
  return { ...item, digest: row.digest }
}

/** The later results, but of each signature that was valid before the earlier one. */
function keepValid(earlier: AuthenticationResults, later: AuthenticationResults): AuthenticationResults {
  const valid = earlier.dkim.filter((each) => each.valid)
  const isKept = ({ domain, selector }: DkimResult): boolean => valid.some((each) => each.domain === domain && each.selector === selector)
  return { ...later, dkim: [...valid, ...later.dkim.filter((each) => !isKept(each))] }
}

function incomingMailOf(report: ReportRow, raw: Uint8Array, times: { readonly at: number; readonly receivedAt: number }): IncomingMail {
  const { size, truncated, mailFrom, rcptTo, peer, sessionId } = report
  const envelope = { from: mailFrom, to: rcptTo }
  return { raw, size, truncated, dataDigest: '', envelope, peer, helo: null, ...times, source: 'replay', trustAs: null, sessionId }
}

type NeedsInput = {
  readonly command: InboxCommand
  readonly row: InboxRow
  readonly item: PreparedMail | null
  readonly snapshot: AccountSnapshot
}

function inboxNeedsOf(context: Context, { command, row, item, snapshot }: NeedsInput): LedgerStateNeeds {
  const base: LedgerStateNeeds = item === null ? { digests: [row.digest] } : loadNeedsOf(context, [item], snapshot)
  const subjects = [...(base.subjects ?? []), { account: row.account, subject: `mail:${row.digest}` }]
  if (command.action !== 'link') return { ...base, subjects }
  // A mail without an account may be linked to any account's delivery; otherwise only to one of its own account.
  const owners = row.account === 0 ? snapshot.accounts.map(({ account }) => account) : [row.account]
  return { ...base, subjects, emailIds: [...(base.emailIds ?? []), ...owners.map((account) => ({ account, emailId: command.emailId }))] }
}

type CommandInput = {
  readonly command: InboxCommand
  readonly row: InboxRow
  readonly loaded: LedgerTransaction
  readonly item: PreparedMail | null
}

function decideCommand(context: Context, snapshot: AccountSnapshot, { command, row, loaded, item }: CommandInput): InboxResult {
  const { action } = command
  const operator = { actor: command.actor, settings: snapshot.settingsOf(row.account), moment: loaded.moment }
  const input: MatchContext | null = item === null ? null : { context, snapshot, loaded, item }
  const linked = command.action === 'link' ? linkedMatch(command.emailId, row, loaded, snapshot) : null
  if (command.whilePending === true && !isPendingItem(row)) throw new Fault('conflict', 'this mail is no longer pending')
  if (row.state === TARGET_STATES[action] && (linked === null || row.deliveryId === linked.deliveryId)) return unchangedResult(row)
  if (!ACTIONABLE_STATES.includes(row.state)) throw new Fault('conflict', `this mail is already ${row.state}`)
  if (row.reason === 'cut' && command.account !== null && action !== 'discard')
    throw new Fault('forbidden', 'the operator has blocked the token or the account: only the operator may accept this mail')
  const { match, facts } = input === null ? NO_DECISION : DECIDERS[action](input, linked)
  const canAsk = command.action === 'accept' || command.action === 'link'
  const otherRecipient = canAsk && item !== null ? findOtherRecipient(item.report, match?.delivery?.addressHash ?? null) : null
  if (match !== null && row.account !== 0 && match.account !== row.account)
    throw new Fault('conflict', 'this mail concerns a delivery of another account')
  const problem = match?.problem ?? null
  if (problem !== null && action === 'replay') return unchangedResult(row, problem)
  if (problem !== null) throw new Fault('conflict', `no known delivery matches this mail (${problem}): link it by hand`)
  if (otherRecipient !== null && canAsk && command.force !== true) throw otherRecipientFault(otherRecipient, match)
  if (action === 'replay' && input !== null && UNREADABLE_KINDS.includes(input.item.report.kind))
    return unchangedResult(row, input.item.report.kind)
  return {
    row,
    changed: true,
    problem: null,
    facts: [...facts, ...closingFacts(row, { match, otherRecipient, state: TARGET_STATES[action] }, operator)],
  }
}

/** Removes the mail from the inbox. If it had no account, the account that it now concerns gets an audit fact as well. */
function closingFacts(row: InboxRow, { match, otherRecipient, state }: Settlement, operator: OperatorContext): readonly Fact[] {
  const deliveryId = match?.deliveryId ?? null
  const inboxFacts = decideInboxChange(row, { state, deliveryId, otherRecipient }, operator)
  if (match === null || match.account === row.account) return inboxFacts
  return [...inboxFacts, createInboxAuditFact(match.account, { digest: row.digest, state, deliveryId, otherRecipient }, operator)]
}

type Settlement = {
  readonly match: ReportMatch<DeliveryRow> | null
  /** The recipient that the report names, if it is not that of the mail and the command was forced. */
  readonly otherRecipient: string | null
  readonly state: InboxState
}

/** Names both, so that a person can see whether the report is about this mail. */
function otherRecipientFault(reported: string, match: ReportMatch<DeliveryRow> | null): Fault {
  const sentTo = match?.delivery?.recipient ?? 'an erased address'
  return new Fault(
    'conflict',
    `the report is about ${reported}, but the mail was sent to ${sentTo}: to apply it anyway, use --force (force: true)`,
  )
}

type InboxDecision = { readonly match: ReportMatch<DeliveryRow> | null; readonly facts: readonly Fact[] }
const NO_DECISION: InboxDecision = { match: null, facts: [] }

/** Drops inbox facts: {@link closingFacts} creates the one that settles the mail. */
const withoutInboxFacts = (facts: readonly Fact[]): readonly Fact[] => facts.filter((fact) => fact.kind !== 'inbox')

const DECIDERS = {
  accept: (input) => decideManually(input, matchMail(input, true)),
  link: (input, linked) => decideManually(input, linked),
  replay: (input) => {
    const { match, facts } = matchAndDecide(input, false)
    return { match, facts: withoutInboxFacts(facts) }
  },
  discard: () => NO_DECISION,
} as const satisfies Record<InboxAction, (input: MatchContext, linked: ReportMatch<DeliveryRow> | null) => InboxDecision>

/** The proof is `operator` whatever is signed, so that the mail never feeds the list that accounts share. */
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
  if (delivery === undefined) throw new Fault('not_found', 'there is no delivery with this emailId')
  if (others.length > 0) throw new Fault('conflict', 'more than one account has a delivery with this emailId')
  return createManualMatch(delivery)
}
