/**
 * recipients.test - one mail to many recipients over the real listener: one token for a stranger's report, and one reading for one DATA
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { AuthenticationResults } from '../../src/mail-auth/verify-signatures.ts'
import { eraseAddress } from '../../src/service/admin/erase.ts'
import { createForwardReceiver } from '../../src/service/forward/forward-mail.ts'
import { addForwardDomain } from '../../src/service/forward/forward-domains.ts'
import { createReceiver } from '../../src/service/receive/receive.ts'
import type { Context } from '../../src/service/context.ts'
import { createRegister } from '../../src/service/submit/register.ts'
import { createIncomingRouter } from '../../src/smtp-server/incoming-router.ts'
import { makeContext } from '../support/context.ts'
import { engines } from '../support/engines.ts'
import { arf } from '../support/reports.ts'
import {
  closeAll,
  MAIL,
  openConnection,
  openConversation,
  startListener,
  type ListenerOverrides,
  type SmtpConversation,
} from '../support/smtp-listener.ts'

const START = Date.UTC(2026, 10, 20, 12)
const STRANGER = '192.0.2.7'

afterEach(closeAll)

/** A session whose client is a stranger, by a PROXY header: every address of this machine is trusted. */
async function openStranger(port: number, address = STRANGER): Promise<SmtpConversation> {
  const opened = openConnection(port)
  opened.socket.write(`PROXY TCP4 ${address} 198.51.100.1 12345 25\r\n`)
  await opened.receive()
  await opened.send('EHLO mx.example.net')
  return opened
}

const startBehindProxy = (options: ListenerOverrides = {}) =>
  startListener({ ...options, proxyPeers: ['127.0.0.1'], limits: { recipientsPerMail: 110, ...options.limits } })

const RCPT = (address: string): string => `RCPT TO:<${address}>`

describe('a second token address', () => {
  const seconds = [
    // MAIL FROM           first recipient               second recipient                reply
    ['', 'a@bounce.example.com', 'b@bounce.example.com', '452 4.5.3'],
    ['', 'a@bounce.example.com', 'B@BOUNCE.example.com', '452 4.5.3'],
    ['', 'a@bounce.example.com', 'srs0=x=y=example.org=b@bounce.example.com', '452 4.5.3'],
    ['', 'a@bounce.example.com', 'A@bounce.example.com', '250'],
    ['', 'a@bounce.example.com', 'postmaster@bounce.example.com', '250'],
    ['', 'a@bounce.example.com', 'postmaster', '250'],
    ['', 'abuse@bounce.example.com', 'b@bounce.example.com', '250'],
    ['', 'a@bounce.example.com', 'b@fbl.example.com', '250'],
    ['', 'a@fbl.example.com', 'b@fbl.example.com', '250'],
    ['loop@example.org', 'a@bounce.example.com', 'b@bounce.example.com', '250'],
  ] as const
  test.each(seconds)('from <%s>: %s, then %s: %s', async (from, first, second, want) => {
    const { listener, refusedCount } = await startBehindProxy()
    const { send } = await openStranger(listener.port)
    await send(`MAIL FROM:<${from}>`)
    expect(await send(RCPT(first))).toMatch(/^250 /)
    const reply = await send(RCPT(second))
    expect(reply.startsWith(want)).toBe(true)
    expect(await refusedCount('tokens')).toBe(want === '250' ? 0 : 1)
    expect(reply.includes('smtp.trustedRelays')).toBe(want !== '250')
  })

  test.each([
    ['a trusted relay', ['192.0.2.0/24'], 250],
    ['another relay', ['203.0.113.9'], 452],
  ])('from %s', async (_, trustedRelays, want) => {
    const { listener } = await startBehindProxy({ trustedRelays })
    const { send } = await openStranger(listener.port)
    await send('MAIL FROM:<>')
    await send(RCPT('a@bounce.example.com'))
    expect(await send(RCPT('b@bounce.example.com'))).toMatch(new RegExp(`^${want} `))
  })

  test('loopback is trusted', async () => {
    const { listener } = await startListener()
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    await send('MAIL FROM:<>')
    await send(RCPT('a@bounce.example.com'))
    expect(await send(RCPT('b@bounce.example.com'))).toMatch(/^250 /)
  })

  test('an entry of smtp.trustedRelays that is no address stops the start', async () => {
    await expect(startListener({ trustedRelays: ['relay.example.net'] })).rejects.toThrow(/smtp\.trustedRelays: relay\.example\.net/)
  })

  test('the queue of a client that retries what got 452 drains, one token a mail', async () => {
    const { listener, received } = await startBehindProxy()
    const { send } = await openStranger(listener.port)
    let queue = ['a', 'b', 'c', 'd'].map((token) => `${token}@bounce.example.com`)
    for (let rounds = 0; queue.length > 0 && rounds < 10; rounds++) {
      await send('MAIL FROM:<>')
      const deferred: string[] = []
      for (const address of queue) if (!(await send(RCPT(address))).startsWith('250')) deferred.push(address)
      expect(await send('DATA')).toMatch(/^354 /)
      expect(await send(`${MAIL}.`)).toMatch(/^250 /)
      queue = deferred
    }
    expect(received.map(({ envelope }) => envelope.to)).toEqual(['a', 'b', 'c', 'd'].map((token) => `${token}@bounce.example.com`))
  })
})

describe.each(engines)('$kind: one DATA', ({ open }) => {
  type Fixture = {
    readonly context: Context
    readonly returnPaths: readonly string[]
    readonly feedbackId: string
    readonly verified: Uint8Array[]
    /** Sends one mail from a sender that is not null. Resolves to the reply to its data. */
    readonly deliver: (recipients: readonly string[], raw: string) => Promise<string>
    readonly parses: () => Promise<number>
    readonly count: (table: string) => Promise<number>
  }

  async function fixture(): Promise<Fixture> {
    const { engine } = await open()
    const context = await makeContext(engine, { now: START }, [{}, {}])
    await addForwardDomain(context, 1, 'one.example.com')
    await addForwardDomain(context, 2, 'two.example.com')
    const { recipients } = await createRegister(context)(
      { account: 1, apiUser: 'tester', ip: '203.0.113.5' },
      {
        from: 'news@example.com',
        subject: 'Hello',
        recipients: Array.from({ length: 100 }, (_, n) => ({ recipient: `user-${n}@example.org`, contactTypes: null })),
        label: null,
        broadcast: null,
        emailType: 'batch',
        headers: {},
      },
    )
    const verified: Uint8Array[] = []
    const signed: AuthenticationResults = {
      dkim: [
        { domain: 'loops.example', selector: 's', result: 'pass', valid: true, aligned: true, signedFields: ['from', 'content-type'] },
      ],
      spf: null,
      arc: null,
    }
    const prover = ({ raw }: { readonly raw: Uint8Array }): Promise<AuthenticationResults> => {
      verified.push(raw)
      return Promise.resolve(signed)
    }
    const reports = createReceiver(context, { prover, dryRun: false, notifyReplays: false })
    const router = createIncomingRouter({ domains: context.domains, reports, inbound: createForwardReceiver(context) })
    const { listener } = await startBehindProxy({ router, now: () => START })
    const deliver = async (to: readonly string[], raw: string): Promise<string> => {
      const { send } = await openStranger(listener.port)
      await send('MAIL FROM:<feedback@loops.example>')
      for (const address of to) expect(await send(RCPT(address))).toMatch(/^250 /)
      await send('DATA')
      return send(`${raw}.`)
    }
    const parses = async (): Promise<number> => {
      const { text } = await context.telemetry.metrics()
      return Number(/^bounced_receive_stage_seconds_count\{stage="parse"\} (\d+)$/m.exec(text)?.[1] ?? 0)
    }
    const count = async (table: string): Promise<number> => Number((await engine.read.one(`select count(*) as n from ${table}`))?.['n'])
    const [first] = recipients
    return {
      context,
      returnPaths: recipients.map(({ returnPath }) => returnPath),
      feedbackId: first?.feedbackId ?? '',
      verified,
      deliver,
      parses,
      count,
    }
  }

  test('to a hundred tokens is parsed once and verified once, and each token is judged alone', async () => {
    const { returnPaths, feedbackId, verified, deliver, parses, count } = await fixture()
    const raw = `${arf({ token: feedbackId, recipient: 'user-0@example.org' })}${'x'.repeat(76)}\r\n`
    expect(await deliver(returnPaths, raw)).toMatch(/^250 2\.6\.0 /)
    expect([await parses(), verified.length]).toEqual([1, 1])
    expect([await count('reports'), await count('mail_body_references'), await count('mail_bodies')]).toEqual([100, 100, 1])
  })

  test('to reports and to the inbound domains of two accounts arrives everywhere', async () => {
    const { returnPaths, deliver, parses, count } = await fixture()
    const inbound = ['one', 'two'].flatMap((name) => ['help', 'info', 'sales'].map((local) => `${local}@${name}.example.com`))
    expect(await deliver([...returnPaths.slice(0, 4), ...inbound], MAIL)).toMatch(/^250 2\.6\.0 /)
    expect([await parses(), await count('reports'), await count('route_mails')]).toEqual([1, 4, 6])
    expect([await count('mail_body_references'), await count('mail_bodies')]).toEqual([10, 1])
  })

  test('that an erasure finds is removed for every recipient, with its bytes', async () => {
    const { context, returnPaths, deliver, count } = await fixture()
    const raw = `From: joe@example.net\r\nSubject: about me\r\n\r\njoe@example.net\r\n`
    expect(await deliver([...returnPaths.slice(0, 3), 'help@one.example.com', 'help@two.example.com'], raw)).toMatch(/^250 2\.6\.0 /)
    expect(await count('mail_body_references')).toBe(5)
    await eraseAddress(context, 'joe@example.net', 'operator')
    expect([await count('mail_body_references'), await count('mail_bodies'), await count('route_mails')]).toEqual([0, 0, 0])
  })

  test('that is sent again is a second DATA, and changes nothing', async () => {
    const { returnPaths, deliver, parses, count } = await fixture()
    for (let n = 0; n < 2; n++) expect(await deliver(returnPaths.slice(0, 10), MAIL)).toMatch(/^250 2\.6\.0 /)
    expect([await parses(), await count('reports'), await count('mail_bodies')]).toEqual([2, 10, 1])
  })
})
