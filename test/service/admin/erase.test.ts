/**
 * erase.test - erasing an address from every column while its suppression stays; removal of old raw mail; on both stores
 */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { removeOldRawMails } from '../../../src/daemon/age-retention.ts'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findRawMailForOperator } from '../../../src/store/mail/raw-mail.ts'
import { findSuppressionsInForce } from '../../../src/store/lists/suppressions.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { engines } from '../../support/engines.ts'
import { arf, makeIncomingMail, ndr } from '../../support/reports.ts'
import { makeContext } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const DAY = 86_400_000
const JOE = 'joe.smith@example.org'
const TABLES = ['events', 'list_events', 'deliveries', 'suppressions', 'inbox', 'reports', 'mail_bodies', 'outbox', 'cuts', 'meta'] as const

describe.each(engines)('$kind', ({ kind, open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })

  async function bench(): Promise<{ context: Context; receiver: Receiver; clock: { now: number }; url: string }> {
    const { engine, url } = await open()
    opened.push(engine)
    const clock = { now: START }
    const context = await makeContext(engine, clock, [{}, {}])
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
    })
    return { context, receiver, clock, url }
  }
  const send = (receiver: Receiver, to: string, raw: string, over: object = {}) =>
    receiver.submit(makeIncomingMail(raw, to, { at: START, receivedAt: START, ...over }))

  /** The columns that still contain the clear address. */
  async function tracesIn(context: Context): Promise<readonly string[]> {
    const found: string[] = []
    for (const table of TABLES) {
      const rows = await context.engine.read.all(`select * from ${table}`)
      for (const row of rows)
        for (const [column, value] of Object.entries(row))
          if (typeof value === 'string' && value.toLowerCase().includes(JOE)) found.push(`${table}.${column}: ${value.slice(0, 200)}`)
    }
    return found
  }

  test('no column contains the address, lists still suppress it, others are untouched, and a rebuild agrees', async () => {
    const { context, receiver } = await bench()
    const registerRecipients = createRegister(context)
    const call = { from: 'news@example.com', label: 'x', broadcast: null, emailType: 'batch' } as const
    const mails: { returnPath: string; feedbackId: string }[] = []
    for (const account of [1, 2]) {
      const by = { account, apiUser: `user${account}`, ip: '203.0.113.5' }
      const toOne = (recipient: string, subject: string, headers: Readonly<Record<string, string>>) =>
        registerRecipients(by, { ...call, subject, headers, recipients: [{ recipient, contactTypes: null }] })
      mails.push(...(await toOne(JOE.toUpperCase(), `For ${JOE}`, { 'X-To': `<${JOE}>` })).recipients)
      mails.push(...(await toOne(`x${JOE}`, 'Hello', {})).recipients)
    }
    const [first, other] = mails
    const token = (first?.returnPath ?? '').split('@')[0] ?? ''
    const reply = `550 5.1.1 <${JOE}> ${'unknown '.repeat(60)} ${JOE}`
    const bounced = await send(receiver, first?.returnPath ?? '', ndr({ token, recipient: JOE, reply }))
    await send(receiver, 'fbl@fbl.example.com', arf({ token: first?.feedbackId ?? '', recipient: JOE }), {
      envelope: { from: JOE, to: 'fbl@fbl.example.com' },
    })
    const stray = await send(receiver, 'x@bounce.example.com', ndr({ recipient: JOE, n: 5 }))
    const encoded = `From: a@example.net\r\nSubject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(`write to ${JOE} please`).toString('base64')}\r\n`
    const hidden = await send(receiver, 'y@bounce.example.com', encoded)
    const left = await send(
      receiver,
      other?.returnPath ?? '',
      ndr({ token: (other?.returnPath ?? '').split('@')[0] ?? '', recipient: `x${JOE}` }),
    )
    expect((await tracesIn(context)).length).toBeGreaterThan(8)

    const done = await eraseAddress(context, JOE, 'operator')
    expect(done).toMatchObject({ deliveries: 2, entries: 2 })
    // A longer address that contains this one belongs to another person, and stays.
    expect((await tracesIn(context)).filter((trace) => !trace.includes(`x${JOE}`))).toEqual([])
    for (const { digest } of [bounced, stray, hidden]) expect(await findRawMailForOperator(context.engine.read, digest)).toBeNull()
    expect(await findRawMailForOperator(context.engine.read, left.digest)).not.toBeNull()
    const hash = hashAddress(JOE) ?? ''
    expect(
      (await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at: START }))
        .get(hash)
        ?.map(({ address, list }) => [list, address])
        .toSorted(),
    ).toEqual([
      ['bounce', null],
      ['complaint', null],
    ])
    const again = await registerRecipients(
      { account: 1, apiUser: 'user1', ip: '203.0.113.5' },
      { ...call, subject: '', headers: {}, recipients: [{ recipient: JOE, contactTypes: null }] },
    )
    expect(again.recipients[0]).toMatchObject({ status: 4, subStatus: 401 })
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test.runIf(kind === 'sqlite')('no file of the store contains the address, neither the database nor the log', async () => {
    const { context, receiver, url } = await bench()
    const file = url.slice('sqlite:'.length)
    const lettersIn = (): readonly number[] =>
      [file, `${file}-wal`].map((each) => readFileSync(each).toString('latin1').toLowerCase().split(JOE).length - 1)
    const registerRecipients = createRegister(context)
    const call = { from: 'news@example.com', subject: 'x', label: null, broadcast: null, emailType: 'batch', headers: {} } as const
    const others = Array.from({ length: 300 }, (_, n) => ({ recipient: `other${n}@example.org`, contactTypes: null }))
    for (let n = 0; n < 3; n++) {
      const recipients = [...others.slice(n * 100, n * 100 + 100), { recipient: JOE, contactTypes: null }]
      const made = await registerRecipients({ account: 1, apiUser: 'user1', ip: '203.0.113.5' }, { ...call, recipients })
      const { returnPath = '' } = made.recipients.at(-1) ?? {}
      await send(receiver, returnPath, ndr({ token: returnPath.split('@')[0] ?? '', recipient: JOE, n }))
    }
    expect(lettersIn()[1]).toBeGreaterThan(0)
    await eraseAddress(context, JOE, 'operator')
    expect(lettersIn()).toEqual([0, 0])
  })

  test('a second erasure changes nothing, and text that is not an address is refused', async () => {
    const { context } = await bench()
    expect(await eraseAddress(context, JOE, 'operator')).toMatchObject({ deliveries: 0, entries: 0, mails: 0 })
    await expect(eraseAddress(context, 'nobody', 'operator')).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('raw mail is removed after some days, a page a transaction, while mail is received', async () => {
    const { context, receiver, clock } = await bench()
    const digests = await Promise.all(
      Array.from(
        { length: 1_200 },
        async (_, n) => (await send(receiver, 'x@bounce.example.com', ndr({ recipient: 'a@example.org', n }))).digest,
      ),
    )
    clock.now = START + 31 * DAY
    let transactions = 0
    const tx: Engine['tx'] = (work, options) => {
      transactions++
      return context.engine.tx(work, options)
    }
    const [fresh] = await Promise.all([
      send(receiver, 'x@bounce.example.com', ndr({ recipient: 'b@example.org' }), { receivedAt: clock.now }),
      removeOldRawMails({ ...context, engine: { ...context.engine, tx } }, 30),
    ])
    // 500 rows a page: no transaction blocks the writer for longer.
    expect(transactions).toBe(3)
    expect(await findRawMailForOperator(context.engine.read, digests[0] ?? '')).toBeNull()
    expect(await findRawMailForOperator(context.engine.read, digests[1_199] ?? '')).toBeNull()
    expect(await findRawMailForOperator(context.engine.read, fresh.digest)).not.toBeNull()
  })
})
