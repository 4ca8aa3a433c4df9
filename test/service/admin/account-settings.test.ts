/**
 * account-settings.test - changes of account settings: versions, conflicts, audit, and settings of the operator, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { findAccount } from '../../../src/store/account/accounts.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { changeAccountSettings, type SettingsCommand } from '../../../src/service/admin/account-settings.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { makeContext } from '../../support/context.ts'

const ANN: SettingsCommand = { account: 1, actor: 'api:ann', byOperator: false, change: {}, version: null }

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  async function bench(): Promise<Context> {
    const { engine } = await open()
    opened.push(engine)
    return makeContext(engine, { now: Date.UTC(2026, 10, 20) })
  }
  const auditsOf = async (context: Context): Promise<unknown> =>
    (await findFactsBySubject(context.engine.read, [{ account: 1, subject: 'audit:1' }])).map(({ data }) => data)

  test('a change keeps the other settings, creates a version and an audit fact, and takes effect at once', async () => {
    const context = await bench()
    await context.accountCache.snapshot()
    const saved = await changeAccountSettings(context, { ...ANN, change: { zone: 'Asia/Shanghai', complaintTypes: ['Abuse', 'abuse'] } })
    expect(saved).toEqual({ ...DEFAULT_ACCOUNT_SETTINGS, version: 2, zone: 'Asia/Shanghai', complaintTypes: ['abuse'] })
    expect((await findAccount(context.engine.read, 1))?.settings).toEqual(saved)
    expect((await context.accountCache.snapshot()).settingsOf(1)).toEqual(saved)
    expect(await auditsOf(context)).toEqual([
      { actor: 'api:ann', what: 'settings.change', detail: { zone: 'Asia/Shanghai', complaintTypes: 'abuse', version: 2 } },
    ])
  })

  test('a change to the present values creates no version', async () => {
    const context = await bench()
    expect(await changeAccountSettings(context, { ...ANN, change: { trust: 'strict' } })).toEqual(DEFAULT_ACCOUNT_SETTINGS)
    expect(await auditsOf(context)).toEqual([])
  })

  test.each([
    ['another was first', { version: 7, change: { trust: 'any' } }, 'conflict'],
    ['the shared list by an account', { change: { sharedList: true } }, 'forbidden'],
    ['the domains to send from by an account', { change: { senderDomains: 'example.com'.split(',') } }, 'forbidden'],
    ['a domain to send from that is none', { byOperator: true, change: { senderDomains: 'a b'.split(',') } }, 'bad_request'],
    ['VERP addresses by an account', { change: { verpAddresses: 'bounces@bounce.example.com'.split(',') } }, 'forbidden'],
    ['VERP that feeds a list by an account', { change: { verpTrust: 'list' } }, 'forbidden'],
    ['a VERP address at another domain', { byOperator: true, change: { verpAddresses: 'bounces@example.org'.split(',') } }, 'bad_request'],
    [
      'a VERP pattern with two readings',
      { byOperator: true, change: { verpAddresses: 'b{id}{user}={domain}@bounce.example.com'.split(',') } },
      'bad_request',
    ],
    ['copies of reports to ourselves', { change: { reportCopies: 'Me@BOUNCE.example.com' } }, 'bad_request'],
    ['a zone that there is not', { change: { zone: 'Mars/Olympus' } }, 'bad_request'],
    ['nobody’s account', { account: 9, change: { trust: 'any' } }, 'not_found'],
  ] as const)('refused: %s', async (_, call, code) => {
    const context = await bench()
    await expect(changeAccountSettings(context, { ...ANN, ...call })).rejects.toMatchObject({ code })
  })

  test('copies of reports may leave for an address elsewhere', async () => {
    const context = await bench()
    const saved = await changeAccountSettings(context, { ...ANN, change: { reportCopies: 'help@example.org' } })
    expect(saved.reportCopies).toBe('help@example.org')
  })

  test('the operator may change sharedList', async () => {
    const context = await bench()
    expect(await changeAccountSettings(context, { ...ANN, byOperator: true, change: { sharedList: true } })).toMatchObject({
      sharedList: true,
    })
  })
  test('VERP: an account chooses `status`, the operator its addresses, which another account cannot have', async () => {
    const { engine } = await open()
    opened.push(engine)
    const context = await makeContext(engine, { now: Date.UTC(2026, 10, 20) }, [{}, {}])
    expect(await changeAccountSettings(context, { ...ANN, change: { verpTrust: 'status' } })).toMatchObject({ verpTrust: 'status' })
    const verpAddresses = ['Bounces@bounce.example.com', 'bounces@BOUNCE.example.com']
    const saved = await changeAccountSettings(context, { ...ANN, byOperator: true, change: { verpAddresses } })
    expect(saved.verpAddresses).toEqual(['bounces@bounce.example.com'])
    const again = changeAccountSettings(context, { ...ANN, byOperator: true, change: { verpAddresses: ['bounces@bounce.example.com'] } })
    expect((await again).verpAddresses).toEqual(['bounces@bounce.example.com'])
    const other = changeAccountSettings(context, { ...ANN, account: 2, byOperator: true, change: { verpAddresses } })
    await expect(other).rejects.toMatchObject({ code: 'conflict' })
  })
})
