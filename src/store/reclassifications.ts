/**
 * reclassifications - jobs that run a rule table over stored replies, with their progress and what they found
 *
 * The progress of a job moves in the transaction that appends its facts, so that a job that was killed continues exactly where it stopped,
 * on any node. A job is claimed by its state and a lease; a node that has lost the lease changes nothing. One job runs at a time.
 *
 * See also: store/reclassification-states, ledger/decide/reclassification, service/reclassify/reclassifier.
 */
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { ListChoice } from '../ledger/decide/reclassified-lists.ts'
import type { ReclassificationSummary, ReclassificationSample } from '../ledger/decide/reclassification-summary.ts'
import type { Database, DatabaseReader } from './engine/engine.ts'
import {
  booleanColumn,
  createTableMapping,
  integerColumn,
  jsonColumn,
  nullableColumn,
  textColumn,
  textEnumColumn,
  uuidColumn,
  uuidToBytes,
} from './engine/mapping.ts'
import type { SqlValue } from './engine/value.ts'
import { DELIVERIES } from './mail/delivery-columns.ts'
import { isRunningState, nextReclassificationState, type Consequences } from './reclassification-states.ts'
import type { ReclassificationSignal, ReclassificationState } from './reclassification-states.ts'

/** The last delivery that was read. */
export type FailedDeliveryCursor = { readonly account: number; readonly requestedAt: number; readonly deliveryId: string }

export type ReclassificationRow = {
  readonly jobId: string
  readonly state: ReclassificationState
  /** The job whose facts this one takes back; null: it classifies. */
  readonly undoes: string | null
  /** When the replies were received: [since, until). */
  readonly since: number
  readonly until: number
  /** Only this account; null: all. */
  readonly onlyAccount: number | null
  /** The operator's rule files, as JSON (config/rule-draft). The shipped rules are those of the program. */
  readonly rules: string
  readonly tableVersion: string
  readonly askedBy: string
  readonly createdAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly lists: ListChoice
  readonly webhooks: boolean
  readonly appliedBy: string | null
  readonly cursor: FailedDeliveryCursor | null
  /** Deliveries that were read in this state, of about `total`. */
  readonly done: number
  readonly total: number
  /** What the dry run found, and what was applied. */
  readonly preview: ReclassificationSummary
  readonly outcome: ReclassificationSummary
  readonly samples: readonly ReclassificationSample[]
  /** Starts since the last page. */
  readonly attempts: number
  readonly lease: string
  readonly leaseUntil: number
  readonly error: string | null
}

/** A job without its rules and samples, which are large. */
export type ReclassificationHead = Omit<ReclassificationRow, 'rules' | 'samples'>

const FIELDS = {
  jobId: uuidColumn('job_id'),
  state: textEnumColumn<ReclassificationState>('state'),
  undoes: nullableColumn(uuidColumn('undoes')),
  since: integerColumn('since_at'),
  until: integerColumn('until_at'),
  onlyAccount: nullableColumn(integerColumn('only_account')),
  rules: textColumn('rules', 'json'),
  tableVersion: textColumn('table_version', 'none'),
  askedBy: textColumn('asked_by', 'text'),
  createdAt: integerColumn('created_at'),
  startedAt: nullableColumn(integerColumn('started_at')),
  endedAt: nullableColumn(integerColumn('ended_at')),
  lists: textEnumColumn<ListChoice>('lists'),
  webhooks: booleanColumn('webhooks'),
  appliedBy: nullableColumn(textColumn('applied_by', 'text')),
  cursor: nullableColumn(jsonColumn<FailedDeliveryCursor>('cursor', 'none')),
  done: integerColumn('done'),
  total: integerColumn('total'),
  preview: jsonColumn<ReclassificationSummary>('preview', 'none'),
  outcome: jsonColumn<ReclassificationSummary>('outcome', 'none'),
  samples: jsonColumn<readonly ReclassificationSample[]>('samples', 'json'),
  attempts: integerColumn('attempts'),
  lease: textColumn('lease', 'none'),
  leaseUntil: integerColumn('lease_until'),
  error: nullableColumn(textColumn('error', 'text')),
}

export const RECLASSIFICATIONS = createTableMapping<ReclassificationRow>('reclassifications', ['job_id'], FIELDS)

// Checked cast: the keys of the literal above.
const HEAD_FIELDS = (Object.keys(FIELDS) as (keyof ReclassificationRow)[]).filter((name) => name !== 'rules' && name !== 'samples')
const HEADS = RECLASSIFICATIONS.pick<keyof ReclassificationHead>(HEAD_FIELDS)

const COLUMNS = RECLASSIFICATIONS.columns('r')

/** Lists jobs, newest first, after one of them. */
export async function listReclassificationsForOperator(
  reader: DatabaseReader,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly ReclassificationHead[]> {
  const where = page.after === null ? '' : 'where r.job_id < $2'
  const sql = `select ${HEADS.columns('r')} from reclassifications r ${where} order by r.job_id desc limit $1`
  const params = page.after === null ? [page.limit] : [page.limit, uuidToBytes(page.after)]
  return (await reader.all(sql, params)).map(HEADS.decode)
}

/** Finds one job, or null. */
export async function findReclassificationForOperator(reader: DatabaseReader, jobId: string): Promise<ReclassificationRow | null> {
  const row = await reader.one(`select ${COLUMNS} from reclassifications r where r.job_id = $1`, [uuidToBytes(jobId)])
  return row === null ? null : RECLASSIFICATIONS.decode(row)
}

/** Counts the jobs that run or wait for a node. */
export async function countRunningReclassificationsForOperator(reader: DatabaseReader): Promise<number> {
  const row = await reader.one("select count(*) as n from reclassifications r where r.state in ('checking', 'applying')")
  return Number(row?.['n'] ?? 0)
}

type ReclassificationClaim = { readonly now: number; readonly leaseUntil: number; readonly lease: string }

/** Claims the oldest job that no living node works on, or null: there is none, or another job runs. Run it under a lock. */
export async function claimReclassificationForOperator(
  db: Database,
  { now, leaseUntil, lease }: ReclassificationClaim,
): Promise<ReclassificationRow | null> {
  const [row] = await db.claim({
    table: RECLASSIFICATIONS.table,
    where: `state in ('checking', 'applying') and lease_until <= $1 and not exists (select 1 from reclassifications r
      where r.state in ('checking', 'applying') and r.lease_until > $1 and r.lease <> '')`,
    order: 'created_at, job_id',
    set: 'lease = $3, lease_until = $2, attempts = attempts + 1, started_at = coalesce(started_at, $1), error = null',
    params: [now, leaseUntil, lease],
    limit: 1,
  })
  return row === undefined ? null : RECLASSIFICATIONS.decode(row)
}

/** What a page adds. `samples` null: as before. */
export type ReclassificationProgress = Pick<ReclassificationRow, 'cursor' | 'done' | 'leaseUntil'> & {
  readonly summary: ReclassificationSummary
  readonly samples: readonly ReclassificationSample[] | null
}

/** Saves the progress of a job under its lease. Returns false if another node has the job, or it was cancelled. */
export async function saveReclassificationProgress(
  db: Database,
  job: ReclassificationRow,
  { cursor, done, leaseUntil, summary, samples }: ReclassificationProgress,
): Promise<boolean> {
  const column = job.state === 'checking' ? 'preview' : 'outcome'
  const sql = `update reclassifications set cursor = $1, done = $2, lease_until = $3, ${column} = $4, samples = coalesce($5, samples), attempts = 0
    where job_id = $6 and state = $7 and lease = $8`
  const params: readonly SqlValue[] = [
    cursor === null ? null : JSON.stringify(cursor),
    done,
    leaseUntil,
    JSON.stringify(summary),
    samples === null ? null : JSON.stringify(samples),
    uuidToBytes(job.jobId),
    job.state,
    job.lease,
  ]
  return (await db.run(sql, params)) > 0
}

/** What a signal writes besides the state. */
type ReclassificationChange = {
  readonly at: number
  readonly error?: string
  /** Only under this lease. */
  readonly lease?: string
  readonly approval?: Consequences & { readonly appliedBy: string; readonly total: number }
}

/** Moves a job by a signal. Returns null if the signal has no effect in its state, or another node holds the lease. */
export async function transitionReclassification(
  db: Database,
  jobId: string,
  signal: ReclassificationSignal,
  { at, error, lease, approval }: ReclassificationChange,
): Promise<ReclassificationRow | null> {
  const sql = `select ${COLUMNS} from reclassifications r where r.job_id = $1 {lock r}`
  const found = await db.one(sql, [uuidToBytes(jobId)])
  const job = found === null ? null : RECLASSIFICATIONS.decode(found)
  const state = job === null ? null : nextReclassificationState(job.state, signal)
  if (job === null || state === null || (lease !== undefined && lease !== job.lease)) return null
  const moved: ReclassificationRow = {
    ...job,
    state,
    lease: '',
    leaseUntil: 0,
    endedAt: isRunningState(state) ? null : at,
    error: error ?? job.error,
    ...(approval === undefined ? {} : { ...approval, cursor: null, done: 0, attempts: 0 }),
  }
  await db.upsertMany(RECLASSIFICATIONS, [moved])
  return moved
}

/** Gives a job back, to be claimed again from a moment on. */
export async function releaseReclassification(db: Database, { jobId, lease }: ReclassificationRow, claimableAt: number): Promise<void> {
  await db.run("update reclassifications set lease = '', lease_until = $1 where job_id = $2 and lease = $3", [
    claimableAt,
    uuidToBytes(jobId),
    lease,
  ])
}

/** Removes jobs that ended before a moment. */
export async function removeOldReclassificationsForOperator(db: Database, before: number): Promise<number> {
  return db.run("delete from reclassifications where ended_at < $1 and state not in ('checking', 'applying')", [before])
}

/** Which failed deliveries a job reads. A fact that was received since `modifiedSince` changed its delivery since then. */
type FailedDeliveries = { readonly account: number; readonly modifiedSince: number }

const DELIVERY_COLUMNS = DELIVERIES.columns('d')

/**
 * Lists deliveries of an account that failed, in the order of their requests, after one of them; without those that our own lists refused.
 * Both statuses are read in one order, because a delivery may move from one to the other while a job runs.
 */
export async function listFailedDeliveries(
  reader: DatabaseReader,
  { account, modifiedSince }: FailedDeliveries,
  page: { readonly after: Pick<FailedDeliveryCursor, 'requestedAt' | 'deliveryId'> | null; readonly limit: number },
): Promise<readonly DeliveryRow[]> {
  const { requestedAt, deliveryId } = page.after ?? { requestedAt: -1, deliveryId: '' }
  const ofStatus = async (status: number): Promise<readonly DeliveryRow[]> => {
    const sql = `select ${DELIVERY_COLUMNS} from deliveries d where d.account_id = $1 and d.status = ${status}
      and (d.requested_at, d.delivery_id) > ($2, $3) and d.sub_status not in (401, 402) and d.modified_at >= $4
      order by d.requested_at, d.delivery_id limit $5`
    return (await reader.all(sql, [account, requestedAt, deliveryId, modifiedSince, page.limit])).map(DELIVERIES.decode)
  }
  const found = (await Promise.all([4, 5].map(ofStatus))).flat()
  return found.toSorted((a, b) => a.requestedAt - b.requestedAt || (a.deliveryId < b.deliveryId ? -1 : 1)).slice(0, page.limit)
}

/** Counts those deliveries, for a progress bar. */
export async function countFailedDeliveries(reader: DatabaseReader, { account, modifiedSince }: FailedDeliveries): Promise<number> {
  const sql = `select count(*) as n from deliveries d where d.account_id = $1 and d.status in (4, 5)
    and d.sub_status not in (401, 402) and d.modified_at >= $2`
  return Number((await reader.one(sql, [account, modifiedSince]))?.['n'] ?? 0)
}
