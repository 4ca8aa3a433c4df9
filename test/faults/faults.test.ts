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

/** Load before the fault, so that everything is under way. */
const BEFORE_MS = 2_000

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
  if (isWhole) console.log(['', '| fault | first acknowledgement after its end |', '|---|---|', ...table].join('\n'))
}, 120_000)

describe('three nodes on PostgreSQL', () => {
  test.for(ROWS)('$name', async ({ name, run }, { skip }) => {
    if (installation === null || load === null) return skip('no PostgreSQL of our own')
    const { history } = load
    await sleep(BEFORE_MS)
    await run(installation, load)
    const endedAt = performance.now()
    // The clients go on: something is acknowledged again, by whichever node.
    await expect.poll(() => history.lastAcknowledgedAt).toBeGreaterThan(endedAt)
    table.push(`| ${name} | ${((history.lastAcknowledgedAt - endedAt) / 1_000).toFixed(1)} s |`)
    await installation.deliverer()
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
