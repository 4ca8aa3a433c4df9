/**
 * fault-run - causes faults one after the other under load, measures the recovery from each, and checks the whole history at the end
 *
 * A fault has ended well when every client that waited at its end is served, and every message that was accepted before it has left the queue.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Engine } from '../../src/store/engine/engine.ts'
import { checkHistory, describeUnrest } from './check-history.ts'
import type { FaultRow } from './fault-table.ts'
import { type Installation, startInstallation } from './installation.ts'
import { type History, type Load, startLoad } from './load.ts'

/** Load before the fault, so that everything is under way. */
const BEFORE_MS = 2_000

/** Ends a recovery that hangs; it must not fail one on a busy machine. */
const PATIENCE_MS = 180_000

/** Milliseconds. The first is within the fault, the others count from its end. */
type Recovery = { readonly unacknowledged: number; readonly served: number; readonly delivered: number }

/** The median of the rounds, and the range if there were several. In seconds. */
function secondsOf(millis: readonly number[]): string {
  const [sorted, show] = [millis.toSorted((a, b) => a - b), (value = 0): string => (value / 1_000).toFixed(1)]
  const median = show(sorted[Math.floor(sorted.length / 2)])
  return sorted.length === 1 ? `${median} s` : `${median} s (${show(sorted[0])}–${show(sorted.at(-1))})`
}

async function waitForRecovery({ engine }: Installation, history: History): Promise<Recovery> {
  const endedAt = performance.now()
  const since = (): number => performance.now() - endedAt
  await expect.poll(() => Math.min(...history.waiting.values()), { interval: 10, timeout: PATIENCE_MS }).toBeGreaterThan(endedAt)
  const served = since()
  const accepted = await readClock(engine)
  await expect.poll(() => countQueued(engine, accepted), { interval: 100, timeout: PATIENCE_MS }).toBe(0)
  return { unacknowledged: history.longestPauseMs, served, delivered: since() }
}

/** The clock of the store, by which messages are accepted. */
async function readClock({ read }: Engine): Promise<number> {
  let millis = 0
  const ask = async (): Promise<number> =>
    Number((await read.one('select extract(epoch from clock_timestamp()) * 1000 as millis').catch(() => null))?.['millis'] ?? 0)
  await expect.poll(async () => (millis = await ask()), { interval: 100, timeout: PATIENCE_MS }).toBeGreaterThan(0)
  return millis
}

async function countQueued({ read }: Engine, acceptedBefore: number): Promise<number | null> {
  const row = await read.one('select count(*) as n from queue_mails where accepted_at < $1', [Math.floor(acceptedBefore)]).catch(() => null)
  return row === null ? null : Number(row['n'])
}

/** Defines a test for each row, and one that compares the whole history with the store. */
export function defineFaultTests(rows: readonly FaultRow[], rounds: number): void {
  let installation: Installation | null = null
  let load: Load | null = null
  const table: string[] = []

  beforeAll(async () => {
    installation = await startInstallation(3)
    if (installation !== null) load = await startLoad(installation)
  }, 300_000)

  afterAll(async () => {
    load?.closeReceiver()
    await installation?.close()
  }, 120_000)

  test.for(rows)('$name', { timeout: 900_000 }, async ({ name, run }, { skip }) => {
    if (installation === null || load === null) return skip('no PostgreSQL of our own')
    const { history } = load
    const recoveries: Recovery[] = []
    for (let round = 0; round < rounds; round++) {
      await sleep(BEFORE_MS)
      history.longestPauseMs = 0
      history.fault = `${name}, round ${round + 1}`
      await run(installation, load)
      recoveries.push(await waitForRecovery(installation, history))
      await installation.deliverer()
    }
    // A recovery that does not come ends the test before.
    expect(recoveries).toHaveLength(rounds)
    const cells = [
      recoveries.map((each) => each.unacknowledged),
      recoveries.map((each) => each.served),
      recoveries.map((each) => each.delivered),
    ]
    const row = `| ${[name, rounds, ...cells.map(secondsOf)].join(' | ')} |`
    table.push(row)
    console.log(row)
  })

  test('nothing that was acknowledged is lost', async ({ skip }) => {
    if (installation === null || load === null) return skip('no PostgreSQL of our own')
    const { engine } = installation
    await load.stop()
    await expect.poll(() => describeUnrest(engine).catch(String), { timeout: PATIENCE_MS, interval: 500 }).toBe('')
    const { acknowledged, uncertain, acceptedTwice, ...lost } = await checkHistory(installation, load.history)
    const head = ['fault', 'rounds', 'no acknowledgement for', 'all clients served after', 'all accepted mail delivered after']
    console.log(['', `| ${head.join(' | ')} |`, '|---|---|---|---|---|', ...table].join('\n'))
    console.log(`${acknowledged} acknowledged; ${uncertain} attempts with an unknown fate, of which ${acceptedTwice} were accepted twice`)
    expect(acknowledged).toBeGreaterThan(100)
    expect(lost).toEqual({
      withoutOutcome: [],
      lostBounces: [],
      unreadable: 0,
      sentTwice: [],
      withoutWebhook: [],
      outOfOrder: [],
      repeatedFacts: 0,
      differences: '',
    })
  }, 300_000)
}
