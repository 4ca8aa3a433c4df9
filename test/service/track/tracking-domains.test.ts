/**
 * tracking-domains.test - the tracking domains of accounts are checked, kept, and alerted about
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { createAlertEvaluator } from '../../../src/service/alerts/alerts.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import type { Context } from '../../../src/service/context.ts'
import { trackingBaseOf } from '../../../src/service/track/tracking-base.ts'
import { checkTrackingDomains, createTrackingDomainService } from '../../../src/service/track/tracking-domains.ts'
import { findAccount, saveAccountSettings } from '../../../src/store/account/accounts.ts'
import { makeContext, openTestContext, type Clock } from '../../support/context.ts'
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
    await basesOf()
    clock.now += 10 * MINUTE
    expect((await basesOf())[0]).toBe(shared)
  })

  test.each([Object.assign(new Error('slow'), { code: 'ETIMEOUT' }), 'elsewhere.example.net'])(
    'one check that fails is not a break, and a break leaves the domain to its account: %s',
    async (record) => {
      records.set(OWN, 't.example.com')
      await basesOf()
      records.set(OWN, record)
      expect(await basesOf()).toEqual([own, shared, shared])
      clock.now += 5 * MINUTE
      expect(await basesOf()).toEqual([own, shared, shared])
      clock.now += 5 * MINUTE
      expect(await basesOf()).toEqual([shared, shared, shared])
      // The second account names the same domain, and has waited for this moment.
      records.set(OWN, 't.example.com')
      expect(await basesOf()).toEqual([own, shared, shared])
    },
  )

  test('a domain that an account holds is refused to others, and one that somebody only names is not', async () => {
    const setting = { actor: 'x', byOperator: false, change: { trackingDomain: OWN }, version: null }
    await basesOf()
    await changeAccountSettings(context, { ...setting, account: 3 })
    records.set(OWN, 't.example.com')
    await basesOf()
    await setDomain(3, '')
    await expect(changeAccountSettings(context, { ...setting, account: 3 })).rejects.toMatchObject({ code: 'conflict' })
    await setDomain(1, '')
    await setDomain(2, '')
    await basesOf()
    await changeAccountSettings(context, { ...setting, account: 3 })
    expect(await basesOf()).toEqual([shared, shared, own])
  })

  test('a check of one account shows its state at once', async () => {
    const service = createTrackingDomainService(context, lookUp)
    expect(await service.read(1)).toMatchObject({
      state: 'waiting',
      domain: OWN,
      target: 't.example.com',
      linkBase: shared,
      checkedAt: null,
    })
    expect(await service.check(1)).toMatchObject({
      state: 'waiting',
      problem: expect.stringContaining('CNAME t.example.com.'),
      checkedAt: T0,
    })
    records.set(OWN, 't.example.com')
    expect(await service.check(1)).toMatchObject({ state: 'verified', linkBase: own, verifiedAt: T0, problem: null })
    expect(await service.read(2)).toMatchObject({ state: 'waiting', linkBase: shared, problem: expect.stringContaining('another account') })
    records.delete(OWN)
    expect(await service.check(1)).toMatchObject({ state: 'failing', linkBase: own, failingSince: T0 })
    expect(await service.read(3)).toMatchObject({ state: 'none', domain: null, linkBase: shared })
  })

  test('the state is stored: a node that starts without DNS goes on with it', async () => {
    records.set(OWN, 't.example.com')
    await basesOf()
    const other = await openTestContext(context.engine, clock)
    expect(trackingBaseOf(other, await other.accountCache.snapshot(), 1)).toBe(own)
  })

  test('nodes that check at the same time leave one row for each domain of an account', async () => {
    records.set(OWN, 't.example.com')
    await Promise.all([1, 2, 3, 4].map(() => checkTrackingDomains(context, lookUp)))
    const rows = await context.engine.read.all('select account_id, verified_at from tracking_domains order by account_id')
    expect(rows.map((row) => [Number(row['account_id']), row['verified_at'] !== null])).toEqual([
      [1, true],
      [2, false],
    ])
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
