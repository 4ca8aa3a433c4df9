/**
 * dkim.test - DKIM keys: activation by DNS record, rotation, retirement, and signatures that a verifier accepts
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { beforeEach, describe, expect, test } from 'vitest'
import type { DnsLookup } from '../../../src/net/dns.ts'
import { signMail } from '../../../src/mail-auth/dkim-sign.ts'
import { createVault } from '../../../src/config/vault.ts'
import { createDkimKeyService, maintainDkimKeys, type DkimKeyService, type DkimView } from '../../../src/service/admin/dkim.ts'
import type { Context } from '../../../src/service/context.ts'
import { createSigningKeyCache } from '../../../src/service/deliver/signing-keys.ts'
import { engines } from '../../support/engines.ts'
import { makeContext, MASTER, type Clock } from '../../support/context.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const call = { account: 1, actor: 'api:alice', domain: 'example.com' }
const rsa = { ...call, selector: null, algorithm: 'rsa', isPublished: false } as const

describe.each(engines)('dkim: $kind', ({ open }) => {
  const clock: Clock = { now: T0 }
  const records = new Map<string, string>()
  const lookUp: DnsLookup = (name) => {
    const text = records.get(name)
    return text === undefined ? Promise.reject(new Error('none')) : Promise.resolve([text.match(/.{1,255}/g) ?? []])
  }
  const publish = ({ recordName, recordText }: DkimView): void => void records.set(recordName, recordText)
  let context: Context
  let dkim: DkimKeyService
  beforeEach(async () => {
    clock.now = T0
    records.clear()
    context = await makeContext((await open()).engine, clock, [{}, {}])
    dkim = createDkimKeyService(context, { vault: createVault(MASTER), lookUp })
  })
  const states = async (account = 1): Promise<readonly string[]> =>
    (await dkim.list(account)).map(({ selector, state }) => `${selector} ${state}`)
  const signed = async (domain: string, account = 1): Promise<readonly string[]> =>
    (await createSigningKeyCache(context.engine, createVault(MASTER))(account, domain)).map(
      ({ domain: by, selector }) => `${by} ${selector}`,
    )

  test('a key waits until its DNS record is visible, then signs', async () => {
    const made = await dkim.add({ ...rsa, domain: 'Example.COM', selector: 'S1' })
    expect(made).toMatchObject({ domain: 'example.com', selector: 's1', state: 'waiting', recordName: 's1._domainkey.example.com' })
    expect(made.recordText).toMatch(/^v=DKIM1; k=rsa; p=[A-Za-z0-9+/]{392}={0,2}$/)
    await maintainDkimKeys(context, lookUp)
    await expect(dkim.activate({ ...call, selector: 's1', isPublished: false })).rejects.toMatchObject({ code: 'conflict' })
    expect([await states(), await signed('example.com')]).toEqual([['s1 waiting'], []])
    records.set(made.recordName, made.recordText.replace('p=', 'p=A'))
    await maintainDkimKeys(context, lookUp)
    expect(await states()).toEqual(['s1 waiting'])
    publish(made)
    await maintainDkimKeys(context, lookUp)
    expect([await states(), await signed('example.com')]).toEqual([['s1 active'], ['example.com s1']])
  })

  test('an operator can activate a key without a DNS lookup', async () => {
    expect((await dkim.add({ ...rsa, isPublished: true })).state).toBe('active')
    const waiting = await dkim.add({ ...rsa, algorithm: 'ed25519', selector: 'e1' })
    expect((await dkim.activate({ ...call, selector: waiting.selector, isPublished: true })).state).toBe('active')
    expect(await signed('example.com')).toHaveLength(2)
  })

  test('the next key becomes active once its record is visible; the old one is retired without its private key', async () => {
    await dkim.add({ ...rsa, selector: 'old', isPublished: true })
    clock.now += 1_000
    const [next] = await dkim.rotate(call)
    expect(await signed('example.com')).toEqual(['example.com old'])
    if (next !== undefined) publish(next)
    await maintainDkimKeys(context, lookUp)
    expect(await signed('example.com')).toEqual([`example.com ${next?.selector ?? ''}`])
    expect(await states()).toEqual([`${next?.selector ?? ''} active`, 'old retired'])
    expect(await context.engine.read.one("select sealed from dkim_keys where selector = 'old'")).toEqual({ sealed: null })
    await expect(dkim.activate({ ...call, selector: 'old', isPublished: true })).rejects.toMatchObject({ code: 'conflict' })
    clock.now = (await dkim.list(1)).find(({ selector }) => selector === 'old')?.keepUntil ?? 0
    await maintainDkimKeys(context, lookUp)
    expect(await states()).toEqual([`${next?.selector ?? ''} active`])
  })

  test('a message signed with the key of the sender domain or its parent domain verifies', async () => {
    for (const algorithm of ['rsa', 'ed25519'] as const)
      publish(await dkim.add({ ...rsa, algorithm, selector: algorithm, isPublished: true }))
    const keys = await createSigningKeyCache(context.engine, createVault(MASTER))(1, 'mail.example.com')
    const raw = await signMail(Buffer.from('From: news@mail.example.com\r\nSubject: Hi\r\n\r\nHello\r\n'), keys, T0)
    const { results } = await dkimVerify(raw, { resolver: lookUp })
    expect(
      results.map(({ status, selector }) => `${selector ?? ''} ${status.result} ${status.aligned === false ? '' : 'aligned'}`),
    ).toEqual(expect.arrayContaining([expect.stringMatching(/^rsa pass aligned/), expect.stringMatching(/^ed25519 pass aligned/)]))
  })

  test('an account cannot see or change the keys of another', async () => {
    await dkim.add({ ...rsa, selector: 's1', isPublished: true })
    expect([await dkim.list(2), await signed('example.com', 2)]).toEqual([[], []])
    await expect(dkim.rotate({ ...call, account: 2 })).rejects.toMatchObject({ code: 'not_found' })
    expect(await dkim.remove({ ...call, account: 2, selector: null })).toBe(0)
    expect((await dkim.add({ ...rsa, account: 2, selector: 's1' })).state).toBe('waiting')
  })

  const REFUSED = [
    [{ domain: 'nothing' }, 'bad_request'],
    [{ domain: 'a b.example' }, 'bad_request'],
    [{ selector: 's_1' }, 'bad_request'],
    [{ selector: 'a; p=x' }, 'bad_request'],
    [{ selector: 'taken' }, 'conflict'],
  ] as const
  test.each(REFUSED)('adding %j is refused', async (over, code) => {
    await dkim.add({ ...rsa, selector: 'taken', algorithm: 'ed25519' })
    await expect(dkim.add({ ...rsa, algorithm: 'ed25519', ...over })).rejects.toMatchObject({ code })
  })

  test('each change creates an audit fact, and a removed key is not listed', async () => {
    await dkim.add({ ...rsa, algorithm: 'ed25519', selector: 's1', isPublished: true })
    expect(await dkim.remove({ ...call, selector: 'S1' })).toBe(1)
    expect(await dkim.list(1)).toEqual([])
    const facts = await context.engine.read.all(
      "select data from list_events where kind = 'audit' union all select data from events where kind = 'audit'",
    )
    expect(new Set(facts.map((row) => String(JSON.parse(String(row['data'])).what)))).toEqual(new Set(['dkim.add', 'dkim.remove']))
  })
})
