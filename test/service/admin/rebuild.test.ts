/** rebuild.test - a check beside working nodes finds no difference that is not there, and a rebuild repairs every kind of damage */
import { beforeEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import type { Context } from '../../../src/service/context.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { makeContext } from '../../support/context.ts'
import { queueMails } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const CALL = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const

/** Registers mails and bounces some of them, as one node does. */
function createNode(context: Context, name: string) {
  const receiver = createReceiver(context, { prover: async () => NO_AUTHENTICATION_RESULTS, dryRun: false, notifyReplays: false })
  const register = createRegister(context)
  return async (round: number, count = 6): Promise<void> => {
    const recipients = Array.from({ length: count }, (_, n) => ({ recipient: `${name}${round}x${n}@example.org`, contactTypes: null }))
    const made = await register({ account: 1, apiUser: 'one', ip: '203.0.113.5' }, { ...CALL, recipients })
    const bounced = made.recipients.filter((_, n) => n % 2 === 0)
    await Promise.all(
      bounced.map(({ returnPath, recipient }, n) =>
        receiver.submit(
          makeIncomingMail(ndr({ token: returnPath.split('@')[0] ?? '', recipient: recipient ?? '', n: round * 100 + n }), returnPath, {
            at: context.now(),
            receivedAt: context.now(),
          }),
        ),
      ),
    )
  }
}

describe.each(engines)('rebuild: $kind', ({ kind, open }) => {
  let engine: Engine
  let context: Context
  let url: string
  beforeEach(async () => {
    ;({ engine, url } = await open())
    context = await makeContext(engine, { now: T0 })
  })
  const run = (check: boolean) => rebuild(context, { check, onProgress: () => undefined })

  test('beside writers, a check finds no difference and a rebuild makes none', async () => {
    const otherEngine = kind === 'postgres' ? await openEngine(url) : engine
    const other = { ...context, engine: otherEngine }
    const nodes = [createNode(context, 'a'), createNode(other, 'b')]
    for (const node of nodes) await node(0, 40)
    const state = { isOver: false }
    const writing = nodes.map(async (node) => {
      for (let round = 1; !state.isOver; round++) await node(round)
    })
    for (let n = 0; n < 2; n++) {
      expect((await run(true)).differences).toEqual([])
      expect((await run(false)).differences).toEqual([])
    }
    state.isOver = true
    await Promise.all(writing)
    expect((await run(true)).differences).toEqual([])
    if (otherEngine !== engine) await otherEngine.close()
  })

  test('an empty store has no differences', async () => {
    expect(await run(true)).toMatchObject({ facts: 0, differing: 0, lost: 0 })
    expect(await run(false)).toMatchObject({ facts: 0, differing: 0, lost: 0 })
  })

  test.each([
    [
      'a changed row',
      'update deliveries set status = 1 where delivery_id in (select delivery_id from deliveries where status = 18 limit 3)',
    ],
    ['a row that is gone', 'delete from suppressions'],
    ['a row without facts', "update suppressions set scope = 'nobody' where list = 'bounce'"],
    ['a counter that is too high', 'update counters set n = n + 7'],
    ['a counter that is gone', 'delete from counters'],
    ['site counters that are gone', 'delete from site_counters'],
    ['counters of a quarter-hour in which nothing happened', 'update counters set quarter = quarter + 900000'],
  ])('%s is reported by a check and repaired by a rebuild', async (_, damage) => {
    const node = createNode(context, 'a')
    for (let round = 0; round < 3; round++) await node(round)
    await engine.tx((db) => db.run(damage))
    const before = await engine.read.all('select * from counters order by metric, domain, quarter, slot')
    const check = await run(true)
    expect(check.differing).toBeGreaterThan(0)
    expect(await engine.read.all('select * from counters order by metric, domain, quarter, slot')).toEqual(before)
    expect((await run(false)).differing).toBeGreaterThan(0)
    expect((await run(true)).differences).toEqual([])
  })

  test('a message that our queue accepted, without an outcome and without a queue row, is reported', async () => {
    const [id = ''] = await queueMails(context, ['user@example.net', 'other@example.net'])
    expect((await run(true)).differences).toEqual([])
    await engine.tx((db) => db.run('delete from queue_mails where delivery_id = $1', [id]))
    const { lost, differences } = await run(true)
    expect(lost).toBe(1)
    expect(differences).toEqual([expect.stringContaining(id)])
  })
})
