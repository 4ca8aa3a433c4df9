/**
 * delivery-numbers - the numbers of delivery ids, which start anew each day
 *
 * A sequence for each account and day, so that no account ever uses them up. Before, an account had one sequence for good: a day begins above
 * it for as long as it is stored, with room for the nodes of a rolling upgrade that still take from it. It is removed when the account has had a
 * sequence a day for a week.
 *
 * See also: store/engine/sequences, service/submit/delivery-ids, correlate/delivery-id.
 */
import { dayCodeOf } from '../../correlate/delivery-id.ts'
import type { Database } from '../engine/engine.ts'

/** The one sequence of before. */
const LIFETIME_SEQUENCE = 'delivery'
/** Numbers that nodes of the earlier release may still take from it: more than any account sends in a day of upgrading. */
const RESERVED_FOR_EARLIER_RELEASE = 2 ** 24
/** An upgrade takes less, and clocks of nodes differ by less. */
const UPGRADE_DAYS = 7
/** Tokens are valid for 400 days. A clock that was wrong and is set back must not begin a day anew. */
const KEPT_DAYS = 401

const sequenceOf = (day: number): string => `${LIFETIME_SEQUENCE}:${dayCodeOf(day)}`

/** Reserves `size` numbers of an account and a day. Returns the first. */
export async function reserveDeliveryNumbers(db: Database, account: number, day: number, size: number): Promise<number> {
  const row = await db.one(
    `insert into sequences (account_id, name, next) values ($1, $2, $3 + coalesce(
       (select s.next + ${RESERVED_FOR_EARLIER_RELEASE} from sequences s where s.account_id = $1 and s.name = '${LIFETIME_SEQUENCE}'), 0))
     on conflict (account_id, name) do update set next = sequences.next + $3 returning next`,
    [account, sequenceOf(day), size],
  )
  return Number(row?.['next']) - size
}

/**
 * Removes the sequences of days whose tokens are no longer valid, and the one of before if the account has had a sequence a day for a week.
 * Idempotent.
 */
export async function removeOldDeliverySequences(db: Database, account: number, day: number): Promise<void> {
  const dayBefore = (days: number): string => sequenceOf(Math.max(0, day - days))
  const parameters = [account, sequenceOf(0)]
  await db.run(
    `delete from sequences where account_id = $1 and name = '${LIFETIME_SEQUENCE}' and exists
       (select 1 from sequences s where s.account_id = $1 and s.name >= $2 and s.name < $3)`,
    [...parameters, dayBefore(UPGRADE_DAYS)],
  )
  await db.run('delete from sequences where account_id = $1 and name >= $2 and name < $3', [...parameters, dayBefore(KEPT_DAYS)])
}
