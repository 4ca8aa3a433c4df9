/**
 * engagement-retention.test - what is left of opens and clicks after the days of an account, after an erasure, and after the mail is retired
 */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { retire } from '../../../src/service/admin/retire.ts'
import { confirmRetirementDate } from '../../../src/service/admin/retirement-clock.ts'
import type { Context } from '../../../src/service/context.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import { createEngagementRecorder, type EngagementRecorder } from '../../../src/service/track/engagement-recorder.ts'
import { clearOldEngagement } from '../../../src/service/track/engagement-retention.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 3, 20, 12)
const DAY = 86_400_000
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.3.1'
const PLACE = { country: 'DE', region: 'Bavaria', city: 'Munich' }
const URL = 'https://shop.example.com/?customer=joe'
const CLEARED = { url: null, ip: null, userAgent: null, country: null, region: null, city: null, device: null, browser: null, system: null }

describe.each(engines)('$kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  let context: Context
  let recorder: EngagementRecorder
  beforeEach(async () => {
    clock.now = T0
    const { engine } = await open()
    context = await makeContext(engine, clock, [{ engagementDays: 30 }, {}])
    const places = { check: () => Promise.resolve(), refresh: () => Promise.resolve(), find: () => PLACE }
    recorder = createEngagementRecorder(context, { durable: true, waiting: 1_000, places })
  })

  async function send(account: number): Promise<string> {
    const call = { from: 'news@example.com', subject: 'x', label: 'l', broadcast: null, emailType: 'batch', headers: {} } as const
    const recipients = [{ recipient: 'joe@example.org', contactTypes: null }]
    const made = await createRegister(context)({ account, apiUser: `user${account}`, ip: '203.0.113.5' }, { ...call, recipients })
    clock.now += 60_000
    return made.recipients[0]?.returnPath.slice(1, 14) ?? ''
  }
  const click = (account: number, deliveryId: string, n = 0): Promise<void> =>
    recorder.record({
      kind: 'click',
      account,
      deliveryId,
      url: URL,
      ip: `198.51.100.${n % 250}`,
      userAgent: AGENT,
      method: 'GET',
      purpose: null,
      receivedAt: clock.now,
    })
  const clicksOf = async (account: number, deliveryId: string): Promise<readonly Fact['data'][]> =>
    (await findFactsBySubject(context.engine.read, [{ account, subject: deliveryId }])).flatMap(({ kind, data }) =>
      kind === 'click' ? [data] : [],
    )
  const clear = (): Promise<void> => clearOldEngagement(context, () => false)
  const differences = async (): Promise<readonly string[]> =>
    (await rebuild(context, { check: true, onProgress: () => undefined })).differences
  async function clicksCounted(): Promise<readonly (readonly [string, string, number])[]> {
    const windows = [{ from: T0 - DAY, to: T0 + DAY }]
    const groupBy = ['apiUser'] as const
    const sums = await sumCounters(context.engine.read, 1, { windows, metrics: ['click', 'unique-click'], groupBy })
    return sums.map(({ metric, apiUser, n }) => [metric, apiUser ?? '', n] as const).toSorted((a, b) => (a.join() < b.join() ? -1 : 1))
  }

  test('after engagementDays, who and where are removed; that it happened, and all counts, stay', async () => {
    const [mine, other] = [await send(1), await send(2)]
    await Promise.all([click(1, mine), click(2, other)])
    clock.now = T0 + 20 * DAY
    await click(1, mine)
    const counted = await clicksCounted()
    clock.now = T0 + 30 * DAY
    await clear()
    expect((await clicksOf(1, mine))[0]).toMatchObject({ url: URL })
    clock.now = T0 + 31 * DAY
    await clear()
    expect(await clicksOf(1, mine)).toMatchObject([
      { ...CLEARED, machine: null, counted: true, first: true },
      { url: URL, ip: '198.51.100.0' },
    ])
    expect(await clicksOf(2, other)).toMatchObject([{ url: URL, ...PLACE }])
    expect([await clicksCounted(), await differences()]).toEqual([counted, []])
    clock.now = T0 + 60 * DAY
    await clear()
    expect((await clicksOf(1, mine)).every((data) => 'url' in data && data.url === null)).toBe(true)
  })

  test('a run that is stopped is continued by the next, and a shorter period clears more', async () => {
    const mails = await Promise.all(Array.from({ length: 6 }, () => send(1)))
    for (const mail of mails) await Promise.all(Array.from({ length: 190 }, (_, n) => click(1, mail, n)))
    const left = async (): Promise<number> => {
      const clicks = await Promise.all(mails.map((mail) => clicksOf(1, mail)))
      return clicks.flat().filter((data) => 'ip' in data && data.ip !== null).length
    }
    clock.now = T0 + 10 * DAY
    await clear()
    expect(await left()).toBe(1_140)
    await changeAccountSettings(context, { account: 1, actor: 'test', byOperator: false, change: { engagementDays: 1 }, version: null })
    let pages = 0
    await clearOldEngagement(context, () => (pages += 1) > 2)
    expect(await left()).toBe(140)
    await clear()
    expect([await left(), await differences()]).toEqual([0, []])
  })

  test('an erasure clears opens and clicks, and a link that still works brings nothing back', async () => {
    const mail = await send(1)
    await click(1, mail)
    await eraseAddress(context, 'joe@example.org', 'operator')
    clock.now += DAY
    await click(1, mail)
    const clicks = await clicksOf(1, mail)
    expect(clicks).toMatchObject([CLEARED, CLEARED])
    expect([await clicksCounted(), await differences()]).toEqual([
      [
        ['click', 'user1', 2],
        ['unique-click', 'user1', 1],
      ],
      [],
    ])
  })

  test('a click after the mail is retired is counted for the account alone, and once a client and moment', async () => {
    const mail = await send(1)
    await click(1, mail)
    clock.now = T0 + 300 * DAY
    context.accountCache.invalidate()
    await confirmRetirementDate(context, 'operator')
    expect((await retire(context, { months: 6 })).deliveries).toBe(1)
    await Promise.all([click(1, mail), click(1, mail), click(1, mail, 7), click(2, mail)])
    expect(await clicksOf(1, mail)).toEqual([])
    expect([await clicksCounted(), await differences()]).toEqual([
      [
        ['click', '', 2],
        ['click', 'user1', 1],
        ['unique-click', 'user1', 1],
      ],
      [],
    ])
  })
})
