/**
 * report-copier.test - copies of reports from the reception of a report to the other server, and two installations that copy to each other
 */
import { describe, expect, test } from 'vitest'
import type { AccountSettings } from '../../../src/ledger/account-settings.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import type { Context } from '../../../src/service/context.ts'
import { changeAccountSettings } from '../../../src/service/admin/account-settings.ts'
import { createReceiver, type Receiver } from '../../../src/service/receive/receive.ts'
import { createReportCopier } from '../../../src/service/report-copies/report-copier.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { OutgoingMail, SmtpOutcome, Transport } from '../../../src/smtp-client/transport.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail, ndr } from '../../support/reports.ts'

const START = Date.UTC(2026, 10, 20, 12)
const HOUR = 3_600_000
const OK: SmtpOutcome = { kind: 'reply', code: 250, text: '250 ok', mx: 'mx.example.net', phase: 'end' }
const vacation = (token: string, n = 0): string =>
  [
    `From: joe@example.org`,
    `To: ${token}@bounce.example.com`,
    `Subject: Out of office ${n}`,
    'Auto-Submitted: auto-replied',
    '',
    'I am away.',
    '',
  ].join('\r\n')

type Installation = {
  readonly context: Context
  readonly clock: Clock
  readonly receiver: Receiver
  readonly sent: OutgoingMail[]
  readonly tick: () => Promise<void>
  /** Registers a mail and resolves to its Return-Path. */
  readonly register: (over?: { readonly from?: string; readonly recipient?: string }) => Promise<string>
  readonly receive: (raw: string | Uint8Array, to: string) => Promise<unknown>
}

describe.each(engines)('$kind', ({ open }) => {
  async function install(
    settings: Partial<AccountSettings>,
    send: Transport['send'] = () => Promise.resolve(OK),
    { perAddressHour = 60, domain = 'bounce.example.com' } = {},
  ): Promise<Installation> {
    const { engine } = await open()
    const clock = { now: START }
    const made = await makeContext(engine, clock, [
      { reportCopies: 'sender', reportCopyKinds: ['bounce', 'delay', 'auto-reply'], ...settings },
    ])
    const context: Context = { ...made, domains: { ...made.domains, returnPath: [domain] } }
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: false,
      copiesReports: true,
    })
    const sent: OutgoingMail[] = []
    const transport = { send: (mail: OutgoingMail) => (sent.push(mail), send(mail)) }
    const copier = createReportCopier(context, {
      transport,
      egressIp: '',
      from: 'mailer-daemon@bounce.example.com',
      perAddressHour,
      sign: (text) => Buffer.from(text.padEnd(32, 'x')).toString('hex').slice(0, 64),
      findKeys: () => Promise.resolve([]),
    })
    const registerRecipients = createRegister(context)
    const register: Installation['register'] = async ({ from = 'news@example.net', recipient = 'joe@example.org' } = {}) => {
      const mail = { from, subject: 'Hello', label: null, broadcast: null, emailType: 'trigger', headers: {} } as const
      const { recipients } = await registerRecipients(
        { account: 1, apiUser: 'tester', ip: '203.0.113.5' },
        { ...mail, recipients: [{ recipient, contactTypes: null }] },
      )
      return recipients[0]?.returnPath ?? ''
    }
    const receive = (raw: string | Uint8Array, to: string): Promise<unknown> =>
      receiver.submit(makeIncomingMail(Buffer.from(raw).toString('latin1'), to, { at: clock.now, receivedAt: clock.now }))
    return { context, clock, receiver, sent, tick: copier.tick, register, receive }
  }
  const statesOf = async ({ context }: Installation): Promise<readonly unknown[]> =>
    (await context.engine.read.all('select state, tries from report_copies order by kind')).map((row) => [
      row['state'],
      Number(row['tries']),
    ])

  test('a bounce and an automatic reply reach the sender once each, from the null sender', async () => {
    const on = await install({})
    const path = await on.register()
    const token = path.split('@')[0] ?? ''
    for (const n of [0, 1, 2]) {
      await on.receive(ndr({ token, recipient: 'joe@example.org', n }), path)
      await on.receive(vacation(token, n), path)
    }
    await on.tick()
    await on.tick()
    expect(on.sent.map(({ mailFrom, to, domain }) => [mailFrom, to, domain])).toEqual([
      ['', 'news@example.net', 'example.net'],
      ['', 'news@example.net', 'example.net'],
    ])
    expect(on.sent.map(({ raw }) => raw.toString('latin1')).join('')).toContain('Auto-Submitted: auto-generated\r\n')
    expect(await statesOf(on)).toEqual([
      ['sent', 1],
      ['sent', 1],
    ])
  })

  test('a stranger, a complaint, a replay and an account that wants none cause no copy', async () => {
    const on = await install({})
    const path = await on.register()
    await on.receive(ndr({ recipient: 'joe@example.org' }), 'postmaster@bounce.example.com')
    await on.receive(ndr({ token: 'a'.repeat(30), recipient: 'joe@example.org' }), `${'a'.repeat(30)}@bounce.example.com`)
    const replayed = { at: START, receivedAt: START, source: 'replay' } as const
    await on.receiver.submit(makeIncomingMail(ndr({ token: path, recipient: 'joe@example.org' }), path, replayed))
    const silent = await install({ reportCopies: 'off' })
    const other = await silent.register()
    await silent.receive(ndr({ recipient: 'joe@example.org' }), other)
    for (const each of [on, silent]) await each.tick()
    expect([...on.sent, ...silent.sent]).toEqual([])
  })

  test('a server that refuses for now is tried again for a day; one that refuses for good is not', async () => {
    let outcome: SmtpOutcome = { ...OK, code: 451, text: '451 later' }
    const on = await install({}, () => Promise.resolve(outcome))
    await on.receive(ndr({ recipient: 'joe@example.org' }), await on.register())
    for (let n = 0; n < 4; n += 1) {
      await on.tick()
      on.clock.now += HOUR
    }
    expect(await statesOf(on)).toEqual([['waiting', 4]])
    outcome = { kind: 'error', error: 'timeout', text: 'no reply', mx: null }
    for (let n = 0; n < 40; n += 1) {
      await on.tick()
      on.clock.now += HOUR
    }
    expect(await statesOf(on)).toEqual([['failed', 8]])
    outcome = { ...OK, code: 550, text: '550 no' }
    await on.receive(ndr({ recipient: 'joe@example.org' }), await on.register())
    await on.tick()
    expect((await statesOf(on)).filter((each) => String(each) === 'failed,1')).toHaveLength(1)
  })

  test('an address gets so many copies in an hour, and none after the setting is turned off or the raw report is gone', async () => {
    const on = await install({}, undefined, { perAddressHour: 2 })
    for (let n = 0; n < 4; n += 1) await on.receive(ndr({ recipient: 'joe@example.org', n }), await on.register())
    await on.tick()
    expect(on.sent).toHaveLength(2)
    expect((await statesOf(on)).map(String).toSorted()).toEqual(['limited,1', 'limited,1', 'sent,1', 'sent,1'])
    on.clock.now += 2 * HOUR
    await on.receive(ndr({ recipient: 'joe@example.org', n: 9 }), await on.register())
    await on.tick()
    expect(on.sent).toHaveLength(3)
    await on.receive(ndr({ recipient: 'joe@example.org', n: 10 }), await on.register())
    await changeAccountSettings(on.context, { account: 1, actor: 'test', byOperator: true, version: null, change: { reportCopies: 'off' } })
    await on.tick()
    expect(on.sent).toHaveLength(3)
  })

  test('two installations whose accounts copy to each other end, whatever comes back', async () => {
    // Whoever is between them sends the copy on, removes its field, and writes bounces and replies of his own to the same address.
    const comeBackTo =
      (target: () => Installation | undefined): Transport['send'] =>
      async ({ raw, to }) => {
        const on = target()
        const token = to.split('@')[0] ?? ''
        const text = raw.toString('latin1')
        const n = on?.sent.length ?? 0
        const mails = [
          text,
          text.replace(/Bounced-Copy:[^\r]*\r\n/, ''),
          vacation(token, n),
          ndr({ token, recipient: 'joe@example.org', n }),
        ]
        for (const mail of mails) await on?.receive(mail, to)
        return OK
      }
    const both: Installation[] = []
    const first = await install(
      {},
      comeBackTo(() => both[1]),
    )
    const second = await install(
      {},
      comeBackTo(() => both[0]),
      { domain: 'bounce.example.org' },
    )
    both.push(first, second)
    const [firstPath, secondPath] = [await first.register(), await second.register()]
    const copyTo = (on: Installation, reportCopies: string): Promise<unknown> =>
      changeAccountSettings(on.context, { account: 1, actor: 'test', byOperator: true, version: null, change: { reportCopies } })
    await copyTo(first, secondPath)
    await copyTo(second, firstPath)
    await first.receive(ndr({ recipient: 'joe@example.org' }), firstPath)
    for (let n = 0; n < 10; n += 1) for (const on of both) await on.tick()
    const counts = both.map(({ sent }) => sent.length)
    for (let n = 0; n < 10; n += 1) for (const on of both) await on.tick()
    expect(both.map(({ sent }) => sent.length)).toEqual(counts)
    // Each has one mail, and a bounce and an automatic reply about it.
    for (const count of counts) expect([1, 2]).toContain(count)
  })

  test('copies that nobody changes on the way cause none at all', async () => {
    const both: Installation[] = []
    const passOn =
      (target: () => Installation | undefined): Transport['send'] =>
      async ({ raw, to }) => {
        await target()?.receive(raw, to)
        return OK
      }
    const first = await install(
      {},
      passOn(() => both[1]),
    )
    const second = await install(
      {},
      passOn(() => both[0]),
      { domain: 'bounce.example.org' },
    )
    both.push(first, second)
    const secondPath = await second.register({ from: 'ann@example.net' })
    const firstPath = await first.register({ from: secondPath })
    await first.receive(ndr({ recipient: 'joe@example.org' }), firstPath)
    for (let n = 0; n < 4; n += 1) for (const on of both) await on.tick()
    expect(both.map(({ sent }) => sent.length)).toEqual([1, 0])
  })
})
