/**
 * abuse.test - floods of reports raise one alarm and can be blocked, repeated reports count once, and the log contains no address
 */
import { createConnection } from 'node:net'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { arf, ndr } from './support/reports.ts'
import { startDaemon, type Daemon } from './support/daemon.ts'

const JOE = 'joe.smith@example.org'
const OPERATOR = (daemon: Daemon): string => `Bearer ${/operator {2}Bearer (\S+)/.exec(daemon.output())?.[1] ?? ''}`

type Row = Readonly<Record<string, unknown>>
const rows = (body: unknown, name: string): readonly Row[] => Object(body)[name] ?? []

describe('a daemon', () => {
  let daemon: Daemon
  let operator: string
  beforeAll(async () => {
    daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'info', BOUNCED_LOG_FORMAT: 'json', BOUNCED_FLOOD_TOKEN_REPORTS: '5' } })
    operator = OPERATOR(daemon)
  })
  afterAll(async () => {
    await daemon.stop()
  })

  async function register(recipient: string): Promise<{ emailId: string; returnPath: string; token: string; feedbackId: string }> {
    const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', recipients: [recipient] })
    const [made] = rows(body, 'recipients')
    const returnPath = String(made?.['returnPath'])
    return {
      emailId: String(made?.['emailId']),
      returnPath,
      token: returnPath.split('@')[0] ?? '',
      feedbackId: String(made?.['feedbackId']),
    }
  }
  async function send(to: string, raw: string): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: daemon.smtpPort, tls: { rejectUnauthorized: false } })
    await transport.sendMail({ envelope: { from: JOE, to: [to] }, raw })
    transport.close()
  }
  const eventsOf = async (emailId: string): Promise<readonly Row[]> =>
    rows((await daemon.api('GET', `/v1/messages/${encodeURIComponent(emailId)}`)).body, 'events')
  const waiting = async (reason: string): Promise<number> =>
    rows((await daemon.api('GET', `/v1/inbox?reason=${reason}`, undefined, operator)).body, 'items').length
  /** The first reply to a connection. */
  const greeting = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ port: daemon.smtpPort, host: '127.0.0.1' })
      socket.once('data', (data) => {
        resolve(data.toString())
        socket.destroy()
      })
      socket.once('error', reject)
    })

  test('four reports of one failure create one fact, one list entry and one step of the suppression ladder', async () => {
    const joe = await register(JOE)
    const raw = ndr({ token: joe.token, recipient: JOE })
    await send(joe.returnPath, raw)
    await send(joe.returnPath, raw)
    await send(joe.returnPath, ndr({ token: joe.token, recipient: JOE, n: 1 }))
    await send(`SRS0=ab12=XY=bounce.example.com=${joe.token}@bounce.example.com`, ndr({ token: joe.token, recipient: JOE, n: 2 }))
    const kinds = (await eventsOf(joe.emailId)).map((event) => event['kind'])
    expect(kinds).toEqual(['request', 'failed', 'list'])
    const entries = rows((await daemon.api('GET', `/v1/suppressions/bounce?address=${JOE}`)).body, 'entries')
    expect(entries.map(({ n }) => n)).toEqual([1])
  })

  test('a flood of plausible reports about one mail raises one alarm; a block of the token sends its reports to the inbox until it is removed', async () => {
    const amy = await register('amy.jones@example.org')
    for (let n = 0; n < 8; n++) await send('fbl@fbl.example.com', arf({ token: amy.feedbackId, recipient: 'amy.jones@example.org', n }))
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
    await expect.poll(metrics).toMatch(/bounced_alarms_total\{alarm="flood"\} 1\b/)
    expect(daemon.output()).toMatch(/"flood":"token".*flood of reports detected/)
    const block = await daemon.api('POST', '/v1/cuts', { token: amy.returnPath, reason: 'a flood' }, operator)
    expect(block).toMatchObject({ status: 200, body: { kind: 'token', changed: true } })
    await send(amy.returnPath, ndr({ token: amy.token, recipient: 'amy.jones@example.org' }))
    const eventKinds = async (): Promise<readonly unknown[]> => (await eventsOf(amy.emailId)).map((event) => event['kind'])
    expect([await eventKinds(), await waiting('cut')]).toEqual([['request', 'complaint', 'list'], 1])
    const name = amy.token.slice(1, 14)
    expect(await daemon.api('DELETE', `/v1/cuts?kind=token&name=${name}`, undefined, operator)).toMatchObject({ body: { changed: true } })
    await send(amy.returnPath, ndr({ token: amy.token, recipient: 'amy.jones@example.org', n: 1 }))
    expect(await eventKinds()).toEqual(['request', 'complaint', 'list', 'failed', 'list'])
  })

  test('a blocked peer gets 554 when it connects, and nothing from it is accepted', async () => {
    expect(await greeting()).toMatch(/^220 /)
    await daemon.api('POST', '/v1/cuts', { peer: '127.0.0.1', reason: 'a flood' }, operator)
    expect(await greeting()).toMatch(/^554 5\.7\.1 /)
    await expect(send('x@bounce.example.com', 'Subject: x\r\n\r\nx\r\n')).rejects.toThrow(/554/)
    await daemon.api('DELETE', '/v1/cuts?kind=peer&name=127.0.0.1', undefined, operator)
    expect(await greeting()).toMatch(/^220 /)
  })

  test('no log line at level info contains a whole address, after floods, blocks and errors', async () => {
    const bad = await register('not an address')
    await send(bad.returnPath, '\u0000\u0001 garbage')
    await send(`${JOE.split('@')[0] ?? ''}@bounce.example.com`, ndr({ recipient: JOE, n: 9 }))
    await send('postmaster@bounce.example.com', `From: ${JOE}\r\nSubject: about ${JOE}\r\n\r\n${JOE}\r\n`)
    await expect(send(JOE, 'Subject: relay\r\n\r\nx\r\n')).rejects.toThrow(/550/)
    await daemon.api('POST', '/v1/attempts', { emailId: `none$${JOE}`, code: 550, text: `<${JOE}> unknown` })
    await daemon.api('GET', `/v1/messages/${encodeURIComponent(`none$${JOE}`)}`)
    await daemon.api('POST', '/v1/messages', { from: JOE, recipients: [{ recipient: JOE, token: 'x'.repeat(30) }] })
    const [item] = rows((await daemon.api('GET', '/v1/inbox?reason=unmatched', undefined, operator)).body, 'items')
    await daemon.api('POST', `/v1/inbox/${String(item?.['id'])}/discard`, undefined, operator)
    expect(await daemon.api('DELETE', `/v1/addresses/${encodeURIComponent(JOE)}`, undefined, operator)).toMatchObject({ status: 200 })
    const lines = daemon.output().split('\n')
    expect(lines.filter((line) => line.includes('mail accepted')).length).toBeGreaterThan(10)
    expect(lines.filter((line) => /[\w.+-]+@(?:example|bounce|fbl)\b/.test(line) && line.startsWith('{'))).toEqual([])
  })
})
