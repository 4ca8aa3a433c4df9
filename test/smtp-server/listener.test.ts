/**
 * listener.test - the listener as a remote server meets it, over real sockets
 */
import { createHash } from 'node:crypto'
import { createTransport } from 'nodemailer'
import { afterEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { TRUNCATED_MAIL_BYTES, reportDigest } from '../../src/service/receive/incoming-mail.ts'
import { closeAll, openConnection, LIMITS, MAIL, upgradeToTls, sendRaw, startListener, openConversation } from '../support/smtp-listener.ts'

afterEach(closeAll)

describe('what is said', () => {
  test('EHLO offers what the standards ask for', async () => {
    const { listener } = await startListener({ tls: true })
    const { send: say } = await openConversation(listener.port)
    const offer = await say('EHLO mx.example.net')
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
    const { send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    expect(await say('MAIL FROM:<>')).toMatch(/^250 2\.1\.0/)
    expect(await say(`RCPT TO:<${recipient}>`)).toMatch(want)
  })

  test('the fourth recipient of three hears which limit it met', async () => {
    const { listener, received: taken } = await startListener()
    const { send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    await say('MAIL FROM:<>')
    for (const n of [1, 2, 3]) expect(await say(`RCPT TO:<t${n}@bounce.example.com>`)).toMatch(/^250/)
    expect(await say('RCPT TO:<t4@bounce.example.com>')).toMatch(/^452 4\.5\.3/)
    await say('DATA')
    expect(await say(`${MAIL}.`)).toMatch(/^250 2\.6\.0/)
    expect(taken.map((mail) => mail.envelope.to)).toEqual(['t1@bounce.example.com', 't2@bounce.example.com', 't3@bounce.example.com'])
  })
})

describe('what is taken', () => {
  test('a mail sent by nodemailer arrives byte for byte, with its envelope and digest', async () => {
    const { listener, received: taken } = await startListener()
    const transport = createTransport({ host: '127.0.0.1', port: listener.port, secure: false, ignoreTLS: true })
    await transport.sendMail({ envelope: { from: '', to: ['token@bounce.example.com'] }, raw: MAIL })
    transport.close()
    const [mail] = taken
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

  test('of a mail over the limit the head and the digest of all of it are kept', async () => {
    const { listener, received: taken } = await startListener()
    const { send: say } = await openConversation(listener.port)
    const body = `${MAIL}${`${'x'.repeat(998)}\r\n`.repeat(3_000)}`
    await say('EHLO mx.example.net')
    expect(await sendRaw(say, body.slice(0, -2))).toMatch(/^250 2\.6\.0/)
    expect(taken[0]).toMatchObject({ size: body.length, truncated: true })
    expect(taken[0]?.raw.length).toBe(TRUNCATED_MAIL_BYTES)
    expect(taken[0]?.dataDigest).toBe(createHash('sha256').update(body).digest('hex'))
  })

  test('a mail over the advertised size is refused at MAIL FROM, or after DATA when it was not said', async () => {
    const { listener, received: taken } = await startListener({ limits: { advertisedSize: 200_000 } })
    const { send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    expect(await say('MAIL FROM:<> SIZE=200001')).toMatch(/^552 5\.3\.4/)
    expect(await sendRaw(say, 'x'.repeat(300_000))).toMatch(/^552 5\.3\.4/)
    expect(taken).toEqual([])
  })

  test('pipelined mails on one connection are each answered', async () => {
    const { listener, received: taken } = await startListener()
    const { socket, receive: hear, send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    socket.write('MAIL FROM:<>\r\nRCPT TO:<a@bounce.example.com>\r\nDATA\r\n')
    for (const want of [/^250/, /^250/, /^354/]) expect(await hear()).toMatch(want)
    socket.write(`${MAIL}.\r\nMAIL FROM:<>\r\nRCPT TO:<b@bounce.example.com>\r\nDATA\r\n`)
    for (const want of [/^250 2\.6\.0/, /^250/, /^250/, /^354/]) expect(await hear()).toMatch(want)
    expect(await say(`${MAIL}.`)).toMatch(/^250 2\.6\.0/)
    expect(taken.map((mail) => mail.envelope.to)).toEqual(['a@bounce.example.com', 'b@bounce.example.com'])
  })

  test('STARTTLS carries a mail', async () => {
    const { listener, received: taken } = await startListener({ tls: true })
    const plain = await openConversation(listener.port)
    await plain.send('EHLO mx.example.net')
    expect(await plain.send('STARTTLS')).toMatch(/^220/)
    const { send: say } = await upgradeToTls(plain)
    expect(await say('EHLO mx.example.net')).not.toContain('STARTTLS')
    expect(await sendRaw(say, MAIL)).toMatch(/^250 2\.6\.0/)
    expect(taken.length).toBe(1)
  })
})

describe('what is put off', () => {
  const failures = [
    // what the store does                             answer
    [new Fault('store_busy', 'down'), /^451 4\.3\.0/],
    [new Error('a bug'), /^451 4\.3\.0/],
  ] as const
  test.each(failures)('%s', async (error, want) => {
    const { listener, received: taken } = await startListener({ submit: () => Promise.reject(error) })
    const { send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    const answer = await sendRaw(say, MAIL)
    expect(answer).toMatch(want)
    expect(answer).not.toContain(error.message)
    expect(taken).toEqual([])
  })

  test('a peer over its connections hears which limit, and may come back when one is closed', async () => {
    const { listener } = await startListener({ limits: { connectionsPerPeer: 1 } })
    const first = await openConversation(listener.port)
    await first.send('EHLO mx.example.net')
    expect(await openConnection(listener.port).receive()).toMatch(/^421 .*connectionsPerPeer/)
    expect(await first.send('QUIT')).toMatch(/^221/)
    await new Promise((resolve) => first.socket.once('close', resolve))
    // Our side learns of the close a moment after theirs.
    await expect.poll(async () => (await openConversation(listener.port)).send('EHLO mx.example.net')).toMatch(/^250/)
  })

  test('a peer over its mails a minute hears 421', async () => {
    const { listener } = await startListener({ limits: { mailsPerPeerMinute: 1 } })
    const { send: say } = await openConversation(listener.port)
    await say('EHLO mx.example.net')
    expect(await sendRaw(say, MAIL)).toMatch(/^250/)
    expect(await say('MAIL FROM:<>')).toMatch(/^421 .*mailsPerPeerMinute/)
  })

  test('with half the budget in open bodies no new mail begins, and above all of it the largest stalled one goes', async () => {
    const { listener, received: taken } = await startListener({ limits: { bodyBudget: 400_000 } })
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
    let answer = ''
    for (let tries = 0; tries < 50 && !answer.startsWith('452'); tries++) {
      answer = await third.send('MAIL FROM:<>')
      await third.send('RSET')
    }
    expect(answer).toMatch(/^452 4\.3\.1/)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await other.send('DATA')
    other.socket.write('y'.repeat(150_000))
    expect(await slow.receive()).toMatch(/^421 4\.4\.2/)
    expect(await other.send('\r\n.')).toMatch(/^250 2\.6\.0/)
    expect(taken.map((mail) => mail.envelope.to)).toEqual(['quick@bounce.example.com'])
  })
})

test('closing refuses newcomers, answers the one in the middle of a mail, and ends the idle', async () => {
  let commit: () => void = () => undefined
  const committed = new Promise<void>((resolve) => {
    commit = resolve
  })
  const { listener, received: taken } = await startListener({ submit: () => committed })
  const busy = await openConversation(listener.port)
  await busy.send('EHLO busy.example.net')
  const idle = await openConversation(listener.port)
  await idle.send('EHLO idle.example.net')
  const answer = sendRaw(busy.send, MAIL)
  await new Promise((resolve) => setTimeout(resolve, 100))
  const closed = listener.close()
  expect(await idle.receive()).toMatch(/^421 4\.3\.2/)
  commit()
  expect(await answer).toMatch(/^250 2\.6\.0/)
  await closed
  expect(taken.length).toBe(1)
  expect(await openConnection(listener.port).receive()).toBe('gone')
})
