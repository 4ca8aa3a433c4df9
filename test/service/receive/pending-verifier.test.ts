/**
 * pending-verifier.test - mails whose signatures could not be verified on arrival, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import type { Context } from '../../../src/service/context.ts'
import { createInboxCommandRunner } from '../../../src/service/receive/inbox.ts'
import { createPendingVerifier } from '../../../src/service/receive/pending-verifier.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findSuppressions } from '../../../src/store/lists/suppressions.ts'
import { findInboxItem } from '../../../src/store/mail/inbox.ts'
import { countPendingVerificationsForOperator } from '../../../src/store/mail/pending-verifications.ts'
import { removeRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { findReportForOperator } from '../../../src/store/mail/reports.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, makeIncomingMail } from '../../support/reports.ts'

const START = Date.UTC(2026, 10, 20, 12)
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const resultsOf = (result: string, aligned = true): AuthenticationResults => ({
  dkim: [{ domain: 'loops.example', selector: 's', result, valid: result === 'pass', aligned, signedFields: ['from', 'content-type'] }],
  spf: null,
  arc: null,
})
const PENDING = resultsOf('temperror')
const GOOD = resultsOf('pass')
const OPERATOR = { account: null, actor: 'operator' } as const

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  /** A complaint about a mail to joe, whose signature could not be verified on arrival. */
  async function receiveComplaint(onArrival: AuthenticationResults = PENDING) {
    const { engine } = await open()
    opened.push(engine)
    const clock: Clock = { now: START }
    const context = await makeContext(engine, clock, [{ complaintProof: 'signature' }, {}])
    const proofs = { now: onArrival, calls: 0 }
    const verify = (): Promise<AuthenticationResults> => {
      proofs.calls += 1
      return Promise.resolve(proofs.now)
    }
    const receiver = createReceiver(context, { prover: verify, dryRun: false, notifyReplays: false })
    const call = { from: 'news@example.com', subject: 'Hello', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const recipients = [{ recipient: 'joe@example.org', contactTypes: null }]
    const registered = await createRegister(context)({ account: 1, apiUser: 'user1', ip: '203.0.113.5' }, { ...call, recipients })
    const raw = arf({ token: registered.recipients[0]?.feedbackId ?? '', recipient: 'joe@example.org' })
    const { digest } = await receiver.submit(makeIncomingMail(raw, 'fbl@fbl.example.com', { at: START, receivedAt: START }))
    const verifier = createPendingVerifier(context, { verify, pendingHours: 72 })
    return { context, clock, proofs, digest, verifier, runCommand: createInboxCommandRunner(context, verify), verify }
  }

  const itemOf = async ({ engine }: Context, digest: string): Promise<unknown> => {
    const row = await findInboxItem(engine.read, 1, digest)
    return row === null ? null : [row.reason, row.state]
  }
  const complaintsOf = async ({ engine }: Context): Promise<unknown> =>
    (await findSuppressions(engine.read, [{ account: 1, addressHash: hashAddress('joe@example.org') ?? '' }])).map(
      ({ list, proof, from }) => [list, proof, from],
    )
  const waitingIn = async ({ engine, now }: Context): Promise<number> =>
    (await countPendingVerificationsForOperator(engine.read, now())).waiting
  const expectRebuilt = async (context: Context): Promise<void> =>
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])

  test('with good signatures at a later try the complaint takes effect, dated when it arrived', async () => {
    const { context, clock, proofs, digest, verifier } = await receiveComplaint()
    expect([await itemOf(context, digest), await complaintsOf(context), await waitingIn(context)]).toEqual([['pending', 'open'], [], 1])
    await verifier.tick()
    expect(proofs.calls).toBe(1)
    clock.now += MINUTE
    proofs.now = GOOD
    await verifier.tick()
    expect([await itemOf(context, digest), await waitingIn(context)]).toEqual([['pending', 'replayed'], 0])
    expect(await complaintsOf(context)).toEqual([['complaint', 'signed', START]])
    expect((await findReportForOperator(context.engine.read, digest))?.auth).toEqual(GOOD)
    await verifier.tick()
    expect(proofs.calls).toBe(2)
    await expectRebuilt(context)
  })

  test('a signature that is pending beside a valid one of somebody else is verified again', async () => {
    const relay = { domain: 'relay.example', selector: 'r', result: 'pass', valid: true, aligned: false, signedFields: ['from'] }
    const { context, clock, proofs, digest, verifier } = await receiveComplaint({ ...PENDING, dkim: [relay, ...PENDING.dkim] })
    expect(await itemOf(context, digest)).toEqual(['pending', 'open'])
    clock.now += MINUTE
    proofs.now = { ...GOOD, dkim: [{ ...relay, result: 'temperror', valid: false }, ...GOOD.dkim] }
    await verifier.tick()
    expect([await itemOf(context, digest), await waitingIn(context)]).toEqual([['pending', 'replayed'], 0])
    expect(await complaintsOf(context)).toEqual([['complaint', 'signed', START]])
    await expectRebuilt(context)
  })

  test.each([
    ['fails', resultsOf('fail')],
    ['is good, but not of the domain of From', resultsOf('pass', false)],
    ['is gone', NO_AUTHENTICATION_RESULTS],
  ])('a signature that %s leaves the mail unproven, and nothing waits', async (_what, results) => {
    const { context, clock, proofs, digest, verifier } = await receiveComplaint()
    clock.now += MINUTE
    proofs.now = results
    await verifier.tick()
    const reason = results.dkim.some(({ result }) => result === 'fail') ? 'signature-failed' : 'unverified'
    expect([await itemOf(context, digest), await complaintsOf(context), await waitingIn(context)]).toEqual([[reason, 'open'], [], 0])
    await expectRebuilt(context)
  })

  test.each(['policy', 'permerror', 'fail', 'neutral', 'none'])('a signature whose result is %s is not waited for', async (result) => {
    const { context, digest } = await receiveComplaint(resultsOf(result))
    const reason = ['permerror', 'fail', 'neutral'].includes(result) ? 'signature-failed' : 'unverified'
    expect([await itemOf(context, digest), await waitingIn(context)]).toEqual([[reason, 'open'], 0])
  })

  test('tries become rarer, and after 72 hours the mail is unverified', async () => {
    const { context, clock, proofs, digest, verifier } = await receiveComplaint()
    const triesAt: number[] = []
    for (; clock.now <= START + 73 * HOUR; clock.now += MINUTE) {
      const before = proofs.calls
      await verifier.tick()
      if (proofs.calls > before) triesAt.push((clock.now - START) / MINUTE)
    }
    expect(triesAt.slice(0, 5)).toEqual([1, 3, 7, 15, 31])
    expect(triesAt.length).toBeLessThan(30)
    expect([await itemOf(context, digest), await waitingIn(context)]).toEqual([['unverified', 'open'], 0])
    await expectRebuilt(context)
  })

  test.each(['accept', 'discard'] as const)('a person can %s a pending mail, and no later try changes that', async (action) => {
    const { context, clock, proofs, digest, verifier, runCommand } = await receiveComplaint()
    await runCommand({ ...OPERATOR, digest, action })
    clock.now += MINUTE
    proofs.now = GOOD
    await verifier.tick()
    const wanted = action === 'accept' ? [['pending', 'accepted'], [['complaint', 'operator', START]]] : [['pending', 'discarded'], []]
    expect([await itemOf(context, digest), await complaintsOf(context)]).toEqual(wanted)
    expect(await waitingIn(context)).toBe(0)
    await expect(runCommand({ ...OPERATOR, digest, action: 'replay', whilePending: true })).rejects.toMatchObject({ code: 'conflict' })
  })

  test('two nodes take a mail once; a node that stops while it has a mail leaves it to the other', async () => {
    const { context, clock, proofs, digest, verifier, verify } = await receiveComplaint()
    clock.now += MINUTE
    const unavailable = createPendingVerifier(context, { verify: () => Promise.reject(new Error('killed')), pendingHours: 72 })
    await unavailable.tick()
    proofs.now = GOOD
    // It waits for the end of the lease.
    const other = createPendingVerifier(context, { verify, pendingHours: 72 })
    await Promise.all([verifier.tick(), other.tick()])
    expect([await itemOf(context, digest), proofs.calls]).toEqual([['pending', 'open'], 1])
    clock.now += 5 * MINUTE
    await Promise.all([verifier.tick(), other.tick()])
    expect([await itemOf(context, digest), proofs.calls]).toEqual([['pending', 'replayed'], 2])
    expect(await complaintsOf(context)).toHaveLength(1)
  })

  test('a mail whose raw bytes have expired becomes unverified', async () => {
    const { context, clock, digest, verifier } = await receiveComplaint()
    await context.engine.tx((db) => removeRawMailForOperator(db, digest))
    clock.now += MINUTE
    await verifier.tick()
    expect([await itemOf(context, digest), await waitingIn(context)]).toEqual([['unverified', 'open'], 0])
  })
})
