/**
 * pending-verifications - mails in the inbox whose signatures could not be verified yet, with the time of the next try
 *
 * A row is added in the transaction that puts the mail into the inbox, and removed when the mail has left the state `pending`. A claim moves the
 * next try behind the lease, so that nodes share the work and another node takes over from one that stops.
 *
 * See also: service/receive/pending-verifier, store/mail/inbox.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, hexColumn, hexToBytes, integerColumn } from '../engine/mapping.ts'

export type PendingVerification = {
  readonly account: number
  readonly digest: string
  readonly receivedAt: number
  /** Tries that were begun, without the one on arrival. */
  readonly tries: number
  readonly dueAt: number
}

export const PENDING_VERIFICATIONS = createTableMapping<PendingVerification>('pending_verifications', ['account_id', 'digest'], {
  account: integerColumn('account_id'),
  digest: hexColumn('digest'),
  receivedAt: integerColumn('received_at'),
  tries: integerColumn('tries'),
  dueAt: integerColumn('due_at'),
})

/** How many mails wait, and whether one of them is due. */
export async function countPendingVerificationsForOperator(
  reader: DatabaseReader,
  now: number,
): Promise<{ readonly waiting: number; readonly isDue: boolean }> {
  const row = await reader.one('select count(*) as n, min(due_at) as due_at from pending_verifications', [])
  const dueAt = row?.['due_at'] ?? null
  return { waiting: Number(row?.['n'] ?? 0), isDue: dueAt !== null && Number(dueAt) <= now }
}

/**
 * Claims mails that are due until `leaseUntil`, those with the fewest tries first, so that new mails do not wait behind old ones. Run it in a
 * transaction with `visibility: 'latest'`.
 */
export async function claimPendingVerificationsForOperator(
  db: Database,
  claim: { readonly now: number; readonly leaseUntil: number; readonly limit: number },
): Promise<readonly PendingVerification[]> {
  const rows = await db.claim({
    table: PENDING_VERIFICATIONS.table,
    where: 'due_at <= $1',
    order: 'tries, due_at',
    set: 'tries = tries + 1, due_at = $2',
    params: [claim.now, claim.leaseUntil],
    limit: claim.limit,
  })
  return rows.map(PENDING_VERIFICATIONS.decode)
}

const IS_SAME_CLAIM = 'account_id = $1 and digest = $2 and tries = $3'

/** Sets the next try. Does nothing if another node has claimed the mail since. */
export async function reschedulePendingVerification(
  db: Database,
  { account, digest, tries }: PendingVerification,
  dueAt: number,
): Promise<void> {
  await db.run(`update pending_verifications set due_at = $4 where ${IS_SAME_CLAIM}`, [account, hexToBytes(digest), tries, dueAt])
}

/** Removes a mail that waits no longer. Returns whether this claim was still held. */
export async function removePendingVerification(db: Database, { account, digest, tries }: PendingVerification): Promise<boolean> {
  return (await db.run(`delete from pending_verifications where ${IS_SAME_CLAIM}`, [account, hexToBytes(digest), tries])) > 0
}
