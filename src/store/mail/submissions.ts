/**
 * submissions - the responses to requests with an idempotency key, kept as long as a repeat gets the same response
 *
 * The row is written in the transaction that registers the deliveries of the request. Of two concurrent requests with the same key, one
 * waits for the other, on either engine, and then finds its response.
 *
 * See also: service/submit/submit.
 */
import type { Database } from '../engine/engine.ts'
import { integerColumn, jsonColumn, createTableMapping, textColumn } from '../engine/mapping.ts'

type StoredSubmission<Stored> = {
  readonly account: number
  /** The digest of the idempotency key. */
  readonly requestKey: string
  readonly at: number
  readonly answer: Stored
}

export const SUBMISSIONS = createTableMapping<StoredSubmission<unknown>>('submissions', ['account_id', 'request_key'], {
  account: integerColumn('account_id'),
  requestKey: textColumn('request_key', 'none'),
  at: integerColumn('at'),
  answer: jsonColumn<unknown>('answer', 'json'),
})

/** Finds the response to a request after `since`. Returns null if there is none, or it is too old. `isStored` checks the stored response. */
export async function findSubmission<Stored>(
  db: Database,
  { account, requestKey, since }: { readonly account: number; readonly requestKey: string; readonly since: number },
  isStored: (value: unknown) => value is Stored,
): Promise<Stored | null> {
  const sql = `select ${SUBMISSIONS.columns('s')} from submissions s where s.account_id = $1 and s.request_key = $2 and s.at > $3`
  const row = await db.one(sql, [account, requestKey, since])
  const answer = row === null ? null : SUBMISSIONS.decode(row).answer
  return isStored(answer) ? answer : null
}

/** Saves the response to a request, and replaces a stale one with the same key. */
export async function saveSubmission(db: Database, row: StoredSubmission<unknown>): Promise<void> {
  await db.upsertMany(SUBMISSIONS, [row])
}

/** Removes at most `limit` responses that are no longer repeated, oldest first. Returns how many. */
export async function removeOldSubmissionsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, request_key'
  return db.run(`delete from submissions where (${key}) in (select ${key} from submissions where at <= $1 order by at limit $2)`, [
    before,
    limit,
  ])
}
