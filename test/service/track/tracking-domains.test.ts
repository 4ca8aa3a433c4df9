/**
 * tracking-domains.test - the tracking domains of accounts are checked, kept, and alerted about
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { createAlertEvaluator } from '../../../src/service/alerts/alerts.ts'
import type { Context } from '../../../src/service/context.ts'
import { trackingBaseOf } from '../../../src/service/track/tracking-base.ts'
import { checkTrackingDomains } from '../../../src/service/track/tracking-domains.ts'
import { findAccount, saveAccountSettings } from '../../../src/store/account/accounts.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const MINUTE = 60_000
const OWN = 'go.shop.example'

describe.each(engines)('$kind', ({ open }) => {
  let context: Context
  let records: Map<string, string | Error>
  const clock: Clock = { now: T0 }
  const lookUp = (name: string, type: string): Promise<string[]> => {
    const record = type === 'CNAME' ? records.get(name) : undefined
    if (typeof record === 'string') return Promise.resolve([record])
    return Promise.reject(record ?? Object.assign(new Error('none'), { code: 'ENODATA' }))
  }

  beforeEach(async () => {
    clock.now = T0
    records = new Map()
    const { engine } = await open()
    context = await makeContext(engine, clock, [{ trackingDomain: OWN }, { trackingDomain: OWN }, {}])
  })

  const basesOf = async (): Promise<readonly (string | null)[]> => {
    await checkTrackingDomains(context, lookUp)
    const snapshot = await context.accountCache.snapshot()
    return [1, 2, 3].map((account) => trackingBaseOf(context, snapshot, account))
  }
  const [own, shared] = [`https://${OWN}`, 'https://t.example.com']
  const setDomain = async (account: number, trackingDomain: string): Promise<void> => {
    const found = await findAccount(context.engine.read, account)
    if (found !== null) await context.engine.tx((db) => saveAccountSettings(db, account, { ...found.settings, trackingDomain }))
    context.accountCache.invalidate()
  }

  test('links name a domain while it is verified, for the account that had it first', async () => {
    expect(await basesOf()).toEqual([shared, shared, shared])
    records.set(OWN, 'T.Example.com.')
    expect(await basesOf()).toEqual([own, shared, shared])
    await setDomain(3, OWN)
    expect(await basesOf()).toEqual([own, shared, shared])
    // The first account lets it go.
    await setDomain(1, '')
    expect(await basesOf()).toEqual([shared, own, shared])
    await setDomain(1, OWN)
    expect(await basesOf()).toEqual([shared, own, shared])
  })

  test('a chain of aliases counts, a loop ends', async () => {
    records.set(OWN, 'a.example.net').set('a.example.net', 't.example.com')
    expect((await basesOf())[0]).toBe(own)
    records.set('a.example.net', OWN)
    expect((await basesOf())[0]).toBe(shared)
  })

  test('a resolver that fails changes nothing', async () => {
    records.set(OWN, 't.example.com')
    await basesOf()
    records.set(OWN, Object.assign(new Error('slow'), { code: 'ETIMEOUT' }))
    expect((await basesOf())[0]).toBe(own)
  })

  test('a domain that breaks raises an alert for its account, and one that works again clears it', async () => {
    await setDomain(2, '')
    const { evaluate } = createAlertEvaluator(context, {
      rules: { rules: [], mailTo: [] },
      mailer: null,
      operator: () => Promise.resolve(3),
    })
    const check = async (): Promise<readonly unknown[]> => {
      await checkTrackingDomains(context, lookUp)
      return (await evaluate()).map(({ account, data: { alert, about, state } }) => [account, alert, about, state])
    }
    records.set(OWN, 't.example.com')
    expect(await check()).toEqual([])
    records.delete(OWN)
    expect(await check()).toEqual([])
    clock.now += 11 * MINUTE
    expect(await check()).toEqual([[1, 'tracking-domain', OWN, 'raised']])
    records.set(OWN, 't.example.com')
    expect(await check()).toEqual([[1, 'tracking-domain', OWN, 'cleared']])
    records.delete(OWN)
    await check()
    clock.now += 11 * MINUTE
    expect(await check()).toHaveLength(1)
    await setDomain(1, '')
    expect(await check()).toEqual([[1, 'tracking-domain', OWN, 'cleared']])
  })

  test('without a shared base there is nothing to lead to', async () => {
    records.set(OWN, 't.example.com')
    context = { ...context, sharedTrackingBase: null }
    expect(await basesOf()).toEqual([null, null, null])
  })
})
