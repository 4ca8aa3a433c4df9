/**
 * engagement.test - opens and clicks from the request to the rows, on both engines: people and machines, repeats, floods, contradictions, mails
 * that are gone
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import type { AccountSettings } from '../../../src/ledger/account-settings.ts'
import type { Fact, FactOf } from '../../../src/ledger/facts/fact.ts'
import type { DeliveryRow } from '../../../src/ledger/project/state.ts'
import type { PlaceLookup } from '../../../src/net/place-database.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import type { Context } from '../../../src/service/context.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createEngagementRecorder, type EngagementRecorder } from '../../../src/service/track/engagement-recorder.ts'
import type { EngagementRequest } from '../../../src/service/track/engagement-service.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { findDeliveriesByIds } from '../../../src/store/mail/deliveries.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const MINUTE = 60_000
const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'
const GMAIL = 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'
const MUNICH = { country: 'DE', region: 'Bavaria', city: 'Munich' } as const

const places: PlaceLookup = {
  check: () => Promise.resolve(),
  refresh: () => Promise.resolve(),
  find: () => MUNICH,
}

type Mail = { readonly deliveryId: string; readonly returnPath: string; readonly recipient: string }

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let context: Context
  let recorder: EngagementRecorder

  async function start(settings: Partial<AccountSettings> = {}): Promise<void> {
    clock.now = T0
    const { engine } = await open()
    context = await makeContext(engine, clock, [settings, {}])
    recorder = createEngagementRecorder(context, { durable: true, waiting: 1_000, places })
  }
  beforeEach(() => start())

  async function send(recipient = 'joe@example.org'): Promise<Mail> {
    const call = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
    const { recipients } = await createRegister(context)(
      { account: 1, apiUser: 'one', ip: '203.0.113.5' },
      { ...call, recipients: [{ recipient, contactTypes: null }] },
    )
    const returnPath = recipients[0]?.returnPath ?? ''
    clock.now += MINUTE
    return { deliveryId: returnPath.slice(1, 14), returnPath, recipient }
  }
  const requestOf = ({ deliveryId }: Pick<Mail, 'deliveryId'>, over: Partial<EngagementRequest> = {}): EngagementRequest => ({
    kind: 'open',
    account: 1,
    deliveryId,
    url: over.kind === 'click' ? 'https://shop.example.com/' : null,
    ip: '198.51.100.77',
    userAgent: CHROME,
    method: 'GET',
    purpose: null,
    receivedAt: clock.now,
    ...over,
  })
  const record = (mail: Pick<Mail, 'deliveryId'>, over: Partial<EngagementRequest> = {}): Promise<void> =>
    recorder.record(requestOf(mail, over))

  async function rowOf({ deliveryId }: Mail): Promise<DeliveryRow> {
    const [row] = await findDeliveriesByIds(context.engine.read, 1, [deliveryId])
    if (row === undefined) throw new Error('no such delivery')
    return row
  }
  const factsOf = ({ deliveryId }: Mail): Promise<readonly Fact[]> =>
    findFactsBySubject(context.engine.read, [{ account: 1, subject: deliveryId }])
  const engagementOf = async (mail: Mail): Promise<readonly (FactOf<'open'> | FactOf<'click'>)[]> =>
    (await factsOf(mail)).flatMap((fact) => (fact.kind === 'open' || fact.kind === 'click' ? [fact] : []))
  async function countersOf(): Promise<Record<string, number>> {
    const metrics = ['open', 'unique-open', 'machine-open', 'click', 'unique-click', 'machine-click'] as const
    const windows = [{ from: T0 - 40 * 86_400_000 * 12, to: T0 + 86_400_000 }]
    const found: Record<string, number> = {}
    for (const { metric, n } of await sumCounters(context.engine.read, 1, { windows, metrics })) found[metric] = (found[metric] ?? 0) + n
    return found
  }
  const expectRebuilt = async (): Promise<void> =>
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test('an open and a click store who, when, where and with what, and the first is told from the next', async () => {
    const mail = await send()
    await record(mail)
    clock.now += MINUTE
    await record(mail)
    await record(mail, { kind: 'click' })
    const [first, second, click] = await engagementOf(mail)
    expect(first?.data).toMatchObject({
      ...MUNICH,
      url: null,
      ip: '198.51.100.77',
      userAgent: CHROME,
      device: 'desktop',
      browser: 'Chrome',
      system: 'Windows',
      machine: null,
      counted: true,
      first: true,
    })
    expect([second?.data.first, click?.data.first, click?.data.url]).toEqual([false, true, 'https://shop.example.com/'])
    expect(await rowOf(mail)).toMatchObject({ opens: 2, clicks: 1, openedAt: T0 + MINUTE, clickedAt: T0 + 2 * MINUTE, result: 'opened' })
    expect(await countersOf()).toEqual({ open: 2, 'unique-open': 1, click: 1, 'unique-click': 1 })
    await expectRebuilt()
  })

  test.each([
    ['exclude', { open: 2, 'machine-open': 2 }, { openedAt: null, result: 'sent', touchedAt: null }, [false, false]],
    ['count', { open: 2, 'machine-open': 2, 'unique-open': 1 }, { openedAt: T0 + MINUTE, result: 'opened' }, [true, false]],
  ] as const)('with machineEngagement %s, opens of machines give %j', async (machineEngagement, counters, row, firsts) => {
    await start({ machineEngagement })
    const mail = await send()
    await record(mail, { userAgent: GMAIL })
    await record(mail, { userAgent: 'Mozilla/5.0', ip: '198.51.100.78' })
    expect((await engagementOf(mail)).map(({ data }) => data.first)).toEqual(firsts)
    expect(await rowOf(mail)).toMatchObject({ opens: 2, machineOpens: 2, ...row })
    expect(await countersOf()).toEqual(counters)
    await expectRebuilt()
  })

  test.each([
    [
      { engagementIp: 'network', engagementUserAgent: 'reading' },
      { ip: '198.51.100.0', userAgent: null, browser: 'Chrome', country: 'DE' },
    ],
    [{ engagementIp: 'none' }, { ip: null, userAgent: CHROME }],
  ] as const)('with %j, %j is stored', async (settings, data) => {
    await start(settings)
    const mail = await send()
    await record(mail)
    expect((await engagementOf(mail))[0]?.data).toMatchObject(data)
  })

  test('a flood on one link is one fact a client and moment, and a mail has a bounded number of them', async () => {
    const mail = await send()
    const flood = Array.from({ length: 500 }, (_, n) => record(mail, { userAgent: `${CHROME} x${n}` }))
    await Promise.all(flood)
    expect((await rowOf(mail)).opens).toBe(1)
    for (let n = 0; n < 3; n++)
      await Promise.all(
        Array.from({ length: 150 }, (_, host) => record(mail, { ip: `203.0.${n}.${host}`, receivedAt: clock.now + n * MINUTE })),
      )
    const row = await rowOf(mail)
    expect([row.opens, await countersOf()]).toEqual([200, { open: 200, 'unique-open': 1 }])
    // Machines have a bound of their own, and so do people: neither hides the other.
    await Promise.all(Array.from({ length: 250 }, (_, n) => record(mail, { kind: 'click', method: 'HEAD', ip: `203.0.113.${n}` })))
    await record(mail, { kind: 'click' })
    expect(await rowOf(mail)).toMatchObject({ clicks: 201, machineClicks: 200, clickedAt: clock.now })
    await expectRebuilt()
  })

  test('another node, or a restart, records the same act once', async () => {
    const mail = await send()
    const other = createEngagementRecorder(context, { durable: true, waiting: 1_000, places })
    await Promise.all([record(mail), other.record(requestOf(mail))])
    await createEngagementRecorder(context, { durable: true, waiting: 1_000, places }).record(requestOf(mail))
    expect((await rowOf(mail)).opens).toBe(1)
  })

  test.each([
    ['at once', 0],
    ['in further batches', 600],
  ])('all links followed %s are a machine; a later click by a person counts', async (_, apart) => {
    const mail = await send()
    for (const n of [1, 2, 3]) {
      const click = record(mail, { kind: 'click', url: `https://shop.example.com/${n}` })
      if (apart > 0) await click
      clock.now += apart
    }
    await record(mail, { kind: 'click', url: 'https://shop.example.com/4' })
    expect(await rowOf(mail)).toMatchObject({ clicks: 4, machineClicks: 4, clickedAt: null, result: 'sent' })
    clock.now += MINUTE
    await record(mail, { kind: 'click', url: 'https://shop.example.com/1' })
    expect(await rowOf(mail)).toMatchObject({ clicks: 5, machineClicks: 4, clickedAt: clock.now, result: 'opened' })
    expect(await countersOf()).toEqual({ click: 5, 'machine-click': 4, 'unique-click': 1 })
    await expectRebuilt()
  })

  test('an open of a mail that bounced changes no status, contradicts it, and is an alarm while the address is on the bounce list', async () => {
    const mail = await send()
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    const raw = ndr({ token: mail.returnPath.split('@')[0] ?? '', recipient: mail.recipient, n: 1 })
    await receiver.submit(makeIncomingMail(raw, mail.returnPath, { at: clock.now, receivedAt: clock.now }))
    const before = await rowOf(mail)
    expect(before.status).toBe(4)
    await record(mail, { userAgent: GMAIL, ip: '66.249.84.1' })
    expect((await factsOf(mail)).filter(({ kind }) => kind === 'alarm')).toEqual([])
    await record(mail)
    clock.now += MINUTE
    await record(mail, { kind: 'click' })
    const alarms = (await factsOf(mail)).filter((fact) => fact.kind === 'alarm')
    expect(alarms).toMatchObject([{ data: { alarm: 'engaged-bounce', detail: { emailId: before.emailId, status: 4 } } }])
    expect(await rowOf(mail)).toMatchObject({ status: 4, subStatus: before.subStatus, result: before.result, opens: 2, clicks: 1 })
    await expectRebuilt()
  })

  test('what a browser fetches in advance does not hide the click of its reader', async () => {
    const mail = await send()
    await record(mail, { kind: 'click', purpose: 'prefetch' })
    await record(mail, { kind: 'click' })
    expect(await rowOf(mail)).toMatchObject({ clicks: 2, machineClicks: 1, clickedAt: clock.now })
  })

  test('an open of a mail of another account, or of none, records nothing', async () => {
    const mail = await send()
    await record(mail, { account: 2 })
    await record({ deliveryId: `${mail.deliveryId.slice(0, -2)}zz` })
    expect([(await rowOf(mail)).opens, await countersOf()]).toEqual([0, {}])
    await expectRebuilt()
  })

  test('hostile headers are stored without control characters, and bounded', async () => {
    const mail = await send()
    await record(mail, { userAgent: `a\u0000b\u001b[31m\u202e\ud800${'x'.repeat(100_000)}` })
    const [fact] = await engagementOf(mail)
    expect(fact?.data.userAgent).toMatch(/^a b \[31m x{1,256}$/)
    await expectRebuilt()
  })
})
