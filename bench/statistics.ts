/**
 * statistics - the CPU time of statistics over a day of a million mails, and over three months of such days
 *
 * Fills in counters only, as such days leave them: each quarter-hour of 20 domains and 3 labels. Measures the CPU time of all threads, which other programs
 * do not change.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_ACCOUNT_SETTINGS } from '../src/ledger/account-settings.ts'
import type { CounterMetric } from '../src/ledger/project/state.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import type { Engine } from '../src/store/engine/engine.ts'
import { migrate } from '../src/store/engine/migrate.ts'
import { COUNTERS } from '../src/store/schema.ts'
import { createStatisticsService } from '../src/http/services/statistics.ts'
import { sumRows, readStatisticsRows, type StatisticsRowQuery } from '../src/http/sendcloud/statistics-rows.ts'
import type { Figure } from './figure.ts'

const DAY = Date.UTC(2026, 10, 20)
const DAY_MS = 86_400_000
const MILLION = 1_000_000
const DOMAINS = 20
const LABELS = 3
const METRICS: readonly CounterMetric[] = ['request', 'delivered', 'invalid', 'invalid-406', 'soft-bounce', 'open', 'unique-open', 'click']
const TIMES = 5

export async function statistics(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-statistics-'))
  const engine = await openEngine(`sqlite:${join(folder, 'bounced.db')}`)
  try {
    await migrate(engine, 0)
    for (let day = 0; day < 5; day++) await fill(engine, DAY - day * DAY_MS)
    const day = await measure(engine, 1, ['apiUser', 'labelId', 'domain'])
    const one = await measure(engine, 1, [])
    const five = await measure(engine, 5, [])
    const idle = await measure(engine, 92, [])
    return [
      { figure: 'statday of a day of a million mails', value: day, unit: 'ms CPU', target: '<= 100' },
      { figure: 'the same as one object', value: one, unit: 'ms CPU', target: '<= 50' },
      { figure: '5 such days as one object', value: five, unit: 'ms CPU', beside: 'one day', ratio: five / one, target: '<= 5.5 ×' },
      { figure: '92 days, 5 of them such, as one object', value: idle, unit: 'ms CPU', target: '<= 500' },
    ]
  } finally {
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The counters of a day of a million mails. */
async function fill(engine: Engine, day: number): Promise<void> {
  const n = Math.round(MILLION / 96 / DOMAINS / LABELS)
  await engine.tx(async (db) => {
    for (let quarter = 0; quarter < 96; quarter++) {
      const rows = METRICS.flatMap((metric) =>
        Array.from({ length: DOMAINS * LABELS }, (_, cell) => ({
          account: 1,
          quarter: day + quarter * 900_000,
          apiUser: 'bench',
          labelId: cell % LABELS,
          domain: `d${Math.floor(cell / LABELS)}.example`,
          metric,
          slot: 0,
          n,
        })),
      )
      await db.insertMany(COUNTERS, rows)
    }
  })
}

async function measure(engine: Engine, days: number, by: StatisticsRowQuery['dimensions']): Promise<number> {
  const services = { statistics: createStatisticsService(engine.read) }
  const call = { caller: { account: 1, apiUser: 'bench', ip: '192.0.2.1' }, settings: DEFAULT_ACCOUNT_SETTINGS, services }
  const span = { from: DAY - (days - 1) * DAY_MS, until: DAY + DAY_MS }
  const query: StatisticsRowQuery = {
    range: span,
    metrics: METRICS,
    dimensions: by,
    isHourly: false,
    apiUsers: null,
    labelIds: null,
    domains: null,
  }
  const before = process.cpuUsage()
  for (let time = 0; time < TIMES; time++) sumRows((await readStatisticsRows(call, query)) ?? [])
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / TIMES
}
