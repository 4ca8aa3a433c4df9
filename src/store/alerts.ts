/**
 * alerts - the state of each alert, so that a restart neither repeats nor forgets one
 *
 * See also: ledger/alert/alert (the rows), service/alerts/alerts.
 */
import type { AlertRow } from '../ledger/alert/alert.ts'
import type { AlertState } from '../ledger/alert/alert-state.ts'
import type { AlertName } from '../ledger/alert/alert-rules.ts'
import type { Database, DatabaseReader } from './engine/engine.ts'
import { integerColumn, jsonColumn, createTableMapping, textColumn, uuidColumn, textEnumColumn } from './engine/mapping.ts'

export const ALERT_ROWS = createTableMapping<AlertRow>('alerts', ['account_id', 'alert', 'about'], {
  account: integerColumn('account_id'),
  alert: textEnumColumn<AlertName>('alert'),
  about: textColumn('about', 'none'),
  state: textEnumColumn<AlertState>('state'),
  change: integerColumn('change'),
  since: integerColumn('since'),
  data: jsonColumn<AlertRow['data']>('data', 'json'),
  factId: uuidColumn('fact_id'),
  mailed: integerColumn('mailed'),
  mailDueAt: integerColumn('mail_due_at'),
})

const COLUMNS = ALERT_ROWS.columns('a')

/** Lists all alerts: one for each measurement that was ever above its threshold. */
export async function listAlertsForOperator(reader: DatabaseReader): Promise<readonly AlertRow[]> {
  return (await reader.all(`select ${COLUMNS} from alerts a order by a.account_id, a.alert, a.about`)).map(ALERT_ROWS.decode)
}

/** Lists the alerts of an account. */
export async function listAlerts(reader: DatabaseReader, account: number): Promise<readonly AlertRow[]> {
  const sql = `select ${COLUMNS} from alerts a where a.account_id = $1 order by a.account_id, a.alert, a.about`
  return (await reader.all(sql, [account])).map(ALERT_ROWS.decode)
}

/** Inserts or updates rows. */
export async function saveAlertsForOperator(db: Database, rows: readonly AlertRow[]): Promise<void> {
  await db.upsertMany(ALERT_ROWS, rows)
}

/** Claims changes that must still be mailed, until `leaseUntil`. Run it in a transaction with `visibility: 'latest'`. */
export async function claimAlertMailsForOperator(db: Database, now: number, leaseUntil: number): Promise<readonly AlertRow[]> {
  const rows = await db.claim({
    table: ALERT_ROWS.table,
    where: 'mailed < change and mail_due_at <= $1',
    order: 'mail_due_at, account_id, alert, about',
    set: 'mail_due_at = $2',
    params: [now, leaseUntil],
    limit: 100,
  })
  return rows.map(ALERT_ROWS.decode)
}

/** Records that a change was mailed. A later change still has to be. */
export async function markAlertMailed(db: Database, { account, alert, about, change }: AlertRow): Promise<void> {
  const sql = 'update alerts set mailed = $1 where account_id = $2 and alert = $3 and about = $4 and mailed < $1'
  await db.run(sql, [change, account, alert, about])
}
