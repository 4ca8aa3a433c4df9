/**
 * account-secrets.test - accounts that an operator adds in the console, and their new keys
 */
import { describe, expect, test } from 'vitest'
import { createAccountSecretService } from '../../src/daemon/account-secrets.ts'
import { createAuthenticator, ROTATION_MS } from '../../src/daemon/accounts.ts'
import { makeContext } from '../support/context.ts'
import { engines } from '../support/engines.ts'

describe.each(engines)('on $kind', ({ open }) => {
  test('an added account signs in at once, its name cannot be taken twice, and the audit names who added it', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: Date.UTC(2026, 10, 29) })
    const secrets = createAccountSecretService(context, { trust: 'strict', giveUpDays: 5 })
    const { account, apiKey } = await secrets.add('shop', 'user:ann')
    const authenticator = createAuthenticator(engine.read, context.now)
    expect(await authenticator.findAccount('shop', apiKey)).toEqual({ account, apiUser: 'shop' })
    await expect(secrets.add('shop', 'user:ann')).rejects.toMatchObject({ code: 'conflict' })
    await expect(secrets.add('operator', 'user:ann')).rejects.toMatchObject({ code: 'bad_request' })
    const audits = await engine.read.all("select e.data from events e where e.kind = 'audit' order by e.id")
    expect(audits).toHaveLength(1)
  })

  test('a new key and the old one are valid together, and nobody gets a key of a name that does not exist', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: Date.UTC(2026, 10, 29) })
    const secrets = createAccountSecretService(context, { trust: 'strict', giveUpDays: 5 })
    const { account, apiKey } = await secrets.add('shop', 'operator')
    const authenticator = createAuthenticator(engine.read, context.now)
    // A program that signs in all the time must not keep the new key out for as long as its own is in memory.
    expect(await authenticator.findAccount('shop', apiKey)).not.toBeNull()
    const rotated = await secrets.rotate('shop', 'operator')
    expect(rotated.oldUntil).toBe(context.now() + ROTATION_MS)
    const found = await Promise.all([apiKey, rotated.apiKey, 'guess'].map((key) => authenticator.findAccount('shop', key)))
    expect(found.map((each) => each?.account ?? null)).toEqual([account, account, null])
    await expect(secrets.rotate('nobody', 'operator')).rejects.toMatchObject({ code: 'not_found' })
  })
})
