/**
 * faults.test - three nodes on one PostgreSQL, clients that never give up, and one fault after the other: nothing that was acknowledged is lost
 *
 * The short form runs with the other tests; `npm run faults` runs every row and prints the table of docs/RELIABILITY.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkHistory, describeUnrest } from './check-history.ts'
import { FAULTS } from './fault-table.ts'
import { type Installation, startInstallation } from './installation.ts'
import { type Load, startLoad } from './load.ts'

const isWhole = process.env['BOUNCED_TEST_FAULTS'] === 'all'
const ROWS = FAULTS.filter(({ isShort }) => isWhole || isShort === true)

/** Each fault is caused so often; `BOUNCED_TEST_ROUNDS` for another number. */
const ROUNDS = Number(process.env['BOUNCED_TEST_ROUNDS'] ?? (isWhole ? 3 : 1))

/** Load before the fault, so that everything is under way. */
const BEFORE_MS = 2_000

let installation: Installation | null = null
let load: Load | null = null
const table: string[] = []

/** The median of the rounds, and the range if there were several. In seconds. */
function secondsOf(millis: readonly number[]): string {
  const [sorted, show] = [millis.toSorted((a, b) => a - b), (value = 0): string => (value / 1_000).toFixed(1)]
  const median = show(sorted[Math.floor(sorted.length / 2)])
  return sorted.length === 1 ? `${median} s` : `${median} s (${show(sorted[0])}–${show(sorted.at(-1))})`
}

beforeAll(async () => {
  installation = await startInstallation(3)
  if (installation !== null) load = await startLoad(installation)
}, 300_000)

afterAll(async () => {
  load?.closeReceiver()
  await installation?.close()
  if (isWhole)
    console.log(
      [
        '',
        '| fault | rounds | longest time without an acknowledgement | first acknowledgement after its end |',
        '|---|---|---|---|',
        ...table,
      ].join('\n'),
    )
}, 120_000)

describe('three nodes on PostgreSQL', () => {
  test.for(ROWS)('$name', async ({ name, run }, { skip }) => {
    if (installation === null || load === null) return skip('no PostgreSQL of our own')
    const { history } = load
    const [recoveries, pauses]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(BEFORE_MS)
      history.longestPauseMs = 0
      await run(installation, load)
      const endedAt = performance.now()
      // The clients go on: something is acknowledged again, by whichever node.
      await expect.poll(() => history.lastAcknowledgedAt, { interval: 10 }).toBeGreaterThan(endedAt)
      recoveries.push(history.lastAcknowledgedAt - endedAt)
      pauses.push(history.longestPauseMs)
      await installation.deliverer()
    }
    table.push(`| ${name} | ${ROUNDS} | ${secondsOf(pauses)} | ${secondsOf(recoveries)} |`)
  })

  test('nothing that was acknowledged is lost', async ({ skip }) => {
    if (installation === null || load === null) return skip('no PostgreSQL of our own')
    const { engine } = installation
    await load.stop()
    await expect.poll(() => describeUnrest(engine).catch(String), { timeout: 180_000, interval: 500 }).toBe('')
    const { acknowledged, uncertain, acceptedTwice, ...lost } = await checkHistory(installation, load.history)
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
})
