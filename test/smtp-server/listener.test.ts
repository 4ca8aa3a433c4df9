/**
 * listener.test - the report listener over real sockets: replies, accepted mail, deferrals, shutdown
 */
import { createHash } from 'node:crypto'
import { createTransport } from 'nodemailer'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { TRUNCATED_MAIL_BYTES, reportDigest } from '../../src/service/receive/incoming-mail.ts'
import { closeAll, openConnection, LIMITS, MAIL, upgradeToTls, sendRaw, startListener, openConversation } from '../support/smtp-listener.ts'

afterEach(closeAll)

describe('replies', () => {
  test('EHLO offers the required extensions and no AUTH', async () => {
    const { listener } = await startListener({ tls: true })
    const { send } = await openConversation(listener.port)
    const offer = await send('EHLO mx.example.net')
    for (const word of ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'STARTTLS', `SIZE ${LIMITS.advertisedSize}`])
      expect(offer).toContain(word)
    expect(offer).not.toContain('AUTH')
  })

  const recipients = [
    // recipient                          answer
    ['token@bounce.example.com', /^250 2\.1\.5/],
    ['TOKEN@Bounce.Example.COM', /^250 2\.1\.5/],
    ['fbl@fbl.example.com', /^250 2\.1\.5/],
    ['postmaster', /^250 2\.1\.5/],
    ['PostMaster', /^250 2\.1\.5/],
    ['abuse@bounce.example.com', /^250 2\.1\.5/],
    ['joe@example.org', /^550 5\.7\.1/],
    ['joe@evilbounce.example.com', /^550 5\.7\.1/],
    ['joe@bounce.example.com.evil.example', /^550 5\.7\.1/],
    ['"joe@bounce.example.com"@example.org', /^5(?:01 5\.1\.3|50 5\.7\.1)/],
    ['bounce.example.com', /^501 5\.1\.3/],
  ] as const
  test.each(recipients)('RCPT TO:<%s>', async (recipient, want) => {
    const { listener } = await startListener()
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    expect(await send('MAIL FROM:<>')).toMatch(/^250 2\.1\.0/)
    expect(await send(`RCPT TO:<${recipient}>`)).toMatch(want)
  })

  test('a recipient over the limit is refused with the name of the limit', async () => {
    const { listener, received } = await startListener()
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    await send('MAIL FROM:<>')
    for (const n of [1, 2, 3]) expect(await send(`RCPT TO:<t${n}@bounce.example.com>`)).toMatch(/^250/)
    expect(await send('RCPT TO:<t4@bounce.example.com>')).toMatch(/^452 4\.5\.3/)
    await send('DATA')
    expect(await send(`${MAIL}.`)).toMatch(/^250 2\.6\.0/)
    expect(received.map((mail) => mail.envelope.to)).toEqual(['t1@bounce.example.com', 't2@bounce.example.com', 't3@bounce.example.com'])
  })
})

describe('accepted mail', () => {
  test('a mail from nodemailer arrives byte for byte, with its envelope and digest', async () => {
    const { listener, received } = await startListener()
    const transport = createTransport({ host: '127.0.0.1', port: listener.port, secure: false, ignoreTLS: true })
    await transport.sendMail({ envelope: { from: '', to: ['token@bounce.example.com'] }, raw: MAIL })
    transport.close()
    const [mail] = received
    expect(Buffer.from(mail?.raw ?? []).toString()).toBe(MAIL)
    expect(mail).toMatchObject({
      size: MAIL.length,
      truncated: false,
      envelope: { from: '', to: 'token@bounce.example.com' },
      peer: '127.0.0.1',
      source: 'smtp',
    })
    expect(mail?.dataDigest).toBe(createHash('sha256').update(MAIL).digest('hex'))
    expect(reportDigest(mail?.dataDigest ?? '', 'A@b.example')).toBe(reportDigest(mail?.dataDigest ?? '', 'a@B.example'))
  })

  test('a mail over the limit is truncated; its digest covers all of it', async () => {
    const { listener, received } = await startListener()
    const { send } = await openConversation(listener.port)
    const body = `${MAIL}${`${'x'.repeat(998)}\r\n`.repeat(3_000)}`
    await send('EHLO mx.example.net')
    expect(await sendRaw(send, body.slice(0, -2))).toMatch(/^250 2\.6\.0/)
    expect(received[0]).toMatchObject({ size: body.length, truncated: true })
    expect(received[0]?.raw.length).toBe(TRUNCATED_MAIL_BYTES)
    expect(received[0]?.dataDigest).toBe(createHash('sha256').update(body).digest('hex'))
  })

  test('a mail over the advertised size is refused at MAIL FROM, or after DATA when MAIL FROM gave no SIZE', async () => {
    const { listener, received } = await startListener({ limits: { advertisedSize: 200_000 } })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    expect(await send('MAIL FROM:<> SIZE=200001')).toMatch(/^552 5\.3\.4/)
    expect(await sendRaw(send, 'x'.repeat(300_000))).toMatch(/^552 5\.3\.4/)
    expect(received).toEqual([])
  })

  test('each of several pipelined mails gets its reply', async () => {
    const { listener, received } = await startListener()
    const { socket, receive, send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    socket.write('MAIL FROM:<>\r\nRCPT TO:<a@bounce.example.com>\r\nDATA\r\n')
    for (const want of [/^250/, /^250/, /^354/]) expect(await receive()).toMatch(want)
    socket.write(`${MAIL}.\r\nMAIL FROM:<>\r\nRCPT TO:<b@bounce.example.com>\r\nDATA\r\n`)
    for (const want of [/^250 2\.6\.0/, /^250/, /^250/, /^354/]) expect(await receive()).toMatch(want)
    expect(await send(`${MAIL}.`)).toMatch(/^250 2\.6\.0/)
    expect(received.map((mail) => mail.envelope.to)).toEqual(['a@bounce.example.com', 'b@bounce.example.com'])
  })

  test('a mail arrives over STARTTLS', async () => {
    const { listener, received } = await startListener({ tls: true })
    const plain = await openConversation(listener.port)
    await plain.send('EHLO mx.example.net')
    expect(await plain.send('STARTTLS')).toMatch(/^220/)
    const { send } = await upgradeToTls(plain)
    expect(await send('EHLO mx.example.net')).not.toContain('STARTTLS')
    expect(await sendRaw(send, MAIL)).toMatch(/^250 2\.6\.0/)
    expect(received.length).toBe(1)
  })
})

describe('deferrals', () => {
  const failures = [
    // failure of the store                            reply
    [new Fault('store_busy', 'down'), /^451 4\.3\.0/],
    [new Error('a bug'), /^451 4\.3\.0/],
  ] as const
  test.each(failures)('%s', async (error, want) => {
    const { listener, received } = await startListener({ submit: () => Promise.reject(error) })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    const reply = await sendRaw(send, MAIL)
    expect(reply).toMatch(want)
    expect(reply).not.toContain(error.message)
    expect(received).toEqual([])
  })

  test('a peer over its connection limit is refused until one connection is closed', async () => {
    const { listener } = await startListener({ limits: { connectionsPerPeer: 1 } })
    const first = await openConversation(listener.port)
    await first.send('EHLO mx.example.net')
    expect(await openConnection(listener.port).receive()).toMatch(/^421 .*connectionsPerPeer/)
    expect(await first.send('QUIT')).toMatch(/^221/)
    await new Promise((resolve) => first.socket.once('close', resolve))
    // The server notices the close a moment later.
    await expect.poll(async () => (await openConversation(listener.port)).send('EHLO mx.example.net')).toMatch(/^250/)
  })

  test('a peer over its limit of mails per minute gets 421', async () => {
    const { listener } = await startListener({ limits: { mailsPerPeerMinute: 1 } })
    const { send } = await openConversation(listener.port)
    await send('EHLO mx.example.net')
    expect(await sendRaw(send, MAIL)).toMatch(/^250/)
    expect(await send('MAIL FROM:<>')).toMatch(/^421 .*mailsPerPeerMinute/)
  })

  test('above half of the memory budget no new mail begins; above all of it the largest stalled mail is aborted', async () => {
    let elapsedMs = 0
    const { listener, received } = await startListener({ limits: { bodyBudget: 400_000 }, now: () => Date.now() + elapsedMs })
    const slow = await openConversation(listener.port)
    await slow.send('EHLO slow.example.net')
    await slow.send('MAIL FROM:<>')
    await slow.send('RCPT TO:<slow@bounce.example.com>')
    await slow.send('DATA')
    const other = await openConversation(listener.port)
    await other.send('EHLO quick.example.net')
    await other.send('MAIL FROM:<>')
    await other.send('RCPT TO:<quick@bounce.example.com>')
    slow.socket.write('x'.repeat(300_000))
    const third = await openConversation(listener.port)
    await third.send('EHLO late.example.net')
    let reply = ''
    for (let tries = 0; tries < 50 && !reply.startsWith('452'); tries++) {
      reply = await third.send('MAIL FROM:<>')
      await third.send('RSET')
    }
    expect(reply).toMatch(/^452 4\.3\.1/)
    elapsedMs = 1_100
    await other.send('DATA')
    other.socket.write('y'.repeat(150_000))
    expect(await slow.receive()).toMatch(/^421 4\.4\.2/)
    expect(await other.send('\r\n.')).toMatch(/^250 2\.6\.0/)
    expect(received.map((mail) => mail.envelope.to)).toEqual(['quick@bounce.example.com'])
  })
})

test('the debug log shows the steps of a session by its id', async () => {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug', base: null, timestamp: false }, { write: (line) => void lines.push(JSON.parse(line)) })
  const { listener } = await startListener({ log })
  const { send, receive } = await openConversation(listener.port)
  await send('EHLO mx.example.net')
  await sendRaw(send, MAIL.slice(0, -2))
  await send('QUIT')
  expect(await receive()).toBe('gone')
  await expect.poll(() => lines.at(-1)?.['msg']).toBe('smtp session closed')
  expect(new Set(lines.map(({ sessionId }) => sessionId)).size).toBe(1)
  expect(lines.map(({ msg, code, destination, size }) => [msg, code ?? destination ?? size])).toEqual([
    ['smtp connection accepted', undefined],
    ['smtp reply', 220],
    ['smtp reply', 250],
    ['smtp reply', 250],
    ['smtp recipient routed', 'reports'],
    ['smtp reply', 250],
    ['smtp reply', 354],
    ['smtp data received', MAIL.length],
    ['smtp reply', 250],
    ['smtp reply', 221],
    ['smtp session closed', undefined],
  ])
})

test('closing refuses new connections, answers a mail in progress and ends idle sessions', async () => {
  const commit = Promise.withResolvers<void>()
  const submitted = Promise.withResolvers<void>()
  const { listener, received } = await startListener({
    submit: () => {
      submitted.resolve()
      return commit.promise
    },
  })
  const busy = await openConversation(listener.port)
  await busy.send('EHLO busy.example.net')
  const idle = await openConversation(listener.port)
  await idle.send('EHLO idle.example.net')
  const reply = sendRaw(busy.send, MAIL)
  await submitted.promise
  const closed = listener.close()
  expect(await idle.receive()).toMatch(/^421 4\.3\.2/)
  commit.resolve()
  expect(await reply).toMatch(/^250 2\.6\.0/)
  await closed
  expect(received.length).toBe(1)
  expect(await openConnection(listener.port).receive()).toBe('gone')
})
