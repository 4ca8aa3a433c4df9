/**
 * account-settings.test - an account's settings are changed: versions, conflicts, audits, and what is the operator's, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { findAccount } from '../../../src/store/account/accounts.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { factsOf } from '../../../src/store/facts/facts.ts'
import { changeSettings, type SettingsCall } from '../../../src/service/admin/account-settings.ts'
import type { Shop } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { makeShop } from '../../support/context.ts'

const ANN: SettingsCall = { account: 1, actor: 'api:ann', byOperator: false, change: {}, version: null }

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  async function bench(): Promise<Shop> {
    const { engine } = await open()
    opened.push(engine)
    return makeShop(engine, { now: Date.UTC(2026, 10, 20) })
  }
  const auditsOf = async (shop: Shop): Promise<unknown> =>
    (await factsOf(shop.engine.read, [{ account: 1, subject: 'audit:1' }])).map(({ data }) => data)

  test('a change keeps the rest, is a version, audited, and in force at once', async () => {
    const shop = await bench()
    await shop.book.open()
    const saved = await changeSettings(shop, { ...ANN, change: { zone: 'Asia/Shanghai', complaintTypes: ['Abuse', 'abuse'] } })
    expect(saved).toEqual({ ...DEFAULT_SETTINGS, version: 2, zone: 'Asia/Shanghai', complaintTypes: ['abuse'] })
    expect((await findAccount(shop.engine.read, 1))?.settings).toEqual(saved)
    expect((await shop.book.open()).settingsOf(1)).toEqual(saved)
    expect(await auditsOf(shop)).toEqual([
      { actor: 'api:ann', what: 'settings.change', detail: { zone: 'Asia/Shanghai', complaintTypes: 'abuse', version: 2 } },
    ])
  })

  test('what changes nothing makes no version', async () => {
    const shop = await bench()
    expect(await changeSettings(shop, { ...ANN, change: { trust: 'strict' } })).toEqual(DEFAULT_SETTINGS)
    expect(await auditsOf(shop)).toEqual([])
  })

  test.each([
    ['another was first', { version: 7, change: { trust: 'any' } }, 'conflict'],
    ['the shared list by an account', { change: { sharedList: true } }, 'forbidden'],
    ['the domains to send from by an account', { change: { senderDomains: 'example.com'.split(',') } }, 'forbidden'],
    ['a domain to send from that is none', { byOperator: true, change: { senderDomains: 'a b'.split(',') } }, 'bad_request'],
    ['a zone that there is not', { change: { zone: 'Mars/Olympus' } }, 'bad_request'],
    ['nobody’s account', { account: 9, change: { trust: 'any' } }, 'not_found'],
  ] as const)('refused: %s', async (_, call, code) => {
    const shop = await bench()
    await expect(changeSettings(shop, { ...ANN, ...call })).rejects.toMatchObject({ code })
  })

  test('the shared list by the operator', async () => {
    const shop = await bench()
    expect(await changeSettings(shop, { ...ANN, byOperator: true, change: { sharedList: true } })).toMatchObject({ sharedList: true })
  })
})
