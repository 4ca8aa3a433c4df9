/**
 * outbox - one row for each event that an endpoint is still to hear
 *
 * Written in the transaction of the event, without a body: that is rendered from the event when it is sent. A row is taken by its
 * state and a lease, so that nodes share the work and a node that died gives it back. A later event of a subject waits for the earlier one at that
 * endpoint; ids are in the order of time.
 *
 * See also: store/endpoints, store/world (which writes).
 */
import type { Fact } from '../ledger/fact.ts'
import type { Db, Reader } from './engine.ts'
import { bytesOfUuid, int, maybe, shapeOf, text, uuid, word } from './shape.ts'

export type OutboxRow = {
  readonly account: number
  readonly endpointId: number
  readonly eventId: string
  /** With the dedup key: where the event lies. */
  readonly subject: string
  readonly deliveryMonth: number
  readonly dedupKey: string
  readonly kind: Fact['kind']
  /** `sending`: taken, until `dueAt`; `failed`: kept for a replay by hand. */
  readonly state: 'waiting' | 'sending' | 'failed'
  readonly attempts: number
  readonly dueAt: number
  readonly createdAt: number
  readonly error: string | null
}

export const OUTBOX = shapeOf<OutboxRow>('outbox', ['account_id', 'endpoint_id', 'event_id'], {
  account: int('account_id'),
  endpointId: int('endpoint_id'),
  eventId: uuid('event_id'),
  subject: text('subject'),
  deliveryMonth: int('delivery_month'),
  dedupKey: text('dedup_key'),
  kind: word<Fact['kind']>('kind'),
  state: word<OutboxRow['state']>('state'),
  attempts: int('attempts'),
  dueAt: int('due_at'),
  createdAt: int('created_at'),
  error: maybe(text('error')),
})

/**
 * Takes rows that are due, oldest first, until `leaseUntil`: sent or not by then, they are due again. Rows behind an earlier one of their
 * subject stay. Run it in a transaction that sees the latest.
 */
export async function claimOutboxForOperator(
  db: Db,
  claim: { readonly now: number; readonly leaseUntil: number; readonly limit: number },
): Promise<readonly OutboxRow[]> {
  const rows = await db.claim({
    table: OUTBOX.table,
    where: `state in ('waiting', 'sending') and due_at <= $1 and not exists (select 1 from outbox e where e.account_id = outbox.account_id
      and e.endpoint_id = outbox.endpoint_id and e.subject = outbox.subject and e.event_id < outbox.event_id and e.state in ('waiting', 'sending'))`,
    order: 'due_at, event_id',
    set: "state = 'sending', attempts = attempts + 1, due_at = $2",
    params: [claim.now, claim.leaseUntil],
    limit: claim.limit,
  })
  return rows.map(OUTBOX.decode)
}

/** Removes rows that were heard; how many were there. */
export async function settleOutboxForOperator(db: Db, rows: readonly OutboxRow[]): Promise<number> {
  const counts = await Promise.all(
    rows.map(async ({ account, endpointId, eventId }) =>
      db.run('delete from outbox where account_id = $1 and endpoint_id = $2 and event_id = $3', [
        account,
        endpointId,
        bytesOfUuid(eventId),
      ]),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Writes back rows that were not heard, with their next time and state. */
export async function putBackOutboxForOperator(db: Db, rows: readonly OutboxRow[]): Promise<void> {
  await db.upsertMany(OUTBOX, rows)
}

/** What waits or has failed at one endpoint, oldest first. */
export async function listOutbox(reader: Reader, account: number, endpointId: number, limit: number): Promise<readonly OutboxRow[]> {
  const sql = `select ${OUTBOX.columns('o')} from outbox o where o.account_id = $1 and o.endpoint_id = $2 order by o.event_id limit $3`
  return (await reader.all(sql, [account, endpointId, limit])).map(OUTBOX.decode)
}

/** Lets failed rows of one endpoint wait again from a moment on; how many. */
export async function replayOutbox(db: Db, account: number, endpointId: number, dueAt: number): Promise<number> {
  const sql =
    "update outbox set state = 'waiting', attempts = 0, due_at = $1, error = null where account_id = $2 and endpoint_id = $3 and state = 'failed'"
  return db.run(sql, [dueAt, account, endpointId])
}
