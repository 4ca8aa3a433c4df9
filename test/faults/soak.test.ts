/**
 * soak - two nodes under mixed load for minutes: memory, handles, lag and tables stay flat
 *
 * `npm run soak` runs ten minutes (BOUNCED_SOAK_MINUTES). Samples both nodes and the database twelve times; the last third is compared with the one before
 * it, because the first one warms up.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { checkHistory, describeUnrest } from './check-history.ts'
import { type FaultyNode, startInstallation } from './installation.ts'
import { startLoad } from './load.ts'

const MINUTES = Number(process.env['BOUNCED_SOAK_MINUTES'] ?? 10)
const SAMPLES = 12
const MIB = 1_048_576

/** How much the last third may exceed the middle one: a factor and an amount. */
const LIMITS = {
  'resident memory, MiB': { factor: 1.15, amount: 15 },
  'open handles': { factor: 1.1, amount: 10 },
  'longest pause of the event loop, ms': { factor: 3, amount: 500 },
  'waiting messages': { factor: 1.5, amount: 200 },
  'waiting webhook events': { factor: 1.5, amount: 200 },
  'dead rows of the small tables': { factor: 2, amount: 20_000 },
} as const satisfies Record<string, { readonly factor: number; readonly amount: number }>
type Figure = keyof typeof LIMITS

async function readMetrics({ daemon }: FaultyNode): Promise<(name: string) => number> {
  const text = await (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
  return (name) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.e+-]+)`, 'm').exec(text)?.[1] ?? 0)
}

test(`${MINUTES} minutes of mixed load on two nodes`, async ({ skip }) => {
  const installation = await startInstallation(2)
  if (installation === null) return skip('no PostgreSQL of our own')
  const { engine, nodes } = installation
  const load = await startLoad(installation, Math.ceil(MINUTES * 60 * 60))
  const samples: Record<Figure, number>[] = []
  const count = async (sql: string): Promise<number> => Number((await engine.read.one(sql))?.['n'] ?? 0)
  for (let n = 0; n < SAMPLES; n++) {
    await sleep((MINUTES * 60_000) / SAMPLES)
    const metrics = await Promise.all(nodes.map(readMetrics))
    const largest = (name: string): number => Math.max(...metrics.map((read) => read(name)))
    samples.push({
      'resident memory, MiB': Math.round(largest('process_resident_memory_bytes') / MIB),
      'open handles': largest('process_open_fds'),
      'longest pause of the event loop, ms': Math.round(largest('nodejs_eventloop_lag_max_seconds') * 1_000),
      'waiting messages': await count('select count(*) as n from queue_mails'),
      'waiting webhook events': await count('select count(*) as n from outbox'),
      'dead rows of the small tables': await count(
        `select coalesce(sum(n_dead_tup), 0) as n from pg_stat_user_tables where relname in ('queue_mails', 'queue_bodies', 'outbox', 'counters', 'site_counters', 'queue_lease')`,
      ),
    })
  }
  await load.stop()
  await expect.poll(() => describeUnrest(engine).catch(String), { timeout: 180_000, interval: 500 }).toBe('')
  const { acknowledged, withoutOutcome, lostBounces, differences } = await checkHistory(installation, load.history)
  load.closeReceiver()
  await installation.close()
  const third = (n: number, figure: Figure): number =>
    Math.max(...samples.slice((n * SAMPLES) / 3, ((n + 1) * SAMPLES) / 3).map((each) => each[figure]))
  const rows = Object.entries(LIMITS).map(([name, limit]) => {
    // Checked cast: the keys of LIMITS.
    const figure = name as Figure
    return {
      figure,
      first: third(0, figure),
      middle: third(1, figure),
      last: third(2, figure),
      most: third(1, figure) * limit.factor + limit.amount,
    }
  })
  console.table(rows)
  console.log(`${acknowledged} acknowledged in ${MINUTES} minutes`)
  expect({ withoutOutcome, lostBounces, differences }).toEqual({ withoutOutcome: [], lostBounces: [], differences: '' })
  expect(rows.filter(({ last, most }) => last > most)).toEqual([])
})
