/**
 * growth-costs - what is measured on a store of one size, and how
 *
 * CPU is that of all threads, which other programs on the machine change little. Times and latencies depend on the machine.
 *
 * See also: bench/growth, bench/filled (the store), bench/drain (the queue).
 */
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { foldOldCounters, removeOldRawMails } from '../src/daemon/age-retention.ts'
import { retire } from '../src/service/admin/retire.ts'
import type { Context } from '../src/service/context.ts'
import { giveUpOverdue } from '../src/service/deliver/give-up.ts'
import { clearOldEngagement } from '../src/service/track/engagement-retention.ts'
import { backUpSqlite } from '../src/store/backup/sqlite-backup.ts'
import { bringForwardForOperator } from '../src/store/due-times.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { measureMailBodiesForOperator } from '../src/store/mail/mail-bodies.ts'
import { openTestContext } from '../test/support/context.ts'
import { API_KEY, API_USER, startDaemon, type Daemon } from '../test/support/daemon.ts'
import { QUERIES, queryDuringIntake, registerNew, sendAtRate } from './api.ts'
import type { Query } from './ask.ts'
import { measureDrain } from './drain.ts'
import { runExport } from './exports.ts'
import { AS_IN_THE_CONTAINER, cpuMillis, residentMegabytes, runQueryProcess, withFilledStore } from './filled.ts'
import { UNLIMITED } from './target.ts'

/** `panel`: the part of the plot. `isFlat`: it must not grow. */
type CostRow = {
  readonly unit: string
  readonly panel: 'CPU of mails' | 'CPU of queries' | 'Start, memory, size and jobs' | 'Latency of queries'
  readonly isFlat: boolean
}

const QUERY_COST = { unit: 'ms CPU', panel: 'CPU of queries', isFlat: true } as const
const QUERY_P99 = { unit: 'ms', panel: 'Latency of queries', isFlat: false } as const

export const COSTS = {
  'register, a recipient': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'intake, a bounce, 100 connections': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'intake, a bounce, 1 connection': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'drain, a mail': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'load the queue at the start, a mail': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'export, a row': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'back up, a delivery': { unit: 'µs CPU', panel: 'CPU of mails', isFlat: true },
  'emailStatus by id': QUERY_COST,
  'emailStatus by recipient': QUERY_COST,
  'emailStatus by status and day, 20 rows': QUERY_COST,
  'emailStatus by sending IP and day, 20 rows': QUERY_COST,
  'suppression check': QUERY_COST,
  'suppression list, a page of 20': QUERY_COST,
  'SendCloud emailStatus of a day, with its total': { unit: 'ms CPU', panel: 'CPU of queries', isFlat: false },
  'emailStatus by id, p99': QUERY_P99,
  'emailStatus by recipient, p99': QUERY_P99,
  'emailStatus by status and day, 20 rows, p99': QUERY_P99,
  'emailStatus by sending IP and day, 20 rows, p99': QUERY_P99,
  'suppression check, p99': QUERY_P99,
  'emailStatus by id, p99 during intake': QUERY_P99,
  'emailStatus by recipient, p99 during intake': QUERY_P99,
  'emailStatus by status and day, 20 rows, p99 during intake': QUERY_P99,
  'emailStatus by sending IP and day, 20 rows, p99 during intake': QUERY_P99,
  'suppression check, p99 during intake': QUERY_P99,
  'start to ready': { unit: 's', panel: 'Start, memory, size and jobs', isFlat: true },
  'memory at rest': { unit: 'MB', panel: 'Start, memory, size and jobs', isFlat: true },
  'memory, peak under intake and queries': { unit: 'MB', panel: 'Start, memory, size and jobs', isFlat: true },
  'memory, peak after an export of everything': { unit: 'MB', panel: 'Start, memory, size and jobs', isFlat: true },
  'memory of a waiting mail': { unit: 'bytes', panel: 'Start, memory, size and jobs', isFlat: true },
  'database, a delivery': { unit: 'bytes', panel: 'Start, memory, size and jobs', isFlat: true },
  'scheduled jobs, a round': { unit: 'ms CPU', panel: 'Start, memory, size and jobs', isFlat: true },
} as const satisfies Readonly<Record<string, CostRow>>

export type CostName = keyof typeof COSTS
export type CostValues = Readonly<Partial<Record<CostName, number>>>

export const PARTS = ['store', 'latency', 'queue'] as const
export type Part = (typeof PARTS)[number]

const WARM_UP_MAILS = 2_000
const MAILS = 4_000
const SINGLE_MAILS = 400
const SECONDS = 3
/** The best of several rounds of each latency and start counts, because noise only slows. */
const ROUNDS = 3
/** Small stores are exported several times, because Linux counts hundredths of a second. */
const EXPORTED_ROWS = 100_000

const MEASUREMENTS: Readonly<Record<Part, (size: number) => Promise<CostValues>>> = {
  store: measureStore,
  latency: measureLatencies,
  queue: measureQueue,
}

/** Measures parts of the table at one size. */
export async function measureCosts(size: number, parts: readonly Part[]): Promise<CostValues> {
  let values: CostValues = {}
  for (const part of parts) values = { ...values, ...(await MEASUREMENTS[part](size)) }
  return values
}

type MutableValues = Partial<Record<CostName, number>>

async function measureStore(size: number): Promise<CostValues> {
  const values: MutableValues = {}
  await withFilledStore(
    size,
    async (daemon, ids) => {
      values['database, a delivery'] = statSync(join(daemon.data, 'bounced.db')).size / size
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      values['memory at rest'] = residentMegabytes(daemon, 'VmRSS')
      await measureIntake(daemon, values)
      await measureQueries(daemon, ids, values)
      values['memory, peak under intake and queries'] = residentMegabytes(daemon, 'VmHWM')
      values['export, a row'] = await measureExports(daemon, size)
      values['memory, peak after an export of everything'] = residentMegabytes(daemon, 'VmHWM')
    },
    async (data) => {
      values['back up, a delivery'] = (await measureBackup(data)) / size
      values['scheduled jobs, a round'] = await measureScheduledJobs(data)
    },
  )
  return values
}

/** The queue holds as many mails as the store of the other parts has deliveries. */
async function measureQueue(size: number): Promise<CostValues> {
  const { cpu, bytes, loadCpu } = await measureDrain(size)
  return { 'drain, a mail': cpu, 'memory of a waiting mail': bytes, 'load the queue at the start, a mail': loadCpu }
}

async function measureIntake(daemon: Daemon, values: MutableValues): Promise<void> {
  await sendAtRate(daemon, await registerNew(daemon, WARM_UP_MAILS), Infinity)
  const beforeRegistering = cpuMillis(daemon)
  const mails = await registerNew(daemon, MAILS)
  const beforeIntake = cpuMillis(daemon)
  values['register, a recipient'] = ((beforeIntake - beforeRegistering) * 1_000) / MAILS
  await sendAtRate(daemon, mails, Infinity)
  values['intake, a bounce, 100 connections'] = ((cpuMillis(daemon) - beforeIntake) * 1_000) / MAILS
  const single = await registerNew(daemon, SINGLE_MAILS)
  const beforeSingle = cpuMillis(daemon)
  await sendAtRate(daemon, single, Infinity, 1)
  values['intake, a bounce, 1 connection'] = ((cpuMillis(daemon) - beforeSingle) * 1_000) / SINGLE_MAILS
}

// Checked cast: the keys are those of the table.
const queryNames = (): readonly (keyof typeof QUERIES)[] => Object.keys(QUERIES) as (keyof typeof QUERIES)[]

async function measureQueries(daemon: Daemon, ids: readonly string[], values: MutableValues): Promise<void> {
  for (const name of queryNames()) values[name] = (await measureQuery(daemon, ids.map<Query>(QUERIES[name]))).cpu
  const page: Query = { method: 'GET', path: '/v1/suppressions/bounce?limit=20' }
  values['suppression list, a page of 20'] = (await measureQuery(daemon, [page])).cpu
  values['SendCloud emailStatus of a day, with its total'] = (await measureQuery(daemon, sendCloudQueries())).cpu
}

async function measureLatencies(size: number): Promise<CostValues> {
  const values: MutableValues = {}
  const starts: number[] = []
  await withFilledStore(
    size,
    async (daemon, ids) => {
      starts.push(daemon.readyAfterMs)
      await sendAtRate(daemon, await registerNew(daemon, WARM_UP_MAILS), Infinity)
      const rate = (await sendAtRate(daemon, await registerNew(daemon, WARM_UP_MAILS), Infinity)) / 2
      for (const name of queryNames()) {
        const queries = ids.map<Query>(QUERIES[name])
        values[`${name}, p99`] = await lowestP99(() => measureQuery(daemon, queries))
        values[`${name}, p99 during intake`] = await lowestP99(() => queryDuringIntake(daemon, queries, { rate, seconds: SECONDS }))
      }
    },
    async (data) => {
      while (starts.length < ROUNDS) {
        const daemon = await startDaemon({ data, env: { ...UNLIMITED, ...AS_IN_THE_CONTAINER } })
        starts.push(daemon.readyAfterMs)
        await daemon.stop()
      }
    },
  )
  return { ...values, 'start to ready': Math.min(...starts) / 1_000 }
}

async function lowestP99(measure: () => Promise<{ readonly p99: number }>): Promise<number> {
  let lowest = Infinity
  for (let round = 0; round < ROUNDS; round++) lowest = Math.min(lowest, (await measure()).p99)
  return lowest
}

/** Its cache holds an answer until the next commit, so that each query must differ. */
const sendCloudQueries = (): readonly Query[] =>
  Array.from({ length: 10_000 }, (_, n) => ({
    method: 'GET',
    path: `/api/data/emailStatus?apiUser=${API_USER}&apiKey=${API_KEY}&days=1&limit=20&n=${n}`,
  }))

async function measureQuery(daemon: Daemon, questions: readonly Query[]): Promise<{ readonly cpu: number; readonly p99: number }> {
  const load = { port: daemon.httpPort, questions, connections: 1 }
  await runQueryProcess({ ...load, seconds: 1 })
  const before = cpuMillis(daemon)
  const { p99, count } = await runQueryProcess({ ...load, seconds: SECONDS })
  return { cpu: (cpuMillis(daemon) - before) / count, p99 }
}

async function measureExports(daemon: Daemon, size: number): Promise<number> {
  const before = cpuMillis(daemon)
  let exported = 0
  while (exported < Math.max(size, EXPORTED_ROWS)) exported += (await runExport(daemon, { format: 'csv', gzip: true })).rows
  return ((cpuMillis(daemon) - before) * 1_000) / exported
}

/** CPU of this process while `work` runs, in microseconds. */
async function cpuOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** A copy of the whole store, as `bounced backup` makes it, with its check. */
async function measureBackup(data: string): Promise<number> {
  const target = join(data, 'copy.db')
  try {
    return await cpuOf(() => backUpSqlite(join(data, 'bounced.db'), target))
  } finally {
    rmSync(target, { force: true })
  }
}

const KEEP = { months: 6, rawDays: 30 } as const

/** The jobs of daemon/scheduled-jobs that look at deliveries, mails and counters. */
const JOBS: readonly ((context: Context) => Promise<unknown>)[] = [
  (context) => removeOldRawMails(context, KEEP.rawDays),
  ({ engine }) => measureMailBodiesForOperator(engine.bulkRead),
  foldOldCounters,
  (context) => retire(context, { months: KEEP.months }),
  (context) => clearOldEngagement(context, () => false),
  ({ engine, now }) => engine.tx((db) => bringForwardForOperator(db, now())),
  giveUpOverdue,
]

/** In milliseconds, when nothing is due: after a round that finds what the load left. */
async function measureScheduledJobs(data: string): Promise<number> {
  const engine = await openEngine(`sqlite:${join(data, 'bounced.db')}`)
  try {
    const clock = {
      get now() {
        return Date.now()
      },
    }
    const context = await openTestContext(engine, clock)
    const runAll = async (): Promise<void> => {
      for (const job of JOBS) await job(context)
    }
    await runAll()
    return (await cpuOf(runAll)) / 1_000
  } finally {
    await engine.close()
  }
}
