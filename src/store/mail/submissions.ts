/**
 * submissions - what a request that named itself was answered, for as long as a repeat is answered the same
 *
 * The row is claimed in the transaction that registers the request's mails: of two that come at once one waits for the other, on either
 * engine, and then finds its answer.
 *
 * See also: service/submit/submit.
 */
import type { Db } from '../engine/engine.ts'
import { int, json, shapeOf, text } from '../engine/mapping.ts'

export type SubmissionRow<Answer> = {
  readonly account: number
  /** The digest of the request's own id. */
  readonly requestKey: string
  readonly at: number
  readonly answer: Answer
}

const SUBMISSIONS = shapeOf<SubmissionRow<unknown>>('submissions', ['account_id', 'request_key'], {
  account: int('account_id'),
  requestKey: text('request_key'),
  at: int('at'),
  answer: json<unknown>('answer'),
})

/** The answer that a request had after `since`; null when there was none, or it is too old. `isAnswer` is the checked door. */
export async function findSubmission<Answer>(
  db: Db,
  { account, requestKey, since }: { readonly account: number; readonly requestKey: string; readonly since: number },
  isAnswer: (value: unknown) => value is Answer,
): Promise<Answer | null> {
  const sql = `select ${SUBMISSIONS.columns('s')} from submissions s where s.account_id = $1 and s.request_key = $2 and s.at > $3`
  const row = await db.one(sql, [account, requestKey, since])
  const answer = row === null ? null : SUBMISSIONS.decode(row).answer
  return isAnswer(answer) ? answer : null
}

/** Keeps the answer of a request; a stale one of the same name is replaced. */
export async function saveSubmission(db: Db, row: SubmissionRow<unknown>): Promise<void> {
  await db.upsertMany(SUBMISSIONS, [row])
}

/** Removes answers that nobody is given any more, oldest first, at most `limit`; how many went. */
export async function removeOldSubmissionsForOperator(db: Db, before: number, limit: number): Promise<number> {
  const key = 'account_id, request_key'
  return db.run(`delete from submissions where (${key}) in (select ${key} from submissions where at <= $1 order by at limit $2)`, [
    before,
    limit,
  ])
}
