/**
 * inbox.test - mail that waits, and what people do with it, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { NO_PROOFS, type Proofs } from '../../../src/mail-auth/verify-signatures.ts'
import { findByEmailIds } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { factsOf } from '../../../src/store/facts/facts.ts'
import { findInbox } from '../../../src/store/mail/inbox.ts'
import { removeRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { suppressionsOf } from '../../../src/store/lists/suppressions.ts'
import { addCut, readCutName } from '../../../src/service/admin/blocks.ts'
import { createInbox, type SettleInbox } from '../../../src/service/receive/inbox.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Shop } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, incoming, ndr } from '../../support/reports.ts'
import { makeShop, type Clock } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
const SIGNED: Proofs = {
  dkim: [{ domain: 'loops.example', selector: 's', result: 'pass', valid: true, aligned: true }],
  spf: null,
  arc: null,
}
const OPERATOR = { account: null, actor: 'operator' } as const
const ANN = { account: 1, actor: 'api:ann' } as const

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  type Bench = {
    shop: Shop
    clock: Clock
    receiver: Receiver
    proofs: { now: Proofs }
    settle: SettleInbox
    mail: (to: string, raw: string) => Promise<string>
    register: (account: number, recipient: string) => Promise<{ emailId: string; returnPath: string; feedbackId: string; token: string }>
  }

  async function bench(settings: Parameters<typeof makeShop>[2] = [{}, {}]): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const shop = await makeShop(engine, clock, settings)
    const proofs = { now: NO_PROOFS }
    const prover = (): Promise<Proofs> => Promise.resolve(proofs.now)
    const receiver = createReceiver(shop, { prover, dryRun: false, notifyReplays: false })
    const door = createRegister(shop)
    return {
      shop,
      clock,
      receiver,
      proofs,
      settle: createInbox(shop, prover),
      mail: async (to, raw) => (await receiver.submit(incoming(raw, to, { at: clock.now, receivedAt: clock.now }))).digest,
      register: async (account, recipient) => {
        const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
        const asker = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
        const { recipients } = await door(asker, { ...call, recipients: [{ recipient, contactTypes: null }] })
        const { emailId = '', returnPath = '', feedbackId = '' } = recipients[0] ?? {}
        return { emailId, returnPath, feedbackId, token: returnPath.split('@')[0] ?? '' }
      },
    }
  }

  const statusOf = async (shop: Shop, account: number, emailId: string): Promise<unknown> => {
    const [row] = await findByEmailIds(shop.engine.read, account, [emailId])
    return [row?.status, row?.subStatus, row?.asynchronous]
  }
  const entriesOf = async (shop: Shop, account: number, address: string): Promise<unknown> =>
    (await suppressionsOf(shop.engine.read, [{ account, addressHash: hashAddress(address) ?? '' }])).map(({ list, proof, from }) => [
      list,
      proof,
      from,
    ])
  const auditsOf = async (shop: Shop, account: number): Promise<readonly string[]> =>
    (await factsOf(shop.engine.read, [{ account, subject: `audit:${account}` }])).flatMap((fact) =>
      fact.kind === 'audit' ? [fact.data.what] : [],
    )
  const expectRebuilt = async (shop: Shop): Promise<void> =>
    expect((await rebuild(shop, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test('accept: a forged-looking complaint counts once a person vouches for it, from the time when it came', async () => {
    const { shop, clock, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await findInbox(shop.engine.read, 1, digest)).toMatchObject({ reason: 'unverified', state: 'open' })
    clock.now += DAY
    const done = await settle({ ...ANN, digest, action: 'accept' })
    expect(done).toMatchObject({ changed: true, problem: null, row: { state: 'accepted' } })
    expect(await entriesOf(shop, 1, 'joe@example.org')).toEqual([['complaint', 'operator', START]])
    expect(await settle({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: false, facts: [] })
    await expect(settle({ ...ANN, digest, action: 'discard' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await auditsOf(shop, 1)).toEqual(['inbox.accepted'])
    await expectRebuilt(shop)
  })

  test('two hands at once settle it once', async () => {
    const { shop, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    const done = await Promise.all(Array.from({ length: 4 }, () => settle({ ...ANN, digest, action: 'accept' })))
    expect(done.filter(({ changed }) => changed).length).toBe(1)
    expect(await auditsOf(shop, 1)).toEqual(['inbox.accepted'])
  })

  test('link: a stray bounce becomes the bounce of a mail, and both accounts’ books say so', async () => {
    const { shop, mail, settle, register } = await bench()
    const joe = await register(2, 'joe@example.org')
    const digest = await mail('unknown@bounce.example.com', ndr({ recipient: 'joe@example.org' }))
    expect(await findInbox(shop.engine.read, 0, digest)).toMatchObject({ reason: 'unmatched' })
    await expect(settle({ ...OPERATOR, digest, action: 'accept' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: 'no such' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ ...ANN, digest, action: 'link', emailId: joe.emailId })).rejects.toMatchObject({ code: 'not_found' })
    expect(await settle({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({
      changed: true,
      row: { state: 'linked' },
    })
    expect(await statusOf(shop, 2, joe.emailId)).toEqual([4, 406, true])
    expect(await entriesOf(shop, 2, 'joe@example.org')).toEqual([['bounce', 'operator', START]])
    expect(await settle({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({ changed: false })
    const amy = await register(2, 'amy@example.org')
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: amy.emailId })).rejects.toMatchObject({ code: 'conflict' })
    expect([await auditsOf(shop, 0), await auditsOf(shop, 2)]).toEqual([['inbox.linked'], ['inbox.linked']])
    await expectRebuilt(shop)
  })

  test('link: mail that points at an account is never another’s', async () => {
    const { shop, mail, settle, register } = await bench()
    const mine = await register(1, 'joe@example.org')
    const other = await register(2, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: mine.feedbackId, recipient: 'joe@example.org' }))
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: other.emailId })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ account: 2, actor: 'api:bob', digest, action: 'accept' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await entriesOf(shop, 2, 'joe@example.org')).toEqual([])
  })

  test('accepted mail never feeds the list that accounts share, whoever signed it', async () => {
    const { shop, clock, proofs, mail, settle, register } = await bench([{ sharedList: true }])
    const joe = await register(1, 'joe@example.org')
    proofs.now = SIGNED
    clock.now += 40 * DAY
    const digest = await mail(joe.returnPath, ndr({ token: joe.token, recipient: 'joe@example.org' }))
    expect(await findInbox(shop.engine.read, 1, digest)).toMatchObject({ reason: 'expired' })
    await settle({ ...OPERATOR, digest, action: 'accept' })
    expect(await entriesOf(shop, 1, 'joe@example.org')).toEqual([['bounce', 'operator', clock.now]])
    expect(await entriesOf(shop, 0, 'joe@example.org')).toEqual([])
  })

  test('discard, think again, accept', async () => {
    const { shop, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await settle({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true, row: { state: 'discarded' } })
    expect(await entriesOf(shop, 1, 'joe@example.org')).toEqual([])
    expect(await settle({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: true, row: { state: 'accepted' } })
    expect(await auditsOf(shop, 1)).toEqual(['inbox.discarded', 'inbox.accepted'])
    await expectRebuilt(shop)
  })

  test('replay believes no more than the listener: what was unproven stays, what is registered by now moves', async () => {
    const { shop, proofs, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const forged = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await settle({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({
      changed: false,
      problem: 'unverified',
      row: { state: 'open' },
    })
    proofs.now = SIGNED
    expect(await settle({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({ changed: true, row: { state: 'replayed' } })
    expect(await entriesOf(shop, 1, 'joe@example.org')).toEqual([['complaint', 'signed', START]])
    proofs.now = NO_PROOFS
    const named = ndr({ recipient: 'amy@example.org' }).replace('Message-Id: <ndr-0@mx.example.net>', 'Message-Id: <n1@mx.example.net>')
    const stray = await mail(
      'unknown@bounce.example.com',
      named.replace(
        '--b--',
        '--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <own-id@example.com>\r\nTo: amy@example.org\r\n\r\nx\r\n--b--',
      ),
    )
    expect(await findInbox(shop.engine.read, 0, stray)).toMatchObject({ reason: 'unmatched' })
    const door = createRegister(shop)
    const amy = await door(
      { account: 1, apiUser: 'user1', ip: '203.0.113.5' },
      {
        from: 'news@example.com',
        subject: 'x',
        label: null,
        broadcast: null,
        emailType: 'batch',
        headers: { 'Message-ID': '<own-id@example.com>' },
        recipients: [{ recipient: 'amy@example.org', contactTypes: null }],
      },
    )
    expect(await settle({ ...OPERATOR, digest: stray, action: 'replay' })).toMatchObject({ changed: false, problem: 'unverified' })
    expect(await statusOf(shop, 1, amy.recipients[0]?.emailId ?? '')).toEqual([18, null, false])
    expect(await settle({ ...OPERATOR, digest: stray, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(shop, 1, amy.recipients[0]?.emailId ?? '')).toEqual([4, 406, true])
    await expectRebuilt(shop)
  })

  test('without its raw mail it can only be discarded; what is not there is not found', async () => {
    const { shop, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    await shop.engine.tx((db) => removeRawMailForOperator(db, digest))
    for (const action of ['accept', 'replay'] as const)
      await expect(settle({ ...ANN, digest, action })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ ...ANN, digest: 'ab'.repeat(32), action: 'discard' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await settle({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true })
  })

  test('a cut token, and a cut account: their mail waits as cut, and only an operator lets it in', async () => {
    const { shop, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const amy = await register(1, 'amy@example.org')
    const bob = await register(2, 'joe@example.org')
    const token = readCutName('token', joe.returnPath)
    expect(await addCut(shop, { kind: 'token', name: token, actor: 'operator' }, 'a flood')).toBe(true)
    expect(await addCut(shop, { kind: 'token', name: token, actor: 'operator' }, 'again')).toBe(false)
    const digest = await mail(joe.returnPath, ndr({ token: joe.token, recipient: 'joe@example.org' }))
    expect(await findInbox(shop.engine.read, 1, digest)).toMatchObject({ reason: 'cut', state: 'open' })
    expect(await statusOf(shop, 1, joe.emailId)).toEqual([18, null, false])
    await addCut(shop, { kind: 'account', name: '1', actor: 'operator' }, 'a flood')
    const second = await mail(amy.returnPath, ndr({ token: amy.token, recipient: 'amy@example.org' }))
    expect(await findInbox(shop.engine.read, 1, second)).toMatchObject({ reason: 'cut' })
    await mail(bob.returnPath, ndr({ token: bob.token, recipient: 'joe@example.org' }))
    expect(await statusOf(shop, 2, bob.emailId)).toEqual([4, 406, true])
    expect(await settle({ ...ANN, digest, action: 'replay' }).catch((error: unknown) => error)).toMatchObject({ code: 'forbidden' })
    await expect(settle({ ...ANN, digest, action: 'accept' })).rejects.toMatchObject({ code: 'forbidden' })
    expect(await settle({ ...OPERATOR, digest, action: 'replay' })).toMatchObject({ changed: false, problem: 'cut' })
    expect(await settle({ ...OPERATOR, digest, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(shop, 1, joe.emailId)).toEqual([4, 406, true])
    expect(await auditsOf(shop, 0)).toEqual(['cut.add', 'cut.add'])
    await expectRebuilt(shop)
  })
})
