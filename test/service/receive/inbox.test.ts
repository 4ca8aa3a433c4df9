/**
 * inbox.test - mail that waits, and what people do with it, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../../../src/mail-auth/verify-signatures.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { findInboxItem } from '../../../src/store/mail/inbox.ts'
import { removeRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { findSuppressions } from '../../../src/store/lists/suppressions.ts'
import { addBlock, parseBlockName } from '../../../src/service/admin/blocks.ts'
import { createInboxCommandRunner, type RunInboxCommand } from '../../../src/service/receive/inbox.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, type Clock } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
const SIGNED: AuthenticationResults = {
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
    shop: Context
    clock: Clock
    receiver: Receiver
    proofs: { now: AuthenticationResults }
    settle: RunInboxCommand
    mail: (to: string, raw: string) => Promise<string>
    register: (account: number, recipient: string) => Promise<{ emailId: string; returnPath: string; feedbackId: string; token: string }>
  }

  async function bench(settings: Parameters<typeof makeContext>[2] = [{}, {}]): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const context = await makeContext(engine, clock, settings)
    const proofs = { now: NO_AUTHENTICATION_RESULTS }
    const prover = (): Promise<AuthenticationResults> => Promise.resolve(proofs.now)
    const receiver = createReceiver(context, { prover, dryRun: false, notifyReplays: false })
    const door = createRegister(context)
    return {
      shop: context,
      clock,
      receiver,
      proofs,
      settle: createInboxCommandRunner(context, prover),
      mail: async (to, raw) => (await receiver.submit(makeIncomingMail(raw, to, { at: clock.now, receivedAt: clock.now }))).digest,
      register: async (account, recipient) => {
        const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
        const caller = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
        const { recipients } = await door(caller, { ...call, recipients: [{ recipient, contactTypes: null }] })
        const { emailId = '', returnPath = '', feedbackId = '' } = recipients[0] ?? {}
        return { emailId, returnPath, feedbackId, token: returnPath.split('@')[0] ?? '' }
      },
    }
  }

  const statusOf = async (context: Context, account: number, emailId: string): Promise<unknown> => {
    const [row] = await findDeliveriesByEmailIds(context.engine.read, account, [emailId])
    return [row?.status, row?.subStatus, row?.asynchronous]
  }
  const entriesOf = async (context: Context, account: number, address: string): Promise<unknown> =>
    (await findSuppressions(context.engine.read, [{ account, addressHash: hashAddress(address) ?? '' }])).map(({ list, proof, from }) => [
      list,
      proof,
      from,
    ])
  const auditsOf = async (context: Context, account: number): Promise<readonly string[]> =>
    (await findFactsBySubject(context.engine.read, [{ account, subject: `audit:${account}` }])).flatMap((fact) =>
      fact.kind === 'audit' ? [fact.data.what] : [],
    )
  const expectRebuilt = async (context: Context): Promise<void> =>
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test('accept: a forged-looking complaint counts once a person vouches for it, from the time when it came', async () => {
    const { shop: context, clock, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'unverified', state: 'open' })
    clock.now += DAY
    const done = await settle({ ...ANN, digest, action: 'accept' })
    expect(done).toMatchObject({ changed: true, problem: null, row: { state: 'accepted' } })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['complaint', 'operator', START]])
    expect(await settle({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: false, facts: [] })
    await expect(settle({ ...ANN, digest, action: 'discard' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await auditsOf(context, 1)).toEqual(['inbox.accepted'])
    await expectRebuilt(context)
  })

  test('two hands at once settle it once', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    const done = await Promise.all(Array.from({ length: 4 }, () => settle({ ...ANN, digest, action: 'accept' })))
    expect(done.filter(({ changed }) => changed).length).toBe(1)
    expect(await auditsOf(context, 1)).toEqual(['inbox.accepted'])
  })

  test('link: a stray bounce becomes the bounce of a mail, and both accounts’ books say so', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const joe = await register(2, 'joe@example.org')
    const digest = await mail('unknown@bounce.example.com', ndr({ recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 0, digest)).toMatchObject({ reason: 'unmatched' })
    await expect(settle({ ...OPERATOR, digest, action: 'accept' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: 'no such' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ ...ANN, digest, action: 'link', emailId: joe.emailId })).rejects.toMatchObject({ code: 'not_found' })
    expect(await settle({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({
      changed: true,
      row: { state: 'linked' },
    })
    expect(await statusOf(context, 2, joe.emailId)).toEqual([4, 406, true])
    expect(await entriesOf(context, 2, 'joe@example.org')).toEqual([['bounce', 'operator', START]])
    expect(await settle({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({ changed: false })
    const amy = await register(2, 'amy@example.org')
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: amy.emailId })).rejects.toMatchObject({ code: 'conflict' })
    expect([await auditsOf(context, 0), await auditsOf(context, 2)]).toEqual([['inbox.linked'], ['inbox.linked']])
    await expectRebuilt(context)
  })

  test('link: mail that points at an account is never another’s', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const mine = await register(1, 'joe@example.org')
    const other = await register(2, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: mine.feedbackId, recipient: 'joe@example.org' }))
    await expect(settle({ ...OPERATOR, digest, action: 'link', emailId: other.emailId })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ account: 2, actor: 'api:bob', digest, action: 'accept' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await entriesOf(context, 2, 'joe@example.org')).toEqual([])
  })

  test('accepted mail never feeds the list that accounts share, whoever signed it', async () => {
    const { shop: context, clock, proofs, mail, settle, register } = await bench([{ sharedList: true }])
    const joe = await register(1, 'joe@example.org')
    proofs.now = SIGNED
    clock.now += 40 * DAY
    const digest = await mail(joe.returnPath, ndr({ token: joe.token, recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'expired' })
    await settle({ ...OPERATOR, digest, action: 'accept' })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['bounce', 'operator', clock.now]])
    expect(await entriesOf(context, 0, 'joe@example.org')).toEqual([])
  })

  test('discard, think again, accept', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await settle({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true, row: { state: 'discarded' } })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([])
    expect(await settle({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: true, row: { state: 'accepted' } })
    expect(await auditsOf(context, 1)).toEqual(['inbox.discarded', 'inbox.accepted'])
    await expectRebuilt(context)
  })

  test('replay believes no more than the listener: what was unproven stays, what is registered by now moves', async () => {
    const { shop: context, proofs, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const forged = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await settle({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({
      changed: false,
      problem: 'unverified',
      row: { state: 'open' },
    })
    proofs.now = SIGNED
    expect(await settle({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({ changed: true, row: { state: 'replayed' } })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['complaint', 'signed', START]])
    proofs.now = NO_AUTHENTICATION_RESULTS
    const named = ndr({ recipient: 'amy@example.org' }).replace('Message-Id: <ndr-0@mx.example.net>', 'Message-Id: <n1@mx.example.net>')
    const stray = await mail(
      'unknown@bounce.example.com',
      named.replace(
        '--b--',
        '--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <own-id@example.com>\r\nTo: amy@example.org\r\n\r\nx\r\n--b--',
      ),
    )
    expect(await findInboxItem(context.engine.read, 0, stray)).toMatchObject({ reason: 'unmatched' })
    const door = createRegister(context)
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
    expect(await statusOf(context, 1, amy.recipients[0]?.emailId ?? '')).toEqual([18, null, false])
    expect(await settle({ ...OPERATOR, digest: stray, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(context, 1, amy.recipients[0]?.emailId ?? '')).toEqual([4, 406, true])
    await expectRebuilt(context)
  })

  test('without its raw mail it can only be discarded; what is not there is not found', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    await context.engine.tx((db) => removeRawMailForOperator(db, digest))
    for (const action of ['accept', 'replay'] as const)
      await expect(settle({ ...ANN, digest, action })).rejects.toMatchObject({ code: 'not_found' })
    await expect(settle({ ...ANN, digest: 'ab'.repeat(32), action: 'discard' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await settle({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true })
  })

  test('a cut token, and a cut account: their mail waits as cut, and only an operator lets it in', async () => {
    const { shop: context, mail, settle, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const amy = await register(1, 'amy@example.org')
    const bob = await register(2, 'joe@example.org')
    const token = parseBlockName('token', joe.returnPath)
    expect(await addBlock(context, { kind: 'token', name: token, actor: 'operator' }, 'a flood')).toBe(true)
    expect(await addBlock(context, { kind: 'token', name: token, actor: 'operator' }, 'again')).toBe(false)
    const digest = await mail(joe.returnPath, ndr({ token: joe.token, recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'cut', state: 'open' })
    expect(await statusOf(context, 1, joe.emailId)).toEqual([18, null, false])
    await addBlock(context, { kind: 'account', name: '1', actor: 'operator' }, 'a flood')
    const second = await mail(amy.returnPath, ndr({ token: amy.token, recipient: 'amy@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, second)).toMatchObject({ reason: 'cut' })
    await mail(bob.returnPath, ndr({ token: bob.token, recipient: 'joe@example.org' }))
    expect(await statusOf(context, 2, bob.emailId)).toEqual([4, 406, true])
    expect(await settle({ ...ANN, digest, action: 'replay' }).catch((error: unknown) => error)).toMatchObject({ code: 'forbidden' })
    await expect(settle({ ...ANN, digest, action: 'accept' })).rejects.toMatchObject({ code: 'forbidden' })
    expect(await settle({ ...OPERATOR, digest, action: 'replay' })).toMatchObject({ changed: false, problem: 'cut' })
    expect(await settle({ ...OPERATOR, digest, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(context, 1, joe.emailId)).toEqual([4, 406, true])
    expect(await auditsOf(context, 0)).toEqual(['cut.add', 'cut.add'])
    await expectRebuilt(context)
  })
})
