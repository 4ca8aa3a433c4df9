/**
 * follow.test - what the lines of a log change: statuses, lists, webhooks, timelines; and what they leave alone
 */
import { afterEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import type { LogFormat } from '../../../src/mta-log/log-formats.ts'
import { createRecordLogRecords } from '../../../src/service/follow/log-hook.ts'
import { readLines, type LogText } from '../../../src/service/follow/read-lines.ts'
import { createReceiver } from '../../../src/service/receive/receive.ts'
import { rebuild } from '../../../src/service/admin/rebuild.ts'
import { createRegister, type RegisteredRecipient, type Registration } from '../../../src/service/submit/register.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { findDeliveriesByEmailIds } from '../../../src/store/mail/deliveries.ts'
import { findSuppressionsInForce } from '../../../src/store/lists/suppressions.ts'
import { addEndpoint } from '../../../src/store/webhook/endpoints.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { engines } from '../../support/engines.ts'
import { makeIncomingMail } from '../../support/reports.ts'

const START = Date.UTC(2026, 10, 29, 11)
const BY = { account: 1, apiUser: 'sender', ip: '192.0.2.7' }

const opened: Engine[] = []
afterEach(async () => {
  for (const engine of opened.splice(0)) await engine.close()
})

describe.each(engines)('on $kind', ({ open }) => {
  async function bench() {
    const { engine } = await open()
    opened.push(engine)
    const clock: Clock = { now: START }
    const context = await makeContext(engine, clock, [{}, {}])
    await engine.tx((db) =>
      addEndpoint(db, {
        account: 1,
        url: 'https://hooks.example.com/',
        name: 'hook',
        events: ['deliver', 'invalid', 'soft_bounce'],
        apiUsers: [],
        format: 'bounced',
        ladder: 'standard',
        sealedKey: Buffer.alloc(0),
        enabled: true,
        createdAt: START,
        updatedAt: START,
      }),
    )
    const registerRecipients = createRegister(context)
    const register = async (recipients: readonly string[], over: Partial<Registration> = {}): Promise<readonly RegisteredRecipient[]> =>
      (
        await registerRecipients(BY, {
          from: 'news@example.com',
          subject: 'Hello',
          recipients: recipients.map((recipient) => ({ recipient, contactTypes: null })),
          label: null,
          broadcast: null,
          emailType: 'trigger',
          headers: {},
          ...over,
        })
      ).recipients
    const read = (lines: readonly string[], over: Partial<LogText> & { readonly format?: LogFormat } = {}) =>
      readLines(context, { format: 'postfix', lines, host: 'mail', zone: 'UTC', relays: [], columns: [], log: null, notify: true, ...over })
    const rowOf = async ({ emailId }: RegisteredRecipient) => {
      const [row] = await findDeliveriesByEmailIds(context.engine.read, 1, [emailId])
      if (row === undefined) throw new Error('no row')
      return row
    }
    const statusOf = async (recipient: RegisteredRecipient): Promise<unknown> => {
      const { status, subStatus, asynchronous, reason } = await rowOf(recipient)
      return [status, subStatus, asynchronous, reason]
    }
    const factsOf = async (recipient: RegisteredRecipient) =>
      findFactsBySubject(context.engine.read, [{ account: 1, subject: (await rowOf(recipient)).deliveryId }])
    const webhooks = async (): Promise<number> => (await context.engine.read.all('select 1 from outbox')).length
    return { context, clock, register, read, rowOf, statusOf, factsOf, webhooks }
  }

  const line = (queueId: string, text: string, second = 4): string =>
    `Nov 29 11:33:${String(second).padStart(2, '0')} mail postfix/smtp[71]: ${queueId}: ${text}`
  const names = (queueId: string, sender: string, count = 1): readonly string[] => [
    `Nov 29 11:33:00 mail postfix/smtpd[70]: ${queueId}: client=app.example.com[192.0.2.7]`,
    `Nov 29 11:33:00 mail postfix/cleanup[70]: ${queueId}: message-id=<${queueId}@app.example.com>`,
    `Nov 29 11:33:00 mail postfix/qmgr[70]: ${queueId}: from=<${sender}>, size=512, nrcpt=${count} (queue active)`,
  ]
  const to = (recipient: string, rest: string): string =>
    `to=<${recipient}>, relay=mx.example.org[192.0.2.25]:25, delay=1, delays=1/0/0/0, ${rest}`
  const SENT = 'dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 9ZZZZ)'
  const DEFERRED =
    'dsn=4.2.2, status=deferred (host mx.example.org[192.0.2.25] said: 452 4.2.2 The mailbox is over quota (in reply to RCPT TO command))'
  const BOUNCED = 'dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.25] said: 550 5.1.1 User unknown (in reply to RCPT TO command))'
  const removed = (queueId: string): string => `Nov 29 11:40:00 mail postfix/qmgr[70]: ${queueId}: removed`

  test('sent, deferred, bounced and expired by the Return-Path; nothing changes when the lines are read again', async () => {
    const { context, clock, register, read, statusOf, factsOf, webhooks } = await bench()
    const [a, b, c, d] = await register(['a@example.org', 'b@example.org', 'c@example.org', 'd@example.org'])
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('not registered')
    clock.now = Date.UTC(2026, 11, 5)
    const lines = [
      ...names('4AAAA0001', a.returnPath),
      line('4AAAA0001', to('a@example.org', SENT)),
      removed('4AAAA0001'),
      ...names('4BBBB0001', b.returnPath),
      line('4BBBB0001', to('b@example.org', BOUNCED)),
      removed('4BBBB0001'),
      'nonsense that no MTA writes',
      ...names('4CCCC0001', c.returnPath),
      line('4CCCC0001', to('c@example.org', DEFERRED), 1),
      line('4CCCC0001', to('c@example.org', DEFERRED), 2),
      `Dec  4 11:33:00 mail postfix/qmgr[70]: 4CCCC0001: from=<${c.returnPath}>, status=expired, returned to sender`,
      removed('4CCCC0001'),
      ...names('4DDDD0001', d.returnPath),
      line('4DDDD0001', to('d@example.org', DEFERRED)),
      ...names('4EEEE0001', 'somebody@example.net'),
      line('4EEEE0001', to('friend@example.org', SENT)),
    ]
    expect(await read(lines)).toMatchObject({
      counts: { recorded: 6, known: 0, unmatched: 1, unreadable: 1, byResult: { sent: 1, bounced: 1, deferred: 3, expired: 1 } },
    })
    expect(await statusOf(a)).toEqual([1, null, false, null])
    expect(await statusOf(b)).toEqual([4, 406, false, 'not-exist'])
    expect(await statusOf(c)).toEqual([5, 508, false, 'mailbox-full'])
    expect(await statusOf(d)).toEqual([18, null, false, null])
    expect(await webhooks()).toBe(3)
    expect((await factsOf(c)).map(({ kind, data }) => [kind, 'final' in data && data.final])).toEqual([
      ['request', false],
      ['attempt', false],
      ['attempt', false],
      ['attempt', true],
    ])
    const hash = hashAddress('b@example.org') ?? ''
    expect(
      (await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at: clock.now })).get(hash)?.map(({ list }) => list),
    ).toEqual(['bounce'])
    expect(await read(lines)).toMatchObject({ counts: { recorded: 0, known: 6 } })
    expect(await webhooks()).toBe(3)
    // Only the mail that still waits is kept, and no address of anybody.
    const kept = await context.engine.read.all('select queue_id, sender, open from followed_messages order by queue_id')
    expect(kept.map((row) => row['queue_id'])).toEqual(['4DDDD0001', '4EEEE0001'])
    expect(JSON.stringify(kept)).not.toContain('@example.net')
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('lines of one mail in several batches, and a queue id that comes again', async () => {
    const { clock, register, read, statusOf } = await bench()
    const [a, b] = await register(['a@example.org', 'b@example.org'])
    if (a === undefined || b === undefined) throw new Error('not registered')
    clock.now = START + 3_600_000
    for (const each of [...names('4AAAA0001', a.returnPath), line('4AAAA0001', to('a@example.org', DEFERRED))]) await read([each])
    await read([removed('4AAAA0001')])
    await read(names('4AAAA0001', b.returnPath))
    expect(await read([line('4AAAA0001', to('b@example.org', BOUNCED), 30)])).toMatchObject({ counts: { recorded: 1 } })
    expect(await statusOf(a)).toEqual([18, null, false, null])
    expect(await statusOf(b)).toEqual([4, 406, false, 'not-exist'])
    // The same id at another host is another mail.
    expect(await read([line('4AAAA0001', to('b@example.org', SENT), 40).replace(' mail ', ' other ')])).toMatchObject({
      counts: { unmatched: 1 },
    })
  })

  test('one mail to many recipients: by the Return-Path of one, by its own Message-ID, and by the queue id of its registration', async () => {
    const { register, read, statusOf, clock } = await bench()
    clock.now = START + 3_600_000
    const [a, b] = await register(['a@example.org', 'b@example.org'])
    if (a === undefined || b === undefined) throw new Error('not registered')
    await read([
      ...names('4AAAA0001', a.returnPath, 2),
      line('4AAAA0001', to('a@example.org', SENT)),
      line('4AAAA0001', to('b@example.org', BOUNCED)),
    ])
    expect(await statusOf(a)).toEqual([1, null, false, null])
    expect(await statusOf(b)).toEqual([4, 406, false, 'not-exist'])
    const [c, d] = await register(['c@example.org', 'd@example.org'], { headers: { 'Message-ID': '<4BBBB0001@app.example.com>' } })
    if (c === undefined || d === undefined) throw new Error('not registered')
    await read([
      ...names('4BBBB0001', 'news@example.com', 2),
      line('4BBBB0001', to('d@example.org', BOUNCED)),
      line('4BBBB0001', to('x@example.org', BOUNCED)),
    ])
    expect(await statusOf(c)).toEqual([18, null, false, null])
    expect(await statusOf(d)).toEqual([4, 406, false, 'not-exist'])
    const recipients = ['e@example.org', 'f@example.org'].map((recipient) => ({ recipient, contactTypes: null, queueId: 'job-7' }))
    const [e, f] = await register([], { recipients })
    if (e === undefined || f === undefined) throw new Error('not registered')
    const bounced = JSON.stringify({
      event: 'bounced',
      queueId: 'job-7',
      recipient: 'f@example.org',
      code: 550,
      text: '5.1.1 no such user',
    })
    await read([bounced], { format: 'jsonl' })
    expect(await statusOf(e)).toEqual([18, null, false, null])
    expect(await statusOf(f)).toEqual([4, 406, false, 'not-exist'])
  })

  test('our Message-ID finds the mail where a filter has changed the sender', async () => {
    const { register, read, statusOf, clock } = await bench()
    clock.now = START + 3_600_000
    const [a] = await register(['a@example.org'])
    if (a === undefined) throw new Error('not registered')
    const [client = '', , from = ''] = names('4AAAA0001', 'srs@relay.example.net')
    await read([
      client,
      `Nov 29 11:33:00 mail postfix/cleanup[70]: 4AAAA0001: message-id=${a.messageIdHeader}`,
      from,
      line('4AAAA0001', to('a@example.org', BOUNCED)),
    ])
    expect(await statusOf(a)).toEqual([4, 406, false, 'not-exist'])
  })

  test('a hand-over is no delivery, and is followed to the next queue id, also where the recipient is rewritten', async () => {
    const { register, read, statusOf, clock, webhooks } = await bench()
    clock.now = START + 3_600_000
    const [a, b] = await register(['a@example.org', 'b@example.org'])
    if (a === undefined || b === undefined) throw new Error('not registered')
    const handOver = 'relay=127.0.0.1[127.0.0.1]:10024, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4FFFF0001)'
    await read([...names('4AAAA0001', a.returnPath), line('4AAAA0001', `to=<a@example.org>, ${handOver}`), removed('4AAAA0001')])
    expect(await statusOf(a)).toEqual([18, null, false, null])
    expect(await webhooks()).toBe(0)
    await read([...names('4FFFF0001', 'filter@mail.example.com'), line('4FFFF0001', to('a@example.org', BOUNCED)), removed('4FFFF0001')])
    expect(await statusOf(a)).toEqual([4, 406, false, 'not-exist'])
    const relayed =
      'relay=relay.example.com[10.0.0.9]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4GGGG0001)'
    await read([...names('4BBBB0001', b.returnPath), line('4BBBB0001', `to=<b@example.org>, ${relayed}`)], { relays: ['10.0.0.0/8'] })
    expect(await statusOf(b)).toEqual([18, null, false, null])
    await read([line('4GGGG0001', to('b@example.org', SENT)).replace(' mail ', ' relay ')])
    expect(await statusOf(b)).toEqual([1, null, false, null])
  })

  test('orig_to before to; a refusal of another domain behind an alias feeds no list', async () => {
    const { context, register, read, rowOf, clock } = await bench()
    clock.now = START + 3_600_000
    const [a] = await register(['a@example.org'])
    if (a === undefined) throw new Error('not registered')
    await read([
      ...names('4AAAA0001', a.returnPath, 2),
      line('4AAAA0001', to('real@other.example', BOUNCED).replace(', relay', ', orig_to=<a@example.org>, relay')),
    ])
    expect(await rowOf(a)).toMatchObject({ status: 4, subStatus: 406, forwarded: true })
    const hash = hashAddress('a@example.org') ?? ''
    expect((await findSuppressionsInForce(context.engine.read, 1, { hashes: [hash], at: clock.now })).get(hash) ?? []).toEqual([])
  })

  const ndr = (recipient: RegisteredRecipient, over: { readonly mta?: string; readonly queueId?: string } = {}): string =>
    [
      `From: MAILER-DAEMON@mail.example.com`,
      `To: ${recipient.returnPath}`,
      'Subject: Undelivered Mail Returned to Sender',
      'MIME-Version: 1.0',
      'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
      '',
      '--b',
      'Content-Type: message/delivery-status',
      '',
      `Reporting-MTA: dns; ${over.mta ?? 'mail.example.com'}`,
      ...(over.queueId === undefined ? [] : [`X-Postfix-Queue-ID: ${over.queueId}`]),
      '',
      `Final-Recipient: rfc822; ${recipient.recipient ?? ''}`,
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 5.1.1 User unknown',
      '',
      '--b--',
      '',
    ].join('\r\n')

  test('the report of the MTA itself moves nothing after its line, and is the outcome in the session before it', async () => {
    const { context, register, read, statusOf, factsOf, clock, webhooks } = await bench()
    const receiver = createReceiver(context, {
      prover: () => Promise.resolve(NO_AUTHENTICATION_RESULTS),
      dryRun: false,
      notifyReplays: true,
    })
    const submit = (recipient: RegisteredRecipient, raw: string) =>
      receiver.submit(makeIncomingMail(raw, recipient.returnPath, { at: clock.now, receivedAt: clock.now }))
    clock.now = START + 3_600_000
    const [a, b, c, d] = await register(['a@example.org', 'b@example.org', 'c@example.org', 'd@example.org'])
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('not registered')
    const log = { source: 'mail:/var/log/mail.log', position: { offset: 1, head: '', headBytes: 0 }, revision: 0, hosts: [] }
    await read([...names('4AAAA0001', a.returnPath), line('4AAAA0001', to('a@example.org', BOUNCED)), removed('4AAAA0001')], { log })
    context.accountCache.invalidate()
    expect(await webhooks()).toBe(1)
    expect(await submit(a, ndr(a))).toMatchObject({ kind: 'bounce', inboxReason: null })
    expect(await statusOf(a)).toEqual([4, 406, false, 'not-exist'])
    expect((await factsOf(a)).map(({ kind }) => kind)).toEqual(['request', 'attempt', 'failed'])
    expect(await webhooks()).toBe(1)
    // The report comes first.
    await submit(b, ndr(b))
    expect(await statusOf(b)).toEqual([4, 406, false, 'not-exist'])
    expect(await webhooks()).toBe(2)
    await read([...names('4BBBB0001', b.returnPath), line('4BBBB0001', to('b@example.org', BOUNCED)), removed('4BBBB0001')])
    expect(await statusOf(b)).toEqual([4, 406, false, 'not-exist'])
    expect((await factsOf(b)).map(({ kind }) => kind)).toEqual(['request', 'failed', 'attempt'])
    expect(await webhooks()).toBe(2)
    // Another name of the same MTA, by its queue id.
    await read([...names('4CCCC0001', c.returnPath), line('4CCCC0001', to('c@example.org', BOUNCED)), removed('4CCCC0001')])
    await submit(c, ndr(c, { mta: 'out7.example.net', queueId: '4CCCC0001' }))
    expect(await statusOf(c)).toEqual([4, 406, false, 'not-exist'])
    // A report of the next server, after our MTA has delivered.
    await read([...names('4DDDD0001', d.returnPath), line('4DDDD0001', to('d@example.org', SENT)), removed('4DDDD0001')])
    await submit(d, ndr(d, { mta: 'mx.example.org' }))
    expect(await statusOf(d)).toEqual([4, 406, true, 'not-exist'])
    expect((await rebuild(context, { check: true, onProgress: () => undefined })).differences).toEqual([])
  })

  test('the hook of one account neither ends nor forgets the mail of another, whose queue id is no secret', async () => {
    const { context, register, read, statusOf, clock } = await bench()
    const [victim, second] = await register(['victim@example.org', 'second@example.org'])
    if (victim === undefined || second === undefined) throw new Error('not registered')
    clock.now = START + 60_000
    const hook = createRecordLogRecords(context, [])
    const record = (type: string, code: number, over: object = {}): object => ({
      type,
      id: 'd7ef132b5d7711eea8c8000c29c33806',
      recipient: 'victim@example.org',
      timestamp: (START + 30_000) / 1_000,
      response: { code, content: code === 550 ? '5.1.1 User unknown' : '4.2.2 The mailbox is over quota' },
      ...over,
    })
    await hook(1, [record('TransientFailure', 452, { sender: victim.returnPath })])
    const id = '4FFFF0001'
    await read([...names(id, second.returnPath), line(id, to('second@example.org', DEFERRED))])
    const other = { id, recipient: 'second@example.org' }
    expect(
      await hook(2, [record('Bounce', 550), record('Bounce', 550, other), record('Expiration', 550, { recipient: [] })]),
    ).toMatchObject({
      recorded: 0,
      unmatched: 2,
    })
    expect([await statusOf(victim), await statusOf(second)]).toEqual([
      [18, null, false, null],
      [18, null, false, null],
    ])
    // Neither names the sender again: both entries are still there.
    expect(await hook(1, [record('Bounce', 550)])).toMatchObject({ recorded: 1 })
    await read([line(id, to('second@example.org', BOUNCED), 9)])
    expect([await statusOf(victim), await statusOf(second)]).toEqual([
      [4, 406, false, 'not-exist'],
      [4, 406, false, 'not-exist'],
    ])
  })

  test('an outdated reader is refused, and a silent one sends no webhook', async () => {
    const { register, read, statusOf, clock, webhooks } = await bench()
    clock.now = START + 3_600_000
    const [a] = await register(['a@example.org'])
    if (a === undefined) throw new Error('not registered')
    const log = { source: 'mail:/var/log/mail.log', position: { offset: 9, head: 'x', headBytes: 9 }, revision: 0, hosts: [] }
    const lines = [...names('4AAAA0001', a.returnPath), line('4AAAA0001', to('a@example.org', SENT))]
    expect(await read([], { log })).toMatchObject({ revision: 1 })
    await expect(read(lines, { log })).rejects.toMatchObject({ code: 'conflict' })
    expect(await statusOf(a)).toEqual([18, null, false, null])
    expect(await read(lines, { log: { ...log, revision: 1 }, notify: false })).toMatchObject({ revision: 2, counts: { recorded: 1 } })
    expect(await statusOf(a)).toEqual([1, null, false, null])
    expect(await webhooks()).toBe(0)
  })
})
