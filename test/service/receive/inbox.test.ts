/**
 * inbox.test - inbox commands, on both stores
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
  dkim: [
    {
      domain: 'loops.example',
      selector: 's',
      result: 'pass',
      valid: true,
      aligned: true,
      signedFields: ['from', 'to', 'subject', 'content-type'],
    },
  ],
  spf: null,
  arc: null,
}
/** Its complaints need a signature, so that an unsigned one waits in the inbox. */
const SIGNED_ONLY = { complaintProof: 'signature' } as const
const OPERATOR = { account: null, actor: 'operator' } as const
const ANN = { account: 1, actor: 'api:ann' } as const

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  type Bench = {
    context: Context
    clock: Clock
    receiver: Receiver
    proofs: { now: AuthenticationResults }
    runCommand: RunInboxCommand
    mail: (to: string, raw: string) => Promise<string>
    register: (account: number, recipient: string) => Promise<{ emailId: string; returnPath: string; feedbackId: string; token: string }>
  }

  async function bench(settings: Parameters<typeof makeContext>[2] = [SIGNED_ONLY, SIGNED_ONLY]): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const context = await makeContext(engine, clock, settings)
    const proofs = { now: NO_AUTHENTICATION_RESULTS }
    const prover = (): Promise<AuthenticationResults> => Promise.resolve(proofs.now)
    const receiver = createReceiver(context, { prover, dryRun: false, notifyReplays: false })
    const registerRecipients = createRegister(context)
    return {
      context,
      clock,
      receiver,
      proofs,
      runCommand: createInboxCommandRunner(context, prover),
      mail: async (to, raw) => (await receiver.submit(makeIncomingMail(raw, to, { at: clock.now, receivedAt: clock.now }))).digest,
      register: async (account, recipient) => {
        const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
        const caller = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
        const { recipients } = await registerRecipients(caller, { ...call, recipients: [{ recipient, contactTypes: null }] })
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

  test('accept: an unverified complaint takes effect when a person vouches for it, dated when it arrived', async () => {
    const { context, clock, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'unverified', state: 'open' })
    clock.now += DAY
    const done = await runCommand({ ...ANN, digest, action: 'accept' })
    expect(done).toMatchObject({ changed: true, problem: null, row: { state: 'accepted' } })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['complaint', 'operator', START]])
    expect(await runCommand({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: false, facts: [] })
    await expect(runCommand({ ...ANN, digest, action: 'discard' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await auditsOf(context, 1)).toEqual(['inbox.accepted'])
    await expectRebuilt(context)
  })

  test('two commands at once settle the mail once', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    const done = await Promise.all(Array.from({ length: 4 }, () => runCommand({ ...ANN, digest, action: 'accept' })))
    expect(done.filter(({ changed }) => changed).length).toBe(1)
    expect(await auditsOf(context, 1)).toEqual(['inbox.accepted'])
  })

  test('link: an unmatched bounce becomes the bounce of a delivery, and both accounts get an audit fact', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(2, 'joe@example.org')
    const digest = await mail('unknown@bounce.example.com', ndr({ recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 0, digest)).toMatchObject({ reason: 'unmatched' })
    await expect(runCommand({ ...OPERATOR, digest, action: 'accept' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(runCommand({ ...OPERATOR, digest, action: 'link', emailId: 'no such' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(runCommand({ ...ANN, digest, action: 'link', emailId: joe.emailId })).rejects.toMatchObject({ code: 'not_found' })
    expect(await runCommand({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({
      changed: true,
      row: { state: 'linked' },
    })
    expect(await statusOf(context, 2, joe.emailId)).toEqual([4, 406, true])
    expect(await entriesOf(context, 2, 'joe@example.org')).toEqual([['bounce', 'operator', START]])
    expect(await runCommand({ ...OPERATOR, digest, action: 'link', emailId: joe.emailId })).toMatchObject({ changed: false })
    const amy = await register(2, 'amy@example.org')
    await expect(runCommand({ ...OPERATOR, digest, action: 'link', emailId: amy.emailId })).rejects.toMatchObject({ code: 'conflict' })
    expect([await auditsOf(context, 0), await auditsOf(context, 2)]).toEqual([['inbox.linked'], ['inbox.linked']])
    await expectRebuilt(context)
  })

  test('a report about another recipient needs force, and the audit fact records it', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('unknown@bounce.example.com', ndr({ recipient: 'amy@example.org' }))
    const link = { ...OPERATOR, digest, action: 'link', emailId: joe.emailId } as const
    await expect(runCommand(link)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/about amy@example\.org, but the mail was sent to joe@example\.org.*--force/),
    })
    expect([await statusOf(context, 1, joe.emailId), await auditsOf(context, 1)]).toEqual([[18, null, false], []])
    expect(await runCommand({ ...link, force: true })).toMatchObject({ changed: true })
    expect(await statusOf(context, 1, joe.emailId)).toEqual([4, 406, true])
    const facts = await findFactsBySubject(context.engine.read, [{ account: 1, subject: 'audit:1' }])
    expect(facts.map(({ data }) => data)).toMatchObject([
      { what: 'inbox.linked', detail: { deliveryId: joe.token.slice(1, 14), forced: true, reported: 'amy@example.org' } },
    ])
    await expectRebuilt(context)
  })

  test('a replay that the operator vouches for leaves a report about another recipient in the inbox', async () => {
    const { context, clock, receiver, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const vouched = async (recipient: string): Promise<string> => {
      const times = { at: clock.now, receivedAt: clock.now, source: 'replay', trustAs: 'operator' } as const
      return (await receiver.submit(makeIncomingMail(arf({ token: joe.feedbackId, recipient }), 'fbl@fbl.example.com', times))).digest
    }
    const digest = await vouched('amy@example.org')
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([])
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'unverified', state: 'open' })
    await runCommand({ ...OPERATOR, digest, action: 'accept', force: true })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['complaint', 'operator', START]])
    const amy = await register(1, 'amy@example.org')
    await receiver.submit(
      makeIncomingMail(arf({ token: amy.feedbackId, recipient: 'amy@example.org' }), 'fbl@fbl.example.com', {
        at: clock.now,
        receivedAt: clock.now,
        source: 'replay',
        trustAs: 'operator',
      }),
    )
    expect(await entriesOf(context, 1, 'amy@example.org')).toEqual([['complaint', 'operator', START]])
  })

  test('accept: a complaint about another recipient needs force; a link that agrees records no force', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'amy@example.org' }))
    await expect(runCommand({ ...ANN, digest, action: 'accept' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(runCommand({ ...ANN, digest, action: 'accept', force: false })).rejects.toMatchObject({ code: 'conflict' })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([])
    expect(await runCommand({ ...ANN, digest, action: 'accept', force: true })).toMatchObject({ changed: true })
    const bounce = await mail('unknown@bounce.example.com', ndr({ recipient: 'JOE@example.org' }))
    await runCommand({ ...OPERATOR, digest: bounce, action: 'link', emailId: joe.emailId })
    const facts = await findFactsBySubject(context.engine.read, [{ account: 1, subject: 'audit:1' }])
    expect(facts.map((fact) => (fact.kind === 'audit' ? fact.data.detail['forced'] : null))).toEqual([true, undefined])
  })

  test('link: a mail of an account cannot be linked to a delivery of another', async () => {
    const { context, mail, runCommand, register } = await bench()
    const mine = await register(1, 'joe@example.org')
    const other = await register(2, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: mine.feedbackId, recipient: 'joe@example.org' }))
    await expect(runCommand({ ...OPERATOR, digest, action: 'link', emailId: other.emailId })).rejects.toMatchObject({ code: 'not_found' })
    await expect(runCommand({ account: 2, actor: 'api:bob', digest, action: 'accept' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await entriesOf(context, 2, 'joe@example.org')).toEqual([])
  })

  test('an accepted mail never feeds the shared list, even if it is signed', async () => {
    const { context, clock, proofs, mail, runCommand, register } = await bench([{ sharedList: true }])
    const joe = await register(1, 'joe@example.org')
    proofs.now = SIGNED
    clock.now += 40 * DAY
    const digest = await mail(joe.returnPath, ndr({ token: joe.token, recipient: 'joe@example.org' }))
    expect(await findInboxItem(context.engine.read, 1, digest)).toMatchObject({ reason: 'expired' })
    await runCommand({ ...OPERATOR, digest, action: 'accept' })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([['bounce', 'operator', clock.now]])
    expect(await entriesOf(context, 0, 'joe@example.org')).toEqual([])
  })

  test('a discarded mail can still be accepted', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await runCommand({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true, row: { state: 'discarded' } })
    expect(await entriesOf(context, 1, 'joe@example.org')).toEqual([])
    expect(await runCommand({ ...ANN, digest, action: 'accept' })).toMatchObject({ changed: true, row: { state: 'accepted' } })
    expect(await auditsOf(context, 1)).toEqual(['inbox.discarded', 'inbox.accepted'])
    await expectRebuilt(context)
  })

  test('replay trusts no more than the listener: an unproven mail stays, and a mail registered since takes effect', async () => {
    const { context, proofs, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const forged = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    expect(await runCommand({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({
      changed: false,
      problem: 'unverified',
      row: { state: 'open' },
    })
    proofs.now = SIGNED
    expect(await runCommand({ ...ANN, digest: forged, action: 'replay' })).toMatchObject({ changed: true, row: { state: 'replayed' } })
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
    const registerRecipients = createRegister(context)
    const amy = await registerRecipients(
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
    expect(await runCommand({ ...OPERATOR, digest: stray, action: 'replay' })).toMatchObject({ changed: false, problem: 'unverified' })
    expect(await statusOf(context, 1, amy.recipients[0]?.emailId ?? '')).toEqual([18, null, false])
    expect(await runCommand({ ...OPERATOR, digest: stray, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(context, 1, amy.recipients[0]?.emailId ?? '')).toEqual([4, 406, true])
    await expectRebuilt(context)
  })

  test('without its raw mail an item can only be discarded; an unknown id is not found', async () => {
    const { context, mail, runCommand, register } = await bench()
    const joe = await register(1, 'joe@example.org')
    const digest = await mail('fbl@fbl.example.com', arf({ token: joe.feedbackId, recipient: 'joe@example.org' }))
    await context.engine.tx((db) => removeRawMailForOperator(db, digest))
    for (const action of ['accept', 'replay'] as const)
      await expect(runCommand({ ...ANN, digest, action })).rejects.toMatchObject({ code: 'not_found' })
    await expect(runCommand({ ...ANN, digest: 'ab'.repeat(32), action: 'discard' })).rejects.toMatchObject({ code: 'not_found' })
    expect(await runCommand({ ...ANN, digest, action: 'discard' })).toMatchObject({ changed: true })
  })

  test('mail about a blocked token or account stays in the inbox, and only an operator can accept it', async () => {
    const { context, mail, runCommand, register } = await bench()
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
    expect(await runCommand({ ...ANN, digest, action: 'replay' }).catch((error: unknown) => error)).toMatchObject({ code: 'forbidden' })
    await expect(runCommand({ ...ANN, digest, action: 'accept' })).rejects.toMatchObject({ code: 'forbidden' })
    expect(await runCommand({ ...OPERATOR, digest, action: 'replay' })).toMatchObject({ changed: false, problem: 'cut' })
    expect(await runCommand({ ...OPERATOR, digest, action: 'accept' })).toMatchObject({ changed: true })
    expect(await statusOf(context, 1, joe.emailId)).toEqual([4, 406, true])
    expect(await auditsOf(context, 0)).toEqual(['cut.add', 'cut.add'])
    await expectRebuilt(context)
  })
})
