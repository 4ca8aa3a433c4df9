/**
 * retirement-clock - the date that retention goes by: the clock, unless it is far ahead of the newest mail
 *
 * A clock that is months ahead would retire everything in one run. Retention therefore goes by the earlier of the clock and three days
 * after the newest mail that was sent or received. If that is a month behind the clock, retention holds: it removes nothing that it would
 * keep at the earlier date, and the alert `retirement-held` is raised. New mail or a person who confirms the date ends the hold. The newest
 * mail is remembered, because its row may be removed before the next one comes.
 *
 * See also: service/admin/retire, store/facts/retention, service/alerts/alert-measures, docs/RETENTION.md.
 */
import { firstValidDeliveryId, TOKEN_PURPOSES } from '../../correlate/token.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { Database, DatabaseReader } from '../../store/engine/engine.ts'
import { readMetadataForOperator, removeMetadataForOperator, writeMetadataForOperator } from '../../store/engine/metadata.ts'
import { findNewestMailTimeForOperator, readRetentionCutoffForOperator, RETIREMENT_HELD } from '../../store/facts/retention.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** A weekend without any mail holds nothing. */
const MAX_LEAD_MS = 3 * 86_400_000

/** Metadata: the newest mail, or the last date that a person confirmed (epoch ms). */
const DATE_KEY = 'retirement_date'

/** One lock for all steps of retention, so that two nodes never run one at the same time. */
export const RETIRE_LOCK = 'retire'

/** What is old at this date. */
export type RetirementClock = {
  /** The newest mail or confirmed date (epoch ms); null if the store has seen no mail. */
  readonly newest: number | null
  /** The start of the retention period (epoch ms), never before a cutoff in force. 0 if everything is kept. */
  readonly before: number
  /** Whether the clock alone would remove more. */
  readonly isHeld: boolean
  /** The lowest delivery id whose tokens are still valid for list changes. */
  readonly firstValidId: string
}

/** Reads the date that retention goes by. A store that has seen no mail has nothing to lose and goes by the clock. `months` 0: keep all. */
export async function readRetirementClock({ now }: Context, reader: DatabaseReader, months: number): Promise<RetirementClock> {
  const known = await readMetadataForOperator(reader, DATE_KEY)
  const found = await findNewestMailTimeForOperator(reader)
  const newest = known === null && found === null ? null : Math.max(Number(known ?? 0), found ?? 0)
  const date = newest === null ? now() : Math.min(now(), newest + MAX_LEAD_MS)
  const firstValidId = firstValidDeliveryId(Math.max(TOKEN_PURPOSES.feedback.validDays, TOKEN_PURPOSES.unsubscribe.validDays), date)
  if (months === 0) return { newest, before: 0, isHeld: false, firstValidId }
  const before = Math.max(retentionStart(date, months), await readRetentionCutoffForOperator(reader))
  return { newest, before, isHeld: retentionStart(now(), months) > before, firstValidId }
}

/** The start of the UTC month that lies `months` before the current one. Pure. */
function retentionStart(now: number, months: number): number {
  const at = new Date(now)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months, 1)
}

/** Remembers the newest mail, and whether retention holds, for the alert. Run it in the transaction that moves the cutoff. */
export async function saveRetirementClock(db: Database, { newest, isHeld }: RetirementClock): Promise<void> {
  if (newest !== null) await writeMetadataForOperator(db, DATE_KEY, String(newest))
  if (isHeld) await writeMetadataForOperator(db, RETIREMENT_HELD, String(newest ?? 0))
  else await removeMetadataForOperator(db, RETIREMENT_HELD)
}

/** Confirms that the clock is right, however long no mail has come. Writes an audit fact. */
export async function confirmRetirementDate(context: Context, actor: string): Promise<number> {
  return transact(
    context,
    {},
    async ({ db, moment }) => {
      await writeMetadataForOperator(db, DATE_KEY, String(moment.at))
      await removeMetadataForOperator(db, RETIREMENT_HELD)
      const date = new Date(moment.at).toISOString()
      return { result: moment.at, facts: [createAuditFact(0, 'retirement.confirm', { date }, { actor, moment })] }
    },
    { lockName: RETIRE_LOCK, visibility: 'latest' },
  )
}
