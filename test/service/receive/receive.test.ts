/**
 * receive.test - from the bytes of a mail to stored rows, on both stores
 */
import { afterEach, describe, expect, test } from 'vitest'
import { NO_AUTHENTICATION_RESULTS, type AuthenticationResults } from '../../../src/mail-auth/verify-signatures.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { readTimeline } from '../../support/look.ts'
import { findRawMail, findRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { findSuppressionsInForce } from '../../../src/store/lists/suppressions.ts'
import { findInboxItem } from '../../../src/store/mail/inbox.ts'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import { createReportAttempts } from '../../../src/service/submit/reported-attempts.ts'
import { giveUpOverdue } from '../../../src/service/deliver/give-up.ts'
import { reactivateAddresses, removeSuppressions } from '../../../src/service/lists/bulk-removal.ts'
import { addUnsubscribeEntry } from '../../../src/service/lists/unsubscribe.ts'
import { createUnsubscribeLinks } from '../../../src/service/track/unsubscribe-links.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createRegister, type Register, type Registration } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext, type Clock } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const BY = { account: 1, apiUser: 'tester', ip: '203.0.113.5' } as const
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
const DAY = 86_400_000

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
    register: (recipients: readonly string[], over?: Partial<Registration>) => ReturnType<Register>
  }

  async function bench(accounts: Parameters<typeof makeContext>[2] = [{}]): Promise<Bench> {
    const { engine } = await open()
    opened.push(engine)
    const clock = { now: START }
    const context = await makeContext(engine, clock, accounts)
    const proofs = { now: NO_AUTHENTICATION_RESULTS }
    const receiver = createReceiver(context, { prover: () => Promise.resolve(proofs.now), dryRun: false, notifyReplays: false })
    const registerRecipients = createRegister(context)
    const register: Bench['register'] = (recipients, over = {}) =>
      registerRecipients(BY, {
        from: 'news@example.com',
        subject: 'Hello',
        recipients: recipients.map((recipient) => ({ recipient, contactTypes: null })),
        label: 'weekly',
        broadcast: null,
        emailType: 'batch',
        headers: {},
        ...over,
      })
    return { context, clock, receiver, proofs, register }
  }

  const tokenOf = (address: string | undefined): string => (address ?? '').split('@')[0] ?? ''
  const mailFor = (to: string, raw: string, clock: Clock) => makeIncomingMail(raw, to, { at: clock.now, receivedAt: clock.now })

  async function statusOf(context: Context, emailId: string): Promise<unknown> {
    const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [emailId])
    return row === undefined ? null : [row.status, row.subStatus, row.asynchronous]
  }
  async function listsOf(context: Context, address: string, at: number): Promise<readonly string[]> {
    const hash = hashAddress(address) ?? ''
    const found = await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at })
    return (found.get(hash) ?? []).map(({ list }) => list)
  }
  async function expectRebuilt(context: Context): Promise<void> {
    const { differences } = await rebuild(context, { check: true, onProgress: () => undefined })
    expect(differences).toEqual([])
  }

  test('the bounce of an answer to us is filed: the recipient of our message stays as it was', async () => {
    const { context, clock, receiver, register } = await bench()
    const { recipients } = await register(['joe@example.org'])
    const [joe] = recipients
    const ours = joe?.returnPath ?? ''
    clock.now += 60_000
    const filed = await receiver.submit(mailFor(ours, ndr({ token: tokenOf(ours), recipient: ours }), clock))
    expect(filed).toMatchObject({ kind: 'bounce', inboxReason: null, subStatuses: [] })
    expect(filed.facts.map((fact) => fact.kind)).toEqual(['filed'])
    expect(await statusOf(context, joe?.emailId ?? '')).toEqual([18, null, false])
    expect(await listsOf(context, 'joe@example.org', clock.now)).toEqual([])
  })

  test('a bounce of a registered message: status, list, timeline, raw mail; a second copy changes nothing', async () => {
    const { context, clock, receiver, register } = await bench()
    const { messageId, recipients } = await register(['joe@example.org'])
    const [joe] = recipients
    expect(messageId).toMatch(/[a-z]$/)
    expect(joe?.emailId).toBe(`${messageId}0$joe@example.org`)
    expect(joe?.returnPath).toMatch(/^[a-z2-7]{30}@bounce\.example\.com$/)
    expect(await statusOf(context, joe?.emailId ?? '')).toEqual([18, null, false])
    clock.now += 60_000
    const raw = ndr({ token: tokenOf(joe?.returnPath), recipient: 'joe@example.org' })
    const first = await receiver.submit(mailFor(joe?.returnPath ?? '', raw, clock))
    expect(first).toMatchObject({ kind: 'bounce', account: 1, isDuplicate: false, inboxReason: null, subStatuses: [406] })
    const again = await receiver.submit(mailFor(joe?.returnPath ?? '', raw, clock))
    expect(again).toMatchObject({ isDuplicate: true, facts: [] })
    const rewrapped = await receiver.submit(
      mailFor(joe?.returnPath ?? '', ndr({ token: tokenOf(joe?.returnPath), recipient: 'joe@example.org', n: 2 }), clock),
    )
    expect(rewrapped.facts).toEqual([])
    expect(await statusOf(context, joe?.emailId ?? '')).toEqual([4, 406, true])
    expect(await listsOf(context, 'joe@example.org', clock.now)).toEqual(['bounce'])
    const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [joe?.emailId ?? ''])
    const facts = await readTimeline(context.engine.read, 1, row?.deliveryId ?? '')
    expect(facts.map((fact) => fact.kind)).toEqual(expect.arrayContaining(['request', 'failed', 'list']))
    expect(facts.filter((fact) => fact.kind === 'failed').length).toBe(1)
    expect((await findRawMail(context.engine.read, 1, first.digest))?.toString()).toBe(raw)
    expect(await findRawMail(context.engine.read, 2, first.digest)).toBeNull()
    await expectRebuilt(context)
  })

  test('one mail that cannot be processed among 99 good ones fails alone', async () => {
    const { context, clock, register } = await bench()
    const { recipients } = await register(Array.from({ length: 99 }, (_, n) => `r${n}@example.org`))
    const poison = 'poison@example.org'
    const receiver = createReceiver(
      {
        ...context,
        rules: () => context.rules(),
        telemetry: {
          ...context.telemetry,
          count: (name, labels) => {
            if (name === 'bounced_verdicts_total' && labels?.['reason'] === 'mailbox-full') throw new Error('a bug that one mail meets')
          },
        },
      },
      { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: false, notifyReplays: false },
    )
    const good = recipients.map((each, n) =>
      mailFor(each.returnPath, ndr({ token: tokenOf(each.returnPath), recipient: `r${n}@example.org` }), clock),
    )
    const bad = mailFor('x@bounce.example.com', ndr({ recipient: poison, reply: '552 5.2.2 mailbox full', status: '5.2.2' }), clock)
    const outcomes = await Promise.all([...good.slice(0, 50), bad, ...good.slice(50)].map((mail) => receiver.submit(mail)))
    expect(outcomes.filter(({ subStatuses }) => subStatuses[0] === 406).length).toBe(99)
    expect(outcomes[50]).toMatchObject({ kind: 'unreadable', inboxReason: 'unreadable' })
    expect((await findRawMailForOperator(context.engine.read, outcomes[50]?.digest ?? ''))?.length).toBe(bad.raw.length)
    await expectRebuilt(context)
  })

  test('a report that matches nothing, and a mail that is not a report, go to the inbox with their raw mail', async () => {
    const { context, clock, receiver } = await bench()
    const stray = await receiver.submit(mailFor('unknown@bounce.example.com', ndr({ recipient: 'x@example.org' }), clock))
    expect(stray).toMatchObject({ account: 0, inboxReason: 'unmatched' })
    const empty = await receiver.submit(mailFor('unknown@bounce.example.com', '', clock))
    expect(empty.inboxReason).toBe('unreadable')
    const person = await receiver.submit(
      mailFor('postmaster@bounce.example.com', 'From: a@example.net\r\nSubject: hi\r\n\r\nhello\r\n', clock),
    )
    expect(person.inboxReason).toBe('postmaster')
    expect(await findInboxItem(context.engine.read, 0, stray.digest)).toMatchObject({ state: 'open', reason: 'unmatched' })
    await expectRebuilt(context)
  })

  test('a complaint with our token counts once, says what proved it, and needs a signature only where the account says so', async () => {
    const { context, clock, receiver, register } = await bench()
    const { recipients } = await register(['ann@example.org', 'bob@example.org'])
    const complain = (feedbackId: string, n: number): ReturnType<Receiver['submit']> =>
      receiver.submit(mailFor('fbl@fbl.example.com', arf({ token: feedbackId, recipient: 'ann@example.org', n }), clock))
    expect(await complain(recipients[0]?.feedbackId ?? '', 1)).toMatchObject({ inboxReason: null, account: 1 })
    await complain(recipients[0]?.feedbackId ?? '', 2)
    const hash = hashAddress('ann@example.org') ?? ''
    const entries = (await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at: clock.now })).get(hash) ?? []
    expect(entries.map(({ list, n, proof }) => [list, n, proof])).toEqual([['complaint', 1, 'token']])
    // The report names Ann, and the token in it names the mail to Bob: the list takes the address that we sent to.
    await complain(recipients[1]?.feedbackId ?? '', 3)
    expect(await listsOf(context, 'bob@example.org', clock.now)).toEqual(['complaint'])
    await expectRebuilt(context)
  })

  test('a complaint needs a token and the signature of a listed reporter if the account requires both', async () => {
    const { context, clock, receiver, proofs, register } = await bench([{ complaintProof: 'both' }])
    const { recipients } = await register(['ann@example.org'])
    const [ann] = recipients
    const forged = await receiver.submit(
      mailFor('fbl@fbl.example.com', arf({ token: ann?.feedbackId ?? '', recipient: 'ann@example.org' }), clock),
    )
    expect(forged).toMatchObject({ kind: 'complaint', inboxReason: 'unverified' })
    expect(await listsOf(context, 'ann@example.org', clock.now)).toEqual([])
    proofs.now = SIGNED
    const real = await receiver.submit(
      mailFor('fbl@fbl.example.com', arf({ token: ann?.feedbackId ?? '', recipient: 'ann@example.org', n: 2 }), clock),
    )
    expect(real).toMatchObject({ inboxReason: null, account: 1 })
    expect(await listsOf(context, 'ann@example.org', clock.now)).toEqual(['complaint'])
    expect(await statusOf(context, ann?.emailId ?? '')).toEqual([18, null, false])
    await expectRebuilt(context)
  })

  test('VERP of the account’s own MTA moves a status, and feeds the bounce list only if the operator says so', async () => {
    const verpAddresses = ['bounces@bounce.example.com']
    const { context, clock, receiver, register } = await bench([{ verpAddresses, verpTrust: 'status' }])
    const bounce = (recipient: string, n = 0): ReturnType<Receiver['submit']> =>
      receiver.submit(mailFor(`bounces+${recipient.replace('@', '=')}@bounce.example.com`, ndr({ recipient, n }), clock))
    const { recipients } = await register(['ann@example.org', 'bob-lee+x@example.org'])
    const { facts } = await bounce('ann@example.org')
    expect(facts.map((fact) => (fact.kind === 'failed' ? fact.data.tie : fact.kind))).toEqual([{ via: 'verp', proof: 'verp' }])
    expect(await bounce('bob-lee+x@example.org')).toMatchObject({ inboxReason: null, account: 1 })
    expect(await statusOf(context, recipients[0]?.emailId ?? '')).toEqual([4, 406, true])
    expect(await statusOf(context, recipients[1]?.emailId ?? '')).toEqual([4, 406, true])
    expect(await listsOf(context, 'ann@example.org', clock.now)).toEqual([])

    // Nobody was sent a mail, or two within 30 days: the address is the account's, and so is the inbox.
    expect(await bounce('eve@example.org')).toMatchObject({ inboxReason: 'unmatched', account: 1 })
    expect(await receiver.submit(mailFor('Bounces@bounce.example.com', ndr({ recipient: 'eve@example.org', n: 9 }), clock))).toMatchObject({
      inboxReason: 'unmatched',
      account: 1,
    })
    expect(await receiver.submit(mailFor('other@bounce.example.com', ndr({ recipient: 'eve@example.org', n: 8 }), clock))).toMatchObject({
      inboxReason: 'unmatched',
      account: 0,
    })
    await register(['ann@example.org'])
    expect(await bounce('ann@example.org', 2)).toMatchObject({ inboxReason: 'ambiguous', account: 1 })
    clock.now += 31 * DAY
    expect(await bounce('bob-lee+x@example.org', 3)).toMatchObject({ inboxReason: 'unmatched' })

    await changeAccountSettings(context, { account: 1, actor: 'op', byOperator: true, version: null, change: { verpTrust: 'list' } })
    await register(['cid@example.org'])
    expect(await bounce('cid@example.org')).toMatchObject({ inboxReason: null })
    expect(await listsOf(context, 'cid@example.org', clock.now)).toEqual(['bounce'])
    await changeAccountSettings(context, { account: 1, actor: 'op', byOperator: true, version: null, change: { verpTrust: 'none' } })
    await register(['dee@example.org'])
    expect(await bounce('dee@example.org')).toMatchObject({ inboxReason: 'unverified', account: 1 })
    await expectRebuilt(context)
  })

  test('the shared list takes no bounce by mail, not even a signed one', async () => {
    const { context, clock, receiver, proofs, register } = await bench([{ sharedList: true }])
    const { recipients } = await register(['cid@example.org', 'dee@example.org'])
    const bounce = async (n: number, recipient: string): Promise<unknown> => {
      const { returnPath = '' } = recipients[n] ?? {}
      await receiver.submit(mailFor(returnPath, ndr({ token: tokenOf(returnPath), recipient }), clock))
      const hash = hashAddress(recipient) ?? ''
      return (await findSuppressionsInForce(context.engine.read, 0, { hashes: [hash], at: clock.now })).get(hash)?.length ?? 0
    }
    expect(await bounce(0, 'cid@example.org')).toBe(0)
    proofs.now = SIGNED
    expect(await bounce(1, 'dee@example.org')).toBe(0)
    expect(await listsOf(context, 'dee@example.org', clock.now)).toEqual(['bounce'])
    await expectRebuilt(context)
  })

  test('the lists suppress the next registration, and a removal undoes that', async () => {
    const { context, clock, receiver, register } = await bench()
    const { recipients } = await register(['bob@example.org'])
    await receiver.submit(
      mailFor(recipients[0]?.returnPath ?? '', ndr({ token: tokenOf(recipients[0]?.returnPath), recipient: 'bob@example.org' }), clock),
    )
    clock.now += DAY
    const second = await register(['bob@example.org', 'not an address'])
    expect(second.recipients.map(({ status, subStatus }) => [status, subStatus])).toEqual([
      [4, 401],
      [4, 404],
    ])
    const call = { filter: { since: START, until: clock.now }, dryRun: true }
    expect((await reactivateAddresses(context, { account: 1, actor: 'tester' }, call)).length).toBe(1)
    expect(await listsOf(context, 'bob@example.org', clock.now)).toEqual(['bounce'])
    await reactivateAddresses(context, { account: 1, actor: 'tester' }, { ...call, dryRun: false })
    expect(await listsOf(context, 'bob@example.org', clock.now)).toEqual([])
    expect((await register(['bob@example.org'])).recipients[0]?.status).toBe(18)
    await expectRebuilt(context)
  })

  test('attempts: deferrals leave 18, a 250 delivers, a later bounce wins, a repetition changes nothing', async () => {
    const { context, clock, receiver, register } = await bench()
    const tell = createReportAttempts(context)
    const { recipients } = await register(['eve@example.org'])
    const emailId = recipients[0]?.emailId ?? ''
    const attempt = {
      emailId,
      code: 451,
      text: '4.7.1 greylisted, try again',
      error: null,
      mx: 'mx.example.org',
      egressIp: '198.51.100.7',
      attempt: 1,
      final: null,
      at: null,
    } as const
    expect(await tell(BY, [attempt])).toMatchObject([{ known: true, fresh: true, final: false, status: 18, reason: 'greylisted' }])
    expect(await tell(BY, [attempt])).toMatchObject([{ fresh: false, status: 18 }])
    expect(await tell(BY, [{ ...attempt, attempt: 2, code: 250, text: 'OK' }])).toMatchObject([{ final: true, status: 1 }])
    await receiver.submit(
      mailFor(recipients[0]?.returnPath ?? '', ndr({ token: tokenOf(recipients[0]?.returnPath), recipient: 'eve@example.org' }), clock),
    )
    expect(await statusOf(context, emailId)).toEqual([4, 406, true])
    expect(await tell(BY, [{ ...attempt, emailId: 'no-such-id' }])).toMatchObject([{ known: false }])
    expect(await tell({ ...BY, account: 2 }, [attempt])).toMatchObject([{ known: false }])
    await expectRebuilt(context)
  })

  test('registered mail of which nobody reports an outcome stays sent', async () => {
    const { context, clock, register } = await bench()
    const { recipients } = await register(['a@example.org'])
    clock.now += 400 * DAY
    expect(await giveUpOverdue(context)).toBe(0)
    expect(await statusOf(context, recipients[0]?.emailId ?? '')).toEqual([18, null, false])
  })

  test('an SMTP refusal, an unreachable server, and a delivery that is given up because its account set a limit', async () => {
    const { context, clock, register } = await bench([{ giveUpAfterDays: 5 }])
    const tell = createReportAttempts(context)
    const { recipients } = await register(['a@example.org', 'b@example.org', 'c@example.org'])
    const base = { code: null, text: '', error: null, mx: null, egressIp: null, attempt: 1, final: null, at: null } as const
    const [a = '', b = '', c = ''] = recipients.map((each) => each.emailId)
    expect(await tell(BY, [{ ...base, emailId: a, code: 550, text: '5.1.1 no such user' }])).toMatchObject([
      { final: true, status: 4, subStatus: 406 },
    ])
    expect(await tell(BY, [{ ...base, emailId: b, error: 'connect', text: 'ECONNREFUSED', final: true }])).toMatchObject([
      { status: 4, subStatus: 403, reason: 'unreachable' },
    ])
    expect(await giveUpOverdue(context)).toBe(0)
    clock.now += 6 * DAY
    expect(await giveUpOverdue(context)).toBe(1)
    expect(await statusOf(context, c)).toEqual([5, 503, false])
    expect(await giveUpOverdue(context)).toBe(0)
    await expectRebuilt(context)
  })

  test('recipients unsubscribe, and people remove the entries', async () => {
    const { context, clock, register } = await bench()
    const { recipients } = await register(['dan@example.org'])
    const token = /\/u\/([a-z2-7]{30})/.exec(recipients[0]?.headers['List-Unsubscribe'] ?? '')?.[1] ?? ''
    const call = { token, how: 'one-click', type: 0, ip: '192.0.2.1', userAgent: null } as const
    const unsubscribe = async (over: { token?: string } = {}): Promise<string> =>
      (await createUnsubscribeLinks(context).unsubscribe({ ...call, ...over })).outcome
    expect(await unsubscribe({ token: `${token.slice(0, 29)}${token.endsWith('a') ? 'b' : 'a'}` })).toBe('missed')
    expect(await unsubscribe()).toBe('done')
    expect(await unsubscribe()).toBe('done')
    expect(await listsOf(context, 'dan@example.org', clock.now)).toEqual(['unsubscribe'])
    expect((await register(['dan@example.org'])).recipients[0]).toMatchObject({ status: 4, subStatus: 402 })
    expect(await removeSuppressions(context, BY, { list: 'unsubscribe' })).toBe(1)
    expect(await listsOf(context, 'dan@example.org', clock.now)).toEqual([])
    expect(await addUnsubscribeEntry(context, BY, 'Dan@Example.org', 2)).toMatchObject({
      list: 'unsubscribe',
      address: 'dan@example.org',
      until: null,
    })
    clock.now += 401 * DAY
    // The token has expired, and the delivery still names the address.
    expect(await unsubscribe()).toBe('done')
    await expectRebuilt(context)
  })

  test('a dry run returns what would change, and stores nothing', async () => {
    const { context, clock, register } = await bench()
    const { recipients } = await register(['fay@example.org'])
    const dry = createReceiver(context, { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: true, notifyReplays: false })
    const outcome = await dry.submit(
      mailFor(recipients[0]?.returnPath ?? '', ndr({ token: tokenOf(recipients[0]?.returnPath), recipient: 'fay@example.org' }), clock),
    )
    expect(outcome).toMatchObject({ kind: 'bounce', subStatuses: [406] })
    expect(outcome.facts.map((fact) => fact.kind)).toEqual(['failed', 'list'])
    expect(await statusOf(context, recipients[0]?.emailId ?? '')).toEqual([18, null, false])
    await expectRebuilt(context)
  })

  test('a rebuild gives the same rows', async () => {
    const { context, clock, receiver, register } = await bench()
    const { recipients } = await register(Array.from({ length: 30 }, (_, n) => `m${n}@example.org`))
    await Promise.all(
      recipients
        .slice(0, 20)
        .map((each, n) =>
          receiver.submit(mailFor(each.returnPath, ndr({ token: tokenOf(each.returnPath), recipient: `m${n}@example.org` }), clock)),
        ),
    )
    await context.engine.tx(async (db) => {
      await db.run('update deliveries set status = 1 where account_id = 1')
      await db.run('delete from suppressions')
    })
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differing).toBeGreaterThan(30)
    await rebuild(context, { check: false, onProgress: () => undefined })
    await expectRebuilt(context)
    expect(await statusOf(context, recipients[0]?.emailId ?? '')).toEqual([4, 406, true])
  })
})
