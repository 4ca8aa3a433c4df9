/**
 * alerts.test - raising and clearing alerts: once each, across restarts and nodes, by webhook and by mail
 */
import { SMTPServer } from 'smtp-server'
import { afterEach, describe, expect, test } from 'vitest'
import { createAlertMailer } from '../../../src/mail-auth/alert-mailer.ts'
import type { AccountSettings } from '../../../src/ledger/account-settings.ts'
import type { WatchCount } from '../../../src/ledger/project/watch-counts.ts'
import { quarterHourOf } from '../../../src/ledger/project/state.ts'
import { listAlertsForOperator } from '../../../src/store/alerts.ts'
import { LANE_SNAPSHOTS } from '../../../src/store/queue/lane-snapshots.ts'
import { COUNTERS } from '../../../src/store/schema.ts'
import { addWatchCounts, removeOldWatchCountsForOperator } from '../../../src/store/facts/watch-counters.ts'
import { createAlertEvaluator } from '../../../src/service/alerts/alerts.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { makeContext, makeWebhooks, type Clock } from '../../support/context.ts'
import { LANE } from '../../http/sample-rows.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const HOUR = 3_600_000

type AlertOptions = Parameters<typeof createAlertEvaluator>[1]
type AlertEvaluator = ReturnType<typeof createAlertEvaluator>

describe.each([...engines])('$kind', ({ open }) => {
  const undo: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const step of undo.splice(0).toReversed()) await step()
  })

  type Bench = {
    readonly clock: Clock
    readonly context: Context
    readonly make: (over?: Partial<AlertOptions>) => AlertEvaluator
    readonly evaluateChanges: () => Promise<readonly string[]>
  }
  async function bench(settings: readonly Partial<AccountSettings>[] = [{}, {}]): Promise<Bench> {
    const { engine } = await open()
    const clock = { now: T0 }
    const context = await makeContext(engine, clock, settings)
    const make: Bench['make'] = (over = {}) =>
      createAlertEvaluator(context, { rules: { rules: [], mailTo: [] }, mailer: null, operator: () => Promise.resolve(1), ...over })
    const evaluateChanges = async (): Promise<readonly string[]> =>
      (await make().evaluate()).map(
        ({ account, data }) => `${account} ${data.alert}${data.about === '' ? '' : ` ${data.about}`} ${data.state}`,
      )
    return { clock, context, make, evaluateChanges }
  }
  const count = async ({ context, clock }: Bench, account: number, metrics: Record<string, number>): Promise<void> => {
    const rows = Object.entries(metrics).map(([metric, n]) => ({
      account,
      quarter: quarterHourOf(clock.now),
      apiUser: 'ann',
      labelId: 0,
      domain: 'example.org',
      metric: metric as 'request',
      n,
      slot: 0,
    }))
    await context.engine.tx((db) => db.upsertMany(COUNTERS, rows, { addColumns: ['n'] }))
  }
  const watch = async (
    { context, clock }: Bench,
    metric: WatchCount['metric'],
    n: number,
    over: Partial<WatchCount> = {},
  ): Promise<void> => {
    await context.engine.tx((db) => addWatchCounts(db, [{ account: 0, quarter: quarterHourOf(clock.now), metric, name: '', n, ...over }]))
  }

  test('the disk: a warning at twice the floor, cleared at three times, and nothing to measure without a floor', async () => {
    const b = await bench()
    let free: number | null = 3_000
    const diskSpace = { floorBytes: 1_000, freeBytes: () => free, isLow: () => false }
    const evaluate = async (over: Partial<Context['diskSpace']> = {}): Promise<readonly unknown[]> => {
      const options: AlertOptions = { rules: { rules: [], mailTo: [] }, mailer: null, operator: () => Promise.resolve(2) }
      const facts = await createAlertEvaluator({ ...b.context, diskSpace: { ...diskSpace, ...over } }, options).evaluate()
      return facts.map(({ account, data: { alert, state, value } }) => [account, alert, state, value])
    }
    expect(await evaluate()).toEqual([])
    free = 2_000
    expect(await evaluate()).toEqual([[2, 'disk-space', 'raised', 0.5]])
    free = 0
    expect(await evaluate()).toEqual([])
    free = 4_000
    expect(await evaluate()).toEqual([[2, 'disk-space', 'cleared', 0.25]])
    free = 100
    expect(await evaluate()).toEqual([[2, 'disk-space', 'raised', 1]])
    expect(await evaluate({ floorBytes: 0 })).toEqual([[2, 'disk-space', 'cleared', null]])
    free = null
    expect(await evaluate()).toEqual([])
  })

  test('a certificate: raised two weeks before its end, or an hour after its files broke; cleared when it is replaced', async () => {
    const b = await bench()
    const DAY = 86_400_000
    const state = { name: 't.example.com', expiresAt: b.clock.now + 15 * DAY, problem: null as { text: string; since: number } | null }
    const evaluate = async (...states: readonly (typeof state)[]): Promise<readonly unknown[]> => {
      const options: AlertOptions = { rules: { rules: [], mailTo: [] }, mailer: null, operator: () => Promise.resolve(2) }
      const facts = await createAlertEvaluator({ ...b.context, certificates: { current: () => states } }, options).evaluate()
      return facts.map(({ account, data: { alert, about, state: next } }) => [account, alert, about, next])
    }
    expect(await evaluate(state)).toEqual([])
    b.clock.now += 1.1 * DAY
    expect(await evaluate(state)).toEqual([[2, 'certificate', 't.example.com', 'raised']])
    expect(await evaluate({ ...state, expiresAt: b.clock.now + 90 * DAY })).toEqual([[2, 'certificate', 't.example.com', 'cleared']])
    const broken = { ...state, expiresAt: b.clock.now + 90 * DAY, problem: { text: 'x', since: b.clock.now } }
    expect(await evaluate(broken)).toEqual([])
    b.clock.now += DAY / 12
    expect(await evaluate(broken)).toEqual([[2, 'certificate', 't.example.com', 'raised']])
    expect(await evaluate()).toEqual([[2, 'certificate', 't.example.com', 'cleared']])
  })

  test('an alert is raised once and cleared once', async () => {
    const b = await bench()
    await count(b, 2, { request: 1_000, delivered: 900, invalid: 80, 'invalid-401': 30, 'soft-bounce': 5, complaint: 1 })
    expect(await b.evaluateChanges()).toEqual(['2 bounce-rate raised'])
    expect(await b.evaluateChanges()).toEqual([])
    const [row] = await listAlertsForOperator(b.context.engine.read)
    expect(row).toMatchObject({ state: 'raised', since: T0, data: { value: 55 / 970, volume: 970 } })
    b.clock.now += HOUR
    await count(b, 2, { request: 1_000, delivered: 1_000 })
    expect(await b.evaluateChanges()).toEqual(['2 bounce-rate cleared'])
    await count(b, 2, { complaint: 20 })
    expect(await b.evaluateChanges()).toEqual(['2 complaint-rate raised'])
    b.clock.now += 30 * HOUR
    expect(await b.evaluateChanges()).toEqual(['2 complaint-rate cleared'])
  })

  test('two nodes that evaluate at once raise it once', async () => {
    const b = await bench()
    await count(b, 1, { request: 1_000, invalid: 500 })
    const both = await Promise.all([b.evaluateChanges(), b.evaluateChanges()])
    expect(both.flat()).toEqual(['1 bounce-rate raised'])
  })

  test('thresholds come from the defaults, the operator, then the account', async () => {
    const b = await bench([{ alertRules: ['bounce-rate=0.5/0.4'] }, { alertRules: ['bounce-rate=off'] }, {}])
    for (const account of [1, 2, 3]) await count(b, account, { request: 1_000, invalid: 300 })
    const lax = b.make({ rules: { rules: ['bounce-rate=0.9/0.8'], mailTo: [] } })
    expect(await lax.evaluate()).toEqual([])
    expect(await b.evaluateChanges()).toEqual(['3 bounce-rate raised'])
    const off = b.make({ rules: { rules: ['bounce-rate=off'], mailTo: [] } })
    expect((await off.evaluate()).map(({ data }) => data.text)).toEqual(['bounce-rate has cleared: it is no longer measured.'])
  })

  test('values of the installation raise alerts of the chosen account', async () => {
    const b = await bench()
    await watch(b, 'mails', 200)
    await watch(b, 'unmatched', 100)
    await watch(b, 'verdicts', 100)
    await watch(b, 'other', 9)
    expect(await b.evaluateChanges()).toEqual(['1 unmatched-share raised'])
    await watch(b, 'other', 1)
    expect((await b.make({ operator: () => Promise.resolve(0) }).evaluate()).map(({ account, data }) => [account, data.alert])).toEqual(
      expect.arrayContaining([[0, 'other-share']]),
    )
  })

  test('a feedback loop is silent only while messages are sent, and clears at its next complaint', async () => {
    const b = await bench()
    await watch(b, 'feedback', 30, { name: 'loops.example' })
    await watch(b, 'feedback', 3, { name: 'small.example' })
    b.clock.now += 80 * HOUR
    expect(await b.evaluateChanges()).toEqual([])
    await count(b, 2, { request: 10 })
    expect(await b.evaluateChanges()).toEqual(['1 feedback-silence loops.example raised'])
    await watch(b, 'feedback', 1, { name: 'loops.example' })
    expect(await b.evaluateChanges()).toEqual(['1 feedback-silence loops.example cleared'])
  })

  test('an endpoint that fails raises an alert, which its removal clears', async () => {
    const b = await bench()
    const hooks = makeWebhooks(b.context)
    const config = { name: '', events: ['invalid'], apiUsers: [], format: 'json', ladder: 'standard' } as const
    await hooks.add(1, { ...config, url: 'http://192.0.32.8/' })
    await watch(b, 'webhook-refused', 6, { account: 1, name: '1' })
    await watch(b, 'webhook-heard', 1, { account: 1, name: '1' })
    expect(await b.evaluateChanges()).toEqual(['1 webhook-failing 1 raised'])
    b.clock.now += 5 * HOUR
    expect(await b.evaluateChanges()).toEqual([])
    await hooks.remove(1, 1)
    expect(await b.evaluateChanges()).toEqual(['1 webhook-failing 1 cleared'])
  })

  test('a lane paused for too long raises one alert for all domains of its blocking key, across a restart', async () => {
    const b = await bench()
    const lanes = (waiting: number) =>
      ['a.example', 'b.example'].map((domain) => ({
        account: 1,
        domain,
        savedAt: T0,
        node: 'a',
        status: { ...LANE.status, account: 1, domain, state: 'paused' as const, isStopped: true, key: 'ip:192.0.2.1', waiting },
      }))
    await b.context.engine.tx((db) => db.upsertMany(LANE_SNAPSHOTS, lanes(5)))
    expect(await b.evaluateChanges()).toEqual([])
    b.clock.now += 29 * 60_000
    expect(await b.evaluateChanges()).toEqual([])
    b.clock.now += 60_000
    expect(await b.evaluateChanges()).toEqual(['1 lane-paused ip:192.0.2.1 raised'])
    expect((await listAlertsForOperator(b.context.engine.read))[0]?.data).toMatchObject({ value: 30, volume: 10 })
    await b.context.engine.tx((db) => db.upsertMany(LANE_SNAPSHOTS, lanes(0)))
    expect(await b.evaluateChanges()).toEqual(['1 lane-paused ip:192.0.2.1 cleared'])
    await b.context.engine.tx((db) => db.upsertMany(LANE_SNAPSHOTS, lanes(5)))
    expect(await b.evaluateChanges()).toEqual([])
  })

  test('an evaluation stores the counts of its node, and they are removed after some days', async () => {
    const b = await bench()
    b.context.counterBuffer.count([], 150)
    await watch(b, 'unmatched', 140)
    expect(await b.evaluateChanges()).toEqual(['1 unmatched-share raised'])
    expect(await b.context.engine.tx((db) => removeOldWatchCountsForOperator(db, T0, 10))).toBe(0)
    expect(await b.context.engine.tx((db) => removeOldWatchCountsForOperator(db, T0 + HOUR, 10))).toBe(2)
  })

  test('each change is mailed to the account and the operator with a null sender, and retried until it is accepted', async () => {
    const b = await bench([{}, { alertEmails: ['ann@example.com'] }])
    const got: { readonly from: unknown; readonly to: string[]; readonly raw: string }[] = []
    let isDown = true
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onMailFrom: (_address, _session, done) => done(isDown ? new Error('down') : null),
      onData: (stream, { envelope }, done) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
          got.push({ from, to: envelope.rcptTo.map(({ address }) => address), raw: Buffer.concat(chunks).toString() })
          done()
        })
      },
    })
    const port = await new Promise<number>((resolve) => {
      const listening = server.listen(0, '127.0.0.1', () => {
        const address = listening.address()
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
    const mailer = createAlertMailer({
      smarthostUrl: `smtp://127.0.0.1:${port}`,
      from: 'alerts@bounce.example.com',
      log: b.context.telemetry.log,
    })
    undo.push(
      () =>
        new Promise((resolve) => {
          server.close(() => resolve(null))
        }),
      () => Promise.resolve(mailer.close()),
    )
    const options: AlertOptions = { mailer, rules: { rules: [], mailTo: ['ops@example.net'] }, operator: () => Promise.resolve(1) }
    const alerts = b.make(options)
    const other = b.make(options)
    await count(b, 2, { request: 1_000, invalid: 500 })
    await alerts.evaluate()
    await alerts.sendMails()
    expect(got).toEqual([])
    isDown = false
    await alerts.sendMails()
    await other.sendMails()
    expect(got).toEqual([])
    b.clock.now += HOUR
    await alerts.sendMails()
    await alerts.sendMails()
    expect(got.map(({ from, to }) => [from, to])).toEqual([['', ['ops@example.net', 'ann@example.com']]])
    expect(got[0]?.raw).toMatch(/^Auto-Submitted: auto-generated\r$/m)
    expect(got[0]?.raw).toMatch(/^Subject: \[bounced\] bounce-rate raised: account 2\r$/m)
    expect(got[0]?.raw).toMatch(/^Message-ID: <alert-[0-9a-f-]{36}@bounce\.example\.com>\r$/m)
  })
})
