/**
 * pending-verifier - verifies the signatures of pending mails again, until they are known or the time is over
 *
 * A mail whose signatures could not be verified on arrival (DNS failed, a time limit, no free thread) is in the inbox as `pending`. Each try is a
 * replay of the mail: with good signatures it takes effect, dated when it arrived. Otherwise it stays in the inbox under the reason that the
 * signatures give, or as `unverified` when the time is over or its raw mail has expired. A person can accept or discard it meanwhile. Nodes share the
 * work, and a try that a crash interrupts is repeated when its lease ends.
 *
 * See also: service/receive/inbox (the replay), store/mail/pending-verifications, settings (verification.pendingHours).
 */
import { Fault } from '../../errors.ts'
import { decideInboxReason } from '../../ledger/decide/operator-action.ts'
import { INBOX_REASONS, type InboxReason } from '../../ledger/facts/inbox-facts.ts'
import { inboxKey } from '../../ledger/project/state.ts'
import type { AuthenticationResults, SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { findInboxItemsForOperator } from '../../store/mail/inbox.ts'
import {
  claimPendingVerificationsForOperator,
  countPendingVerificationsForOperator,
  removePendingVerification,
  reschedulePendingVerification,
  type PendingVerification,
} from '../../store/mail/pending-verifications.ts'
import { saveReportAuthentication } from '../../store/mail/reports.ts'
import type { Context } from '../context.ts'
import { createTicker, type Ticker } from '../ticker.ts'
import { transact } from '../transact.ts'
import { createInboxCommandRunner, isPendingItem, type RunInboxCommand } from './inbox.ts'
import type { PreparedMail } from './prepare.ts'

type PendingVerifierOptions = { readonly verify: SignatureVerifier; readonly pendingHours: number }

const ACTOR = 'verifier'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** A failure of DNS lasts seconds or hours: the delay doubles from a minute. */
const MAX_DELAY_MS = 4 * HOUR_MS
/** Mails verified at the same time: each is in memory meanwhile. */
const CLAIM_LIMIT = 8
/** Many times what eight mails take. */
const LEASE_MS = 5 * MINUTE_MS
/** A tick with nothing to do costs one indexed read. */
const TICK_INTERVAL_MS = 10_000

/** The time of the next try after so many. */
const nextTryAt = (now: number, tries: number): number => now + Math.min(MAX_DELAY_MS, MINUTE_MS * 2 ** Math.min(tries, 20))

/** The row of a mail that has just become pending. `now`: the clock of the store. */
export function firstTry({ mail, digest }: PreparedMail, account: number, now: number): PendingVerification {
  return { account, digest, receivedAt: mail.receivedAt, tries: 0, dueAt: nextTryAt(now, 0) }
}

/** Creates the verifier. It verifies the mails that are due with each tick. */
export function createPendingVerifier(context: Context, options: PendingVerifierOptions): Ticker {
  const { telemetry, engine, now } = context
  const verifyDue = async (isStopped: () => boolean): Promise<void> => {
    const { waiting, isDue } = await countPendingVerificationsForOperator(engine.read, now())
    telemetry.setGauge('bounced_pending_verifications', waiting)
    for (let isMoreDue = isDue; isMoreDue && !isStopped();) {
      const claim = { now: now(), leaseUntil: now() + LEASE_MS, limit: CLAIM_LIMIT }
      const claimed = await engine.tx((db) => claimPendingVerificationsForOperator(db, claim), { visibility: 'latest' })
      await Promise.all(claimed.map(async (row) => tryAgain(context, options, row)))
      isMoreDue = claimed.length === CLAIM_LIMIT
    }
  }
  const onError = (error: unknown): void =>
    telemetry.log.error({ err: error }, 'pending mails could not be verified; they will be verified later')
  return createTicker({ intervalMs: TICK_INTERVAL_MS, run: verifyDue, onError })
}

/** One try. After an error, the row is claimed again when its lease ends. Never rejects. */
async function tryAgain(context: Context, options: PendingVerifierOptions, row: PendingVerification): Promise<void> {
  const { log } = context.telemetry
  try {
    const outcome = await verifyAgain(context, options, row)
    context.telemetry.count('bounced_pending_tries_total', { outcome: outcome ?? 'settled' })
    log.info({ digest: row.digest, account: row.account, tries: row.tries, outcome }, 'pending mail verified again')
  } catch (error) {
    log.error({ digest: row.digest, err: error }, 'a pending mail could not be verified; it will be verified later')
  }
}

/** Resolves to the reason that keeps the mail in the inbox; null if it has left it. */
async function verifyAgain(
  context: Context,
  { verify, pendingHours }: PendingVerifierOptions,
  row: PendingVerification,
): Promise<InboxReason | null> {
  const latest: { results: AuthenticationResults | null } = { results: null }
  const runCommand = createInboxCommandRunner(context, async (mail, at) => {
    latest.results = await verify(mail, at)
    return latest.results
  })
  const reason = await replay(context, runCommand, row.digest)
  if (reason === 'pending' && context.now() < row.receivedAt + pendingHours * HOUR_MS) {
    await context.engine.tx((db) => reschedulePendingVerification(db, row, nextTryAt(context.now(), row.tries)))
    return reason
  }
  await settle(context, row, { reason: reason === 'pending' ? 'unverified' : reason, results: latest.results })
  return reason === 'pending' ? 'unverified' : reason
}

/** Resolves to the reason that keeps the mail in the inbox; null if it has left it. */
async function replay({ engine }: Context, runCommand: RunInboxCommand, digest: string): Promise<InboxReason | null> {
  const [item] = await findInboxItemsForOperator(engine.read, [digest])
  if (item === undefined || !isPendingItem(item)) return null
  try {
    return reasonOf((await runCommand({ account: null, actor: ACTOR, digest, action: 'replay', whilePending: true })).problem)
  } catch (error) {
    // Its raw mail has expired.
    if (error instanceof Fault && error.code === 'not_found') return 'unverified'
    // A person has settled it meanwhile, or two transactions collided: the next try finds out.
    if (error instanceof Fault && error.code === 'conflict') return 'pending'
    throw error
  }
}

/** A replay has problems of its own, such as a kind of mail that is no report. */
function reasonOf(problem: string | null): InboxReason | null {
  return problem === null ? null : (INBOX_REASONS.find((reason) => reason === problem) ?? 'unverified')
}

type Outcome = { readonly reason: InboxReason | null; readonly results: AuthenticationResults | null }

/** Ends the wait: removes the row, stores the results, and changes the reason of a mail that is still pending. One transaction. */
async function settle(context: Context, row: PendingVerification, { reason, results }: Outcome): Promise<void> {
  const { account, digest } = row
  const needs = { digests: [digest], subjects: [{ account, subject: `mail:${digest}` }] }
  await transact(context, needs, async ({ db, ledgerState, moment }) => {
    const isHeld = await removePendingVerification(db, row)
    const item = ledgerState.inbox.get(inboxKey(digest))
    if (results !== null) await saveReportAuthentication(db, account, digest, results)
    if (!isHeld || reason === null || item === undefined || !isPendingItem(item)) return { result: null }
    context.telemetry.count('bounced_inbox_total', { reason })
    return { result: null, facts: [decideInboxReason(item, reason, { actor: ACTOR, moment })] }
  })
}
