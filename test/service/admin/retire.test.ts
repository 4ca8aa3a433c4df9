/**
 * retire.test - retention: data is removed step by step, an interrupted run continues, and a rebuild agrees; on both stores
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { createAuditFact } from '../../../src/ledger/decide/operator-action.ts'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import { createFact, aboutMail, aboutBackoffKey } from '../../../src/ledger/facts/new-fact.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../../src/ledger/account-settings.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { writeMetadataForOperator } from '../../../src/store/engine/metadata.ts'
import { appendFacts } from '../../../src/store/facts/facts.ts'
import { listInboxForOperator } from '../../../src/store/mail/inbox.ts'
import { OUTBOX, type OutboxRow } from '../../../src/store/webhook/outbox.ts'
import { findRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { findSuppressionsInForce, findSuppressions } from '../../../src/store/lists/suppressions.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { lowestIdAt } from '../../../src/service/fact-id-time.ts'
import { createInboxCommandRunner } from '../../../src/service/receive/inbox.ts'
import { createUnsubscribeLinks } from '../../../src/service/track/unsubscribe-links.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import * as retirement from '../../../src/service/admin/retire.ts'
import { previewRetirement as preview } from '../../../src/service/admin/retirement-preview.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext } from '../../support/context.ts'

const DAY = 86_400_000
const NOVEMBER = Date.UTC(2026, 10, 20, 12)
const APRIL = Date.UTC(2026, 3, 30, 23)
const MAY = Date.UTC(2026, 4, 1, 0, 10)
const JUNE = Date.UTC(2026, 5, 3, 8)

describe.each(engines)('retire: $kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let receiver: Receiver
  const clock = { now: APRIL }
  beforeEach(async () => {
    clock.now = APRIL
    engine = (await open()).engine
    context = await makeContext(engine, clock, [{ complaintProof: 'signature' }, {}])
    receiver = createReceiver(context, { prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS), dryRun: false, notifyReplays: false })
  })

  const at = (moment: number): void => {
    clock.now = moment
    context.accountCache.invalidate()
  }

  // The clock of these tests jumps over months without mail, and a person confirms that (test/service/admin/retirement-clock.test.ts).
  const confirmed = async <T>(work: () => Promise<T>): Promise<T> => {
    await engine.tx((db) => writeMetadataForOperator(db, 'retirement_date', String(clock.now)))
    return work()
  }
  const retire: typeof retirement.retire = (...args) => confirmed(() => retirement.retire(...args))
  const previewRetirement: typeof preview = (...args) => confirmed(() => preview(...args))
  const purgeRetiredDeliveries: typeof retirement.purgeRetiredDeliveries = (...args) =>
    confirmed(() => retirement.purgeRetiredDeliveries(...args))

  test.each([
    // now                                  months  start of the retention period
    [Date.UTC(2026, 10, 20), 6, Date.UTC(2026, 4, 1)],
    [Date.UTC(2026, 10, 1), 6, Date.UTC(2026, 4, 1)],
    [Date.UTC(2026, 9, 31, 23, 59), 6, Date.UTC(2026, 3, 1)],
    [Date.UTC(2027, 0, 31), 2, Date.UTC(2026, 10, 1)],
    [Date.UTC(2026, 2, 31), 13, Date.UTC(2025, 1, 1)],
  ])('at %i, %i months before the current one are kept: from %i', async (now, months, before) => {
    at(now)
    expect(await previewRetirement(context, months)).toMatchObject({ before })
  })
  /** Messages sent at a moment; the first bounces an hour later, and the second gets a complaint that is not trusted. */
  async function month(moment: number, count: number): Promise<{ returnPath: string; feedbackId: string; recipient: string | null }> {
    at(moment)
    const recipients = Array.from({ length: count }, (_, n) => ({ recipient: `r${n}.${moment}@example.org`, contactTypes: null }))
    const call = {
      from: 'news@example.com',
      subject: 'x',
      label: 'l',
      broadcast: null,
      emailType: 'batch',
      headers: {},
      recipients,
    } as const
    const made = await createRegister(context)({ account: 1, apiUser: 'one', ip: '203.0.113.5' }, call)
    const [first, second] = made.recipients
    if (first === undefined || second === undefined) throw new Error('two at least')
    at(moment + 3_600_000)
    await bounce(first.returnPath, first.recipient ?? '', 1)
    await complain(second.feedbackId, second.recipient ?? '', 1)
    await send('x@bounce.example.com', ndr({ recipient: 'stray@example.net', n: moment }))
    return first
  }
  const send = (to: string, raw: string) => receiver.submit(makeIncomingMail(raw, to, { at: clock.now, receivedAt: clock.now }))
  const bounce = (returnPath: string, recipient: string, n: number) =>
    send(returnPath, ndr({ token: returnPath.split('@')[0] ?? '', recipient, n }))
  const complain = (token: string, recipient: string, n: number) => send('fbl@fbl.example.com', arf({ token, recipient, n }))
  const count = async (table: string): Promise<number> => Number((await engine.read.one(`select count(*) as n from ${table}`))?.['n'])
  const counts = async (): Promise<Record<string, number>> => ({
    deliveries: await count('deliveries'),
    events: await count('events'),
    lists: await count('list_events'),
    inbox: await count('inbox'),
    reports: await count('reports'),
    raw: await count('mail_body_references'),
  })
  const differences = async (): Promise<readonly string[]> =>
    (await rebuild(context, { check: true, onProgress: () => undefined })).differences
  const requests = async (moment: number): Promise<number> => {
    const windows = [{ from: moment - DAY, to: moment + DAY }]
    return (await sumCounters(engine.read, 1, { windows, metrics: ['request', 'invalid'] })).reduce((sum, { n }) => sum + n, 0)
  }

  test('undelivered webhook events are removed by age, of every account', async () => {
    const row = (account: number, endpointId: number, made: number, n: number): OutboxRow => ({
      account,
      endpointId,
      eventId: lowestIdAt(made).replace(/.{4}$/, String(n).padStart(4, '0')),
      subject: `s${n}`,
      deliveryMonth: 202604,
      dedupKey: 'x',
      kind: 'request',
      state: 'failed',
      attempts: 1,
      dueAt: made,
      createdAt: made,
      error: null,
    })
    const old = Array.from({ length: 250 }, (_, n) => row(1, 1, APRIL, n))
    const young = [row(1, 1, MAY, 1), row(1, 2, MAY, 1), row(2, 1, MAY, 1)]
    await engine.tx((db) => db.insertMany(OUTBOX, [...old, row(1, 3, APRIL, 1), row(2, 1, APRIL, 1), ...young]))
    at(NOVEMBER)
    expect((await previewRetirement(context, 6)).events).toBe(252)
    expect((await retire(context, { months: 6 })).events).toBe(252)
    expect(await count('outbox')).toBe(3)
  })

  test('old deliveries are removed with their facts; young ones, lists and statistics stay, and a rebuild agrees', async () => {
    const old = await month(APRIL, 450)
    const young = await month(MAY, 3)
    await month(JUNE, 3)
    const before = await counts()
    at(NOVEMBER)
    const foreseen = await previewRetirement(context, 6)
    expect([foreseen, await counts()]).toEqual([
      { before: Date.UTC(2026, 4, 1), deliveries: 450, mails: 0, events: 0, remains: 0, isHeld: false },
      before,
    ])
    const gone = await retire(context, { months: 6 })
    expect(gone).toMatchObject({ deliveries: 450, facts: 451, isDone: true })
    // The reports about the April messages arrived on May 1, and stay as long as that month.
    expect(await counts()).toEqual({ ...before, deliveries: 6, events: before['events'] === undefined ? 0 : before['events'] - 451 })
    expect(await differences()).toEqual([])
    const hash = hashAddress(old.recipient ?? '') ?? ''
    expect((await findSuppressionsInForce(engine.read, 1, { hashes: [hash], at: APRIL + 2 * DAY })).has(hash)).toBe(true)
    expect(await requests(APRIL)).toBe(450 + 1 + 3 + 1)
    expect(await retire(context, { months: 6 })).toMatchObject({ deliveries: 0, facts: 0, mails: 0, isDone: true })
    expect(young.recipient).not.toBeNull()
  })

  test('received mails are removed by their own age, with their bytes, facts and inbox items', async () => {
    await month(APRIL - DAY, 2)
    const [stray] = await listInboxForOperator(engine.read, {}, { limit: 1 })
    await month(JUNE, 2)
    expect([await count('reports'), await count('inbox'), await count('mail_body_references')]).toEqual([6, 4, 6])
    at(NOVEMBER)
    expect(await previewRetirement(context, 6)).toMatchObject({ deliveries: 2, mails: 3 })
    expect(await retire(context, { months: 6 })).toMatchObject({ deliveries: 2, mails: 3, isDone: true })
    expect([await count('reports'), await count('inbox'), await count('mail_body_references')]).toEqual([3, 2, 3])
    expect(await findRawMailForOperator(engine.read, stray?.digest ?? '')).toBeNull()
    expect(await differences()).toEqual([])
    at(Date.UTC(2027, 0, 1))
    expect(await retire(context, { months: 6 })).toMatchObject({ deliveries: 2, mails: 3 })
    expect([await count('reports'), await count('events'), await count('site_counters')]).toEqual([0, 0, 0])
    expect(await differences()).toEqual([])
  })

  test('a run that stops after any step leaves consistent data, and the next run continues', async () => {
    await month(APRIL - DAY, 850)
    await month(JUNE, 2)
    at(NOVEMBER)
    const runs: Awaited<ReturnType<typeof retire>>[] = []
    do {
      runs.push(await retire(context, { months: 6, shouldStop: () => true }))
      expect(await differences()).toEqual([])
    } while (runs.at(-1)?.isDone === false && runs.length < 50)
    // PostgreSQL drops the partition of the month.
    const [steps, rows] = engine.kind === 'postgres' ? [4, 850] : [6, 200]
    expect(runs.length).toBeGreaterThan(steps)
    expect(runs.reduce((sum, { deliveries }) => sum + deliveries, 0)).toBe(850)
    expect(runs.every(({ deliveries, mails }) => deliveries <= rows && mails <= 200)).toBe(true)
    expect([await count('deliveries'), await count('reports')]).toEqual([2, 3])
  })

  test('a rebuild leaves statistics of retired months alone, and rebuilds the others', async () => {
    await month(APRIL - DAY, 40)
    await month(JUNE, 5)
    const before = [await requests(APRIL - DAY), await requests(JUNE)]
    at(NOVEMBER)
    await retire(context, { months: 6 })
    await engine.tx((db) => db.run('update counters set n = n + 7 where quarter >= $1', [Date.UTC(2026, 4, 1)]))
    expect(await differences()).not.toEqual([])
    await rebuild(context, { check: false, onProgress: () => undefined })
    expect([await requests(APRIL - DAY), await requests(JUNE)]).toEqual(before)
    expect(await differences()).toEqual([])
  })

  test('a late report without proof goes to the inbox, and recreates nothing', async () => {
    const old = await month(APRIL - DAY, 2)
    at(NOVEMBER)
    await retire(context, { months: 6 })
    const [late, complaint] = [await bounce(old.returnPath, 'r@example.org', 9), await complain(old.feedbackId, 'r@example.org', 9)]
    expect([late, complaint]).toMatchObject([
      { isDuplicate: false, account: 1, inboxReason: 'expired' },
      { isDuplicate: false, account: 1, inboxReason: 'unverified' },
    ])
    expect(await findRawMailForOperator(engine.read, late.digest)).not.toBeNull()
    expect([await count('deliveries'), await differences()]).toEqual([0, []])
  })

  test('reports that arrive while their deliveries are removed are processed, and leave consistent data', async () => {
    const old = await month(APRIL - DAY, 600)
    at(NOVEMBER)
    const reports = Array.from({ length: 30 }, (_, n) => bounce(old.returnPath, old.recipient ?? '', 100 + n))
    const [gone, ...outcomes] = await Promise.all([retire(context, { months: 6 }), ...reports])
    expect(gone).toMatchObject({ deliveries: 600, isDone: true })
    expect(outcomes.every(({ inboxReason: inbox }) => inbox === 'expired')).toBe(true)
    const left = await retire(context, { months: 6 })
    expect([left.deliveries, await count('deliveries'), await differences()]).toEqual([0, 0, []])
  })

  test('a longer period restores nothing, a shorter one removes more', async () => {
    await month(APRIL - DAY, 2)
    await month(JUNE, 2)
    at(NOVEMBER)
    await retire(context, { months: 6 })
    expect(await retire(context, { months: 12 })).toMatchObject({ before: Date.UTC(2026, 4, 1), deliveries: 0 })
    expect(await retire(context, { months: 2 })).toMatchObject({ before: Date.UTC(2026, 8, 1), deliveries: 2 })
    expect([await count('deliveries'), await differences()]).toEqual([0, []])
  })

  test('facts of queue transitions and forwarded mails are removed by age, scanned once a month; audits and alarms stay', async () => {
    let n = 0
    const ids = { next: (moment: number) => `${lowestIdAt(moment).slice(0, -12)}${String((n += 1)).padStart(12, '0')}` }
    const transitionAt = (account: number, moment: number): Fact => {
      const data = {
        move: 'paused',
        key: 'k',
        reason: 'r',
        class: 'rate',
        n: 1,
        from: null,
        to: 'paused',
        nextSendingAt: null,
        by: 'queue',
      } as const
      const shown = { domains: [], waiting: 0, evidence: [] }
      return createFact('queue', aboutBackoffKey(account, 'k'), { at: moment, receivedAt: moment, ids }, { ...data, ...shown })
    }
    const forwardedMailAt = (moment: number): Fact => {
      const digest = String(moment).padStart(64, '0')
      return createFact(
        'route',
        aboutMail(1, digest, null),
        { at: moment, receivedAt: moment, ids },
        { digest, domain: 'example.com', size: 1, truncated: false },
      )
    }
    const operator = { actor: 'one', settings: DEFAULT_ACCOUNT_SETTINGS, moment: { at: APRIL, receivedAt: APRIL, ids } }
    const old = Array.from({ length: 450 }, (_, i) => [
      transitionAt(0, APRIL - i),
      transitionAt(1, APRIL - i),
      forwardedMailAt(APRIL - i),
    ]).flat()
    await engine.tx((db) =>
      appendFacts(db, [...old, transitionAt(0, JUNE), transitionAt(1, JUNE), forwardedMailAt(JUNE), createAuditFact(1, 'x', {}, operator)]),
    )
    at(NOVEMBER)
    const runs: Awaited<ReturnType<typeof retire>>[] = []
    do runs.push(await retire(context, { months: 6, shouldStop: () => runs.length < 3 }))
    while (runs.at(-1)?.isDone === false)
    expect(runs.reduce((sum, { facts }) => sum + facts, 0)).toBe(1_350)
    expect(runs.every(({ facts }, index) => index > 2 || facts <= 200)).toBe(true)
    expect((await engine.read.all('select kind from events order by kind')).map(({ kind }) => kind)).toEqual([
      'audit',
      'queue',
      'queue',
      'route',
    ])
    expect([await retire(context, { months: 6 }), await differences()]).toMatchObject([{ facts: 0, isDone: true }, []])
    at(Date.UTC(2027, 0, 1))
    expect([await retire(context, { months: 6 }), await count('events')]).toMatchObject([{ facts: 3, isDone: true }, 1])
  })

  /** One message, sent at a moment and retired in November. */
  async function retired(moment: number, label: string | null = 'l'): Promise<Retiree> {
    at(moment)
    const call = { from: 'news@example.com', subject: 'x', label, broadcast: null, emailType: 'batch', headers: {} } as const
    const by = { account: 1, apiUser: 'one', ip: '203.0.113.5' }
    const { recipients } = await createRegister(context)(by, { ...call, recipients: [{ recipient: RITA, contactTypes: null }] })
    at(NOVEMBER)
    expect(await retire(context, { months: 6 })).toMatchObject({ deliveries: 1 })
    const [first] = recipients
    const token = /\/u\/([a-z2-7]+)>/.exec(first?.headers['List-Unsubscribe'] ?? '')?.[1]
    if (first === undefined || token === undefined) throw new Error('one was registered')
    return { returnPath: first.returnPath, feedbackId: first.feedbackId, token, deliveryId: token.slice(1, 14) }
  }
  type Retiree = Readonly<Record<'returnPath' | 'feedbackId' | 'token' | 'deliveryId', string>>
  const RITA = 'rita@example.org'
  const HASH = hashAddress(RITA) ?? ''
  const entries = async (): Promise<readonly (readonly unknown[])[]> =>
    (await findSuppressions(engine.read, [{ account: 1, addressHash: HASH }])).map(
      ({ list, scope, address, domain, apiUser, proof, n, removedAt }) => [list, scope, address, domain, apiUser, proof, n, removedAt],
    )
  const mailto = ({ token }: Retiree) => send(`${token}@fbl.example.com`, crlfMail('unsubscribe'))
  const click = (token: string, how: 'page' | 'one-click' = 'one-click') =>
    createUnsubscribeLinks(context)
      .unsubscribe({ token, how, type: 0, ip: '192.0.2.9', userAgent: null })
      .then(({ outcome }) => outcome)
  const proven = (): Receiver =>
    createReceiver(context, {
      prover: () =>
        Promise.resolve({
          ...NO_AUTHENTICATION_RESULTS,
          dkim: [
            {
              domain: 'loops.example',
              selector: 's',
              aligned: true,
              valid: true,
              result: 'pass',
              signedFields: ['from', 'to', 'subject', 'content-type'],
            },
          ],
        }),
      dryRun: false,
      notifyReplays: false,
    })

  test('a retired delivery can be unsubscribed by page, one click and mail while its token is valid', async () => {
    const mail = await retired(APRIL)
    expect([await count('deliveries'), await count('events'), await count('retired_deliveries')]).toEqual([0, 0, 1])
    const before = await requests(APRIL)
    expect(await click(mail.token)).toBe('done')
    expect(await click(mail.token, 'page')).toBe('done')
    expect(await mailto(mail)).toMatchObject({ kind: 'unsubscribe', account: 1, inboxReason: null, facts: [] })
    expect(await entries()).toEqual([['unsubscribe', '', null, 'example.org', 'one', 'token', 1, null]])
    expect([await count('deliveries'), await count('events'), await requests(APRIL), await differences()]).toEqual([0, 0, before, []])
    at(APRIL + 402 * DAY)
    // The token has expired, and what is left of the mail still names its address.
    expect(await click(mail.token)).toBe('done')
  })

  test('by mail, for its label if the account is set so', async () => {
    await engine.tx((db) =>
      db.run('update accounts set settings = $1 where account_id = 1', [
        JSON.stringify({ ...DEFAULT_ACCOUNT_SETTINGS, unsubscribeScope: 'label' }),
      ]),
    )
    const mail = await retired(APRIL, 'news')
    expect(await mailto(mail)).toMatchObject({ inboxReason: null, deliveryId: mail.deliveryId })
    expect(await entries()).toEqual([['unsubscribe', 'news', null, 'example.org', 'one', 'token', 1, null]])
    expect(await differences()).toEqual([])
  })

  test('a proven complaint about a retired delivery is listed once, and not-spam removes the entry; other reports go to the inbox', async () => {
    const mail = await retired(APRIL)
    receiver = proven()
    expect(await complain(mail.feedbackId, RITA, 2)).toMatchObject({ kind: 'complaint', inboxReason: null, deliveryId: mail.deliveryId })
    at(NOVEMBER + DAY)
    expect(await complain(mail.feedbackId, RITA, 3)).toMatchObject({ inboxReason: null, facts: [] })
    expect(await entries()).toEqual([['complaint', '', null, 'example.org', 'one', 'signed', 1, null]])
    const notSpam = arf({ token: mail.feedbackId, recipient: RITA, n: 4, type: 'not-spam' })
    expect(await send('fbl@fbl.example.com', notSpam)).toMatchObject({ kind: 'not-spam', inboxReason: null })
    expect((await entries()).map((entry) => entry.at(-1))).toEqual([clock.now])
    const other = arf({ token: mail.feedbackId, recipient: RITA, n: 5, type: 'virus' })
    expect(await send('fbl@fbl.example.com', other)).toMatchObject({ inboxReason: 'expired' })
    expect(await bounce(mail.returnPath, RITA, 6)).toMatchObject({ inboxReason: 'expired' })
    expect([await count('deliveries'), await differences()]).toEqual([0, []])
  })

  test('an unproven complaint stays in the inbox until a person vouches for it', async () => {
    const mail = await retired(APRIL)
    const waiting = await complain(mail.feedbackId, RITA, 1)
    expect([waiting.inboxReason, await entries()]).toEqual(['unverified', []])
    const runCommand = createInboxCommandRunner(context, () => Promise.resolve(NO_AUTHENTICATION_RESULTS))
    const result = await runCommand({ account: 1, actor: 'one', digest: waiting.digest, action: 'accept' })
    expect(result).toMatchObject({ changed: true, row: { state: 'accepted' } })
    expect((await entries()).map((entry) => entry.slice(4))).toEqual([['one', 'operator', 1, null]])
    expect(await differences()).toEqual([])
  })

  test('an opt-out report about a retired delivery unsubscribes', async () => {
    const mail = await retired(APRIL)
    receiver = proven()
    expect(await send('fbl@fbl.example.com', arf({ token: mail.feedbackId, recipient: RITA, n: 1, type: 'opt-out' }))).toMatchObject({
      inboxReason: null,
    })
    expect(await entries()).toEqual([['unsubscribe', '', null, 'example.org', 'one', 'signed', 1, null]])
  })

  test('an erased address is absent from the remains of its retired deliveries, and their tokens still work', async () => {
    const mail = await retired(APRIL)
    await eraseAddress(context, RITA, 'operator')
    expect(await click(mail.token)).toBe('done')
    expect(await entries()).toEqual([['unsubscribe', '', null, 'example.org', 'one', 'token', 1, null]])
    for (const table of ['retired_deliveries', 'suppressions', 'list_events', 'events'])
      expect(JSON.stringify(await engine.read.all(`select * from ${table}`))).not.toContain('rita')
    expect(await differences()).toEqual([])
  })

  test('the remains are removed a day after the tokens expire; a delivery that old leaves none', async () => {
    await month(APRIL - DAY, 1_201)
    await month(APRIL, 2)
    at(NOVEMBER)
    await retire(context, { months: 6 })
    expect(await count('retired_deliveries')).toBe(1_203)
    at(APRIL - DAY + 401 * DAY)
    expect(await previewRetirement(context, 6)).toMatchObject({ remains: 1_201 })
    expect(await purgeRetiredDeliveries(context, () => false)).toMatchObject({ remains: 1_201, isDone: true })
    expect(await count('retired_deliveries')).toBe(2)
    at(APRIL + 402 * DAY)
    expect(await retire(context, { months: 6 })).toMatchObject({ remains: 2 })
    await month(JUNE, 2)
    at(JUNE + 600 * DAY)
    expect([await retire(context, { months: 6 }), await count('retired_deliveries')]).toMatchObject([{ deliveries: 2, remains: 0 }, 0])
  })
})

const crlfMail = (subject: string): string => `From: rita@example.org\r\nSubject: ${subject}\r\n\r\n${subject}\r\n`
