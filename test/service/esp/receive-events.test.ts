/**
 * receive-events.test - from the request of an ESP to stored facts, on both stores: proofs, repetitions, foreign mail, the inbox
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createVault } from '../../../src/config/vault.ts'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import type { Esp } from '../../../src/esp-events/esp-event.ts'
import { Fault } from '../../../src/errors.ts'
import { createSelfSignedCertificate } from '../../../src/net/certificate.ts'
import type { HttpClient } from '../../../src/net/http-post.ts'
import type { Context } from '../../../src/service/context.ts'
import { createEventSourceService, type EventSourceService } from '../../../src/service/esp/event-sources.ts'
import { createReceiveEspEvents, type ReceiveEspEvents } from '../../../src/service/esp/receive-events.ts'
import { createSnsClient } from '../../../src/service/esp/sns-certificates.ts'
import { createRegister, type Registration } from '../../../src/service/submit/register.ts'
import { createInboxCommandRunner } from '../../../src/service/receive/inbox.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { findSuppressionsInForce } from '../../../src/store/lists/suppressions.ts'
import { engines } from '../../support/engines.ts'
import { makeContext, MASTER, type Clock } from '../../support/context.ts'

const START = Date.UTC(2026, 10, 20, 12)
const HOUR = 3_600_000
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:bounces'
const PEM_URL = 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem'
const NO_USER = '550 5.1.1 <joe@example.org>: Recipient address rejected: User unknown in virtual mailbox table'
const SNS = createSelfSignedCertificate('sns.amazonaws.com', START)
const SIGNING = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const PUBLIC = SIGNING.publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
const NONE = { recorded: 0, repeated: 0, inbox: 0, unmatched: 0, unreadable: 0, ignored: 0 }

type Sources = Readonly<Record<Esp, { readonly sourceId: string; readonly password: string | null }>>
type Bench = {
  readonly context: Context
  readonly clock: Clock
  readonly sources: Sources
  readonly eventSources: EventSourceService
  readonly receive: ReceiveEspEvents
  readonly requested: string[]
  readonly register: (
    recipient: string,
    over?: Partial<Registration>,
    account?: number,
  ) => Promise<{ emailId: string; messageId: string; returnPath: string }>
  readonly statusOf: (emailId: string) => Promise<unknown>
}

const bodyOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

describe.each(engines)('$kind', ({ open }) => {
  async function bench(http?: HttpClient['send']): Promise<Bench> {
    const { engine } = await open()
    const clock = { now: START }
    const context = await makeContext(engine, clock, [{}, {}])
    const vault = createVault(MASTER)
    const eventSources = createEventSourceService(context, vault)
    const add = (esp: Esp, over: object = {}): ReturnType<EventSourceService['add']> =>
      eventSources.add({ account: 1, actor: 'test', esp, topics: [], key: null, ...over })
    const sources = {
      ses: await add('ses', { topics: [TOPIC] }),
      sendgrid: await add('sendgrid', { key: PUBLIC }),
      mailgun: await add('mailgun', { key: 'a signing key of mailgun' }),
      postmark: await add('postmark'),
      sparkpost: await add('sparkpost'),
    }
    const requested: string[] = []
    const send: HttpClient['send'] =
      http ?? (({ url }) => Promise.resolve({ status: 200, text: url === PEM_URL ? SNS.cert : '', durationMs: 1 }))
    const client: HttpClient = { send: (request) => (requested.push(request.url), send(request)), close: () => Promise.resolve() }
    const recorded: unknown[] = []
    const engagement = { record: (request: unknown) => Promise.resolve(void recorded.push(request)) }
    const receive = createReceiveEspEvents({ context, vault, sns: createSnsClient(client, context.now) }, engagement)
    const registerRecipients = createRegister(context)
    const register: Bench['register'] = async (recipient, over = {}, account = 1) => {
      const mail = {
        from: 'news@example.com',
        subject: 'Hi',
        label: null,
        broadcast: null,
        emailType: 'batch',
        headers: {},
        ...over,
      } as const
      const caller = { account, apiUser: 'tester', ip: '203.0.113.5' }
      const { recipients } = await registerRecipients(caller, { ...mail, recipients: [{ recipient, contactTypes: null }] })
      const [registered] = recipients
      if (registered === undefined) throw new Error('nothing was registered')
      return { emailId: registered.emailId, messageId: registered.messageIdHeader.slice(1, -1), returnPath: registered.returnPath }
    }
    const statusOf = async (emailId: string): Promise<unknown> => {
      const found = (await Promise.all([1, 2].map((account) => findDeliveriesByEmailIds(engine.read, account, [emailId])))).flat()
      return found.map((row) => [row.status, row.subStatus, row.asynchronous]).at(0) ?? null
    }
    return { context, clock, sources, eventSources, receive, requested, register, statusOf }
  }

  const postmark = ({ sources, receive }: Bench, event: object, over: object = {}): ReturnType<ReceiveEspEvents> => {
    const authorization = `Basic ${Buffer.from(`bounced:${sources.postmark.password ?? ''}`).toString('base64')}`
    return receive({ esp: 'postmark', sourceId: sources.postmark.sourceId, body: bodyOf(event), headers: { authorization }, ...over })
  }
  const sparkpost = ({ sources, receive }: Bench, events: readonly object[]): ReturnType<ReceiveEspEvents> => {
    const authorization = `Bearer ${sources.sparkpost.password ?? ''}`
    const body = bodyOf(
      events.map((event, n) => ({ msys: { message_event: { event_id: `s${n}`, rcpt_to: 'joe@example.org', ...event } } })),
    )
    return receive({ esp: 'sparkpost', sourceId: sources.sparkpost.sourceId, body, headers: { authorization } })
  }
  const sendgrid = (
    { sources, receive, clock }: Bench,
    events: unknown,
    over: { readonly at?: number; readonly body?: Uint8Array } = {},
  ): ReturnType<ReceiveEspEvents> => {
    const timestamp = String(Math.floor((over.at ?? clock.now) / 1_000))
    const body = bodyOf(events)
    const signature = sign('sha256', Buffer.concat([Buffer.from(timestamp), body]), SIGNING.privateKey).toString('base64')
    const headers = { 'x-twilio-email-event-webhook-timestamp': timestamp, 'x-twilio-email-event-webhook-signature': signature }
    return receive({ esp: 'sendgrid', sourceId: sources.sendgrid.sourceId, body: over.body ?? body, headers })
  }
  const mailgun = ({ sources, receive, clock }: Bench, event: object, token: string, at = clock.now): ReturnType<ReceiveEspEvents> => {
    const timestamp = String(Math.floor(at / 1_000))
    const signature = createHmac('sha256', 'a signing key of mailgun').update(`${timestamp}${token}`).digest('hex')
    const body = bodyOf({ signature: { timestamp, token, signature }, 'event-data': event })
    return receive({ esp: 'mailgun', sourceId: sources.mailgun.sourceId, body, headers: {} })
  }
  const sns = ({ sources, receive, clock }: Bench, fields: Readonly<Record<string, string>>): ReturnType<ReceiveEspEvents> => {
    const all: Record<string, string> = {
      Type: 'Notification',
      MessageId: 'id',
      TopicArn: TOPIC,
      Timestamp: new Date(clock.now).toISOString(),
      ...fields,
    }
    const covered = Object.keys(all)
      .filter((name) => name !== 'SigningCertURL')
      .toSorted()
      .map((name) => `${name}\n${all[name] ?? ''}\n`)
      .join('')
    const Signature = sign('sha256', Buffer.from(covered), SNS.key).toString('base64')
    const body = bodyOf({ SigningCertURL: PEM_URL, ...all, SignatureVersion: '2', Signature })
    return receive({ esp: 'ses', sourceId: sources.ses.sourceId, body, headers: {} })
  }
  const listsOf = async ({ context }: Bench, address: string): Promise<readonly string[]> => {
    const hash = hashAddress(address) ?? ''
    const found = await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at: context.now() })
    return (found.get(hash) ?? []).map(({ list, proof }) => `${list} ${proof ?? ''}`.trim())
  }

  test('an attempt: deferred, then refused, by our rules; a repetition changes nothing', async () => {
    const on = await bench()
    const { emailId, messageId } = await on.register('joe@example.org')
    const at = Math.floor(START / 1_000)
    const event = { email: 'Joe@example.org', timestamp: at, 'smtp-id': `<${messageId}>` }
    const deferral = { ...event, event: 'deferred', response: '451 4.7.1 Greylisted, try again', attempt: '1', sg_event_id: 'e1' }
    expect(await sendgrid(on, [deferral, { ...event, event: 'processed', sg_event_id: 'e0' }])).toEqual({
      ...NONE,
      recorded: 1,
      ignored: 1,
    })
    expect(await on.statusOf(emailId)).toEqual([18, null, false])
    const refusal = { ...event, event: 'bounce', reason: NO_USER, sg_event_id: 'e2' }
    expect(await sendgrid(on, [refusal])).toEqual({ ...NONE, recorded: 1 })
    expect(await on.statusOf(emailId)).toEqual([4, 406, false])
    expect(await listsOf(on, 'joe@example.org')).toEqual(['bounce'])
    expect(await sendgrid(on, [deferral, refusal])).toEqual({ ...NONE, repeated: 2 })
  })

  test('a failure after a delivery is a bounce that came later, with its raw report', async () => {
    const on = await bench()
    const { emailId } = await on.register('joe@example.org')
    const mail = { Metadata: { bounced: emailId } }
    expect(await postmark(on, { RecordType: 'Delivery', Recipient: 'joe@example.org', Details: 'smtp;250 OK', ...mail })).toEqual({
      ...NONE,
      recorded: 1,
    })
    expect(await on.statusOf(emailId)).toEqual([1, null, false])
    const bounce = { RecordType: 'Bounce', ID: 1, Type: 'HardBounce', Email: 'joe@example.org', Details: `smtp;${NO_USER}`, ...mail }
    expect(await postmark(on, bounce)).toEqual({ ...NONE, recorded: 1 })
    expect(await on.statusOf(emailId)).toEqual([4, 406, true])
    expect(await listsOf(on, 'joe@example.org')).toEqual(['bounce event'])
    expect(await postmark(on, bounce)).toEqual({ ...NONE, repeated: 1 })
    expect((await rebuild(on.context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('complaints and unsubscribes feed the lists, once', async () => {
    const on = await bench()
    const { returnPath } = await on.register('joe@example.org')
    const events = [
      { type: 'spam_complaint', msg_from: returnPath, fbtype: 'abuse' },
      { type: 'list_unsubscribe', rcpt_meta: { bounced: returnPath.split('@')[0] } },
    ]
    expect(await sparkpost(on, events)).toEqual({ ...NONE, recorded: 2 })
    expect((await listsOf(on, 'joe@example.org')).toSorted()).toEqual(['complaint event', 'unsubscribe event'])
    expect(await sparkpost(on, events)).toEqual({ ...NONE, repeated: 2 })
  })

  test('mail of which nothing is known: failures go to the inbox of the account, the rest is counted', async () => {
    const on = await bench()
    const events = [
      { type: 'bounce', raw_reason: NO_USER, message_id: 'unknown' },
      { type: 'delivery', message_id: 'unknown' },
      { type: 'bounce', raw_reason: NO_USER, message_id: 'unknown' },
    ]
    expect(await sparkpost(on, [...events, { event_id: 's0', type: 'bounce', raw_reason: NO_USER }])).toEqual({
      ...NONE,
      inbox: 2,
      unmatched: 1,
      repeated: 1,
    })
    const rows = await on.context.engine.read.all(
      'select i.account_id, i.reason, r.kind from inbox i join reports r on r.digest = i.digest',
    )
    expect(rows.map((row) => [row['reason'], row['kind'], Number(row['account_id'])])).toEqual([
      ['unmatched', 'bounce', 1],
      ['unmatched', 'bounce', 1],
    ])
  })

  test('an event that cannot be processed keeps no other back', async () => {
    const on = await bench()
    const { emailId, messageId } = await on.register('joe@example.org')
    const bad = { type: 'delivery', message_id: messageId, raw_reason: '250 ok' }
    const rules = on.context.rules
    let calls = 0
    // The rules fail in the first transaction, which has both events.
    Object.assign(on.context, { rules: () => ((calls += 1) === 1 ? null : rules()) })
    expect(await sparkpost(on, [bad, { type: 'bounce', raw_reason: NO_USER, message_id: messageId }])).toEqual({ ...NONE, recorded: 2 })
    Object.assign(on.context, { rules: () => null })
    expect(await sparkpost(on, [{ type: 'delay', raw_reason: '421 later', message_id: messageId }])).toEqual({ ...NONE, unreadable: 1 })
    Object.assign(on.context, { rules })
    expect(await on.statusOf(emailId)).toEqual([4, 406, false])
  })

  test('a person links a failure in the inbox to its mail', async () => {
    const on = await bench()
    await sparkpost(on, [{ type: 'bounce', raw_reason: NO_USER }])
    const { emailId } = await on.register('joe@example.org')
    const [row] = await on.context.engine.read.all('select digest from inbox')
    const digest = Buffer.from(row?.['digest'] instanceof Uint8Array ? row['digest'] : []).toString('hex')
    const run = createInboxCommandRunner(on.context, () => Promise.resolve(NO_AUTHENTICATION_RESULTS))
    expect(await run({ account: 1, actor: 'ann', digest, action: 'link', emailId })).toMatchObject({ changed: true, problem: null })
    expect(await on.statusOf(emailId)).toEqual([4, 406, true])
  })

  test('an event names neither the mail of another account nor another recipient', async () => {
    const on = await bench()
    const other = await on.register('joe@example.org', {}, 2)
    const own = await on.register('ann@example.org')
    const refused = { type: 'bounce', raw_reason: NO_USER }
    const marks = [other.emailId, other.returnPath, own.emailId, own.returnPath]
    await sparkpost(on, [
      ...marks.map((bounced) => ({ ...refused, rcpt_meta: { bounced } })),
      { ...refused, message_id: other.messageId },
      { ...refused, message_id: own.messageId },
    ])
    expect([await on.statusOf(other.emailId), await on.statusOf(own.emailId)]).toEqual([
      [18, null, false],
      [18, null, false],
    ])
  })

  test('one Message-ID of many copies names the recipient’s, and the id of the ESP does if it was registered', async () => {
    const on = await bench()
    const headers = { 'Message-ID': '<one@example.com>' }
    const mails = await Promise.all(['a', 'b', 'c', 'd', 'joe'].map((local) => on.register(`${local}@example.org`, { headers })))
    await sparkpost(on, [{ type: 'bounce', raw_reason: NO_USER, message_id: 'one@example.com' }])
    expect(await Promise.all(mails.map(({ emailId }) => on.statusOf(emailId)))).toEqual([
      ...[0, 0, 0, 0].map(() => [18, null, false]),
      [4, 406, false],
    ])
  })

  test('Mailgun: a token is good for one body, and for a day', async () => {
    const on = await bench()
    const { messageId, emailId } = await on.register('joe@example.org')
    const event = {
      id: 'i',
      event: 'delivered',
      timestamp: START / 1_000,
      recipient: 'joe@example.org',
      message: { headers: { 'message-id': messageId } },
    }
    const forged = { ...event, event: 'failed', severity: 'permanent', 'delivery-status': { code: 550, message: 'no such user' } }
    expect(await mailgun(on, event, 'token')).toEqual({ ...NONE, recorded: 1 })
    expect(await mailgun(on, event, 'token')).toEqual({ ...NONE, repeated: 1 })
    await expect(mailgun(on, forged, 'token')).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(mailgun(on, forged, 'another', START - 26 * HOUR)).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(mailgun(on, forged, 'another', START + HOUR)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(await on.statusOf(emailId)).toEqual([1, null, false])
  })

  test('SES: messages of a listed topic count, its subscription is confirmed, and a certificate is loaded once', async () => {
    const on = await bench()
    const { emailId, messageId } = await on.register('joe@example.org')
    const subscribe = 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t'
    const confirmation = { Type: 'SubscriptionConfirmation', Token: 't', Message: 'm', SubscribeURL: subscribe }
    expect(await sns(on, confirmation)).toEqual(NONE)
    const mail = { messageId: 'ses', destination: ['joe@example.org'], commonHeaders: { messageId: `<${messageId}>` } }
    const recipient = { emailAddress: 'joe@example.org', diagnosticCode: `smtp; ${NO_USER}` }
    const bounce = { bounceType: 'Permanent', feedbackId: 'f', bouncedRecipients: [recipient], remoteMtaIp: '192.0.2.1' }
    const Message = JSON.stringify({ eventType: 'Bounce', mail, bounce })
    expect(await sns(on, { Message })).toEqual({ ...NONE, recorded: 1 })
    expect(await on.statusOf(emailId)).toEqual([4, 406, false])
    expect(on.requested).toEqual([PEM_URL, subscribe])
    const refused = [
      { Message, TopicArn: `${TOPIC}-evil` },
      { ...confirmation, TopicArn: `${TOPIC}-evil` },
      { Message, Timestamp: new Date(START - 26 * HOUR).toISOString() },
      { Message, SigningCertURL: 'https://evil.example/SimpleNotificationService-0.pem' },
      { ...confirmation, SubscribeURL: 'https://169.254.169.254/latest' },
    ]
    for (const fields of refused) await expect(sns(on, fields)).rejects.toMatchObject({ code: 'unauthenticated' })
    expect(on.requested).toHaveLength(2)
  })

  test('SES: while the certificate cannot be loaded, the message is refused for a time, and SNS is not asked again at once', async () => {
    const on = await bench(() => Promise.resolve({ status: 503, text: '', durationMs: 1 }))
    for (const _ of [1, 2]) await expect(sns(on, { Message: '{}' })).rejects.toMatchObject({ code: 'overloaded' })
    expect(on.requested).toEqual([PEM_URL])
  })

  test('SES: the certificate is loaded again a minute after a failure, however often messages come, and then kept', async () => {
    const responses = [
      { status: 503, text: '', durationMs: 1 },
      { status: 200, text: SNS.cert, durationMs: 1 },
    ]
    const on = await bench(() => Promise.resolve(responses.shift() ?? { status: 0, text: '', durationMs: 1 }))
    for (let seconds = 0; seconds <= 60; seconds += 20) {
      on.clock.now = START + seconds * 1_000
      await expect(sns(on, { Message: '{}' })).rejects.toMatchObject({ code: 'overloaded' })
    }
    for (let seconds = 61; seconds <= 80; seconds += 1) {
      on.clock.now = START + seconds * 1_000
      await expect(sns(on, { Message: '{}' })).resolves.toBeDefined()
    }
    expect(on.requested).toEqual([PEM_URL, PEM_URL])
  })

  test('a request without its proof, of another ESP, of a removed source or of a closed account is refused', async () => {
    const on = await bench()
    const { sources, receive, eventSources } = on
    const event = { RecordType: 'Delivery', Recipient: 'joe@example.org' }
    await expect(postmark(on, event, { headers: {} })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(postmark(on, event, { esp: 'sparkpost' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(postmark(on, event, { sourceId: 'x' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(postmark(on, event, { body: Buffer.from('{') })).rejects.toMatchObject({ code: 'bad_request' })
    await expect(sendgrid(on, [], { body: Buffer.from('[{}]') })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(sendgrid(on, [], { at: START - 26 * HOUR })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(receive({ esp: 'mailgun', sourceId: sources.mailgun.sourceId, body: bodyOf({}), headers: {} })).rejects.toBeInstanceOf(
      Fault,
    )
    const mine = { account: 1, actor: 'test', sourceId: sources.postmark.sourceId }
    await expect(eventSources.remove({ ...mine, account: 2 })).rejects.toMatchObject({ code: 'not_found' })
    await eventSources.remove(mine)
    await expect(postmark(on, event)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('what a source needs', async () => {
    const { eventSources, context } = await bench()
    const add = (esp: Esp, topics: readonly string[], key: string | null): Promise<unknown> =>
      eventSources.add({ account: 1, actor: 'test', esp, topics, key })
    const wrong: readonly (readonly [Esp, readonly string[], string | null])[] = [
      ['ses', [], null],
      ['ses', ['arn:aws:sqs:eu-west-1:123456789012:queue'], null],
      ['ses', [TOPIC], 'key'],
      ['sendgrid', [], null],
      ['sendgrid', [], 'no key'],
      ['mailgun', [], 'short'],
      ['postmark', [TOPIC], null],
      ['postmark', [], 'key'],
    ]
    for (const given of wrong) await expect(add(...given)).rejects.toMatchObject({ code: 'bad_request' })
    const listed = await eventSources.list(1)
    expect(listed.map(({ esp }) => esp).toSorted()).toEqual(['mailgun', 'postmark', 'sendgrid', 'ses', 'sparkpost'])
    expect(listed[0]?.url).toMatch(/^https:\/\/bounced\.example\.com\/in\/[a-z]+\?source=[0-9a-f]{32}$/)
    expect(await eventSources.list(2)).toEqual([])
    const rows = await context.engine.read.all('select sealed from event_sources')
    expect(JSON.stringify(rows)).not.toContain(Buffer.from('a signing key').toString('hex'))
  })
})
