/**
 * e2e.test - end to end: mails are registered, bounces and complaints arrive by SMTP, and HTTP shows the results
 *
 * The daemon's own wiring runs in this process, with real sockets, a temporary store of each kind, and a DNS of our own for DKIM.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type App } from '../src/daemon/app.ts'
import { loadConfig } from '../src/settings/load.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { appEnvironment } from './support/app-environment.ts'
import { engines } from './support/engines.ts'
import { arf, ndr } from './support/reports.ts'
import { isRow, rowsIn, type Row } from './support/json-rows.ts'

const KEY = 'e2e-key-0123456789abcdef0123456789'
const pair = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
/** The one name that this world's DNS knows: the key of Yahoo's loop, as the test plays it. */
const lookUp = (name: string, type: string): Promise<string[][]> =>
  name === 'e2e._domainkey.arf.mail.yahoo.com' && type === 'TXT'
    ? Promise.resolve([[`v=DKIM1; k=rsa; p=${pair.publicKey.toString('base64')}`]])
    : Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))

const tokenOf = (address: unknown): string => String(address).split('@')[0] ?? ''

describe.each(engines)('$kind', ({ kind, url }) => {
  const data = mkdtempSync(join(tmpdir(), 'bounced-e2e-'))
  let app: App

  beforeAll(async () => {
    const env = appEnvironment({ data, key: KEY, more: { BOUNCED_DATABASE: await url({ empty: true }) } })
    app = await startApp(loadConfig(env).settings, await createTelemetry({ level: 'silent', format: 'json' }), { lookUp })
  })
  afterAll(async () => {
    await app.close()
    rmSync(data, { recursive: true, force: true })
  })

  async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const headers = {
      authorization: `Basic ${Buffer.from(`shop:${KEY}`).toString('base64')}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const answer = await fetch(`http://127.0.0.1:${app.httpPort}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: answer.status, body: await answer.json() }
  }

  async function send(to: string, raw: string | Buffer): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: app.smtpPort, secure: false, tls: { rejectUnauthorized: false } })
    await transport.sendMail({ envelope: { from: '', to: [to] }, raw })
    transport.close()
  }

  async function register(recipients: readonly string[]): Promise<readonly Row[]> {
    const { status, body } = await call('POST', '/v1/messages', {
      from: 'news@example.com',
      subject: 'Your order',
      label: 'orders',
      recipients,
    })
    expect(status).toBe(201)
    return rowsIn(body, 'recipients')
  }
  const messageOf = (row: Row | undefined) => call('GET', `/v1/messages/${encodeURIComponent(String(row?.['emailId']))}`)

  test('a bounce arrives: status, evidence, timeline, list entry, and the refusal of the next mail', async () => {
    const [joe, ann] = await register(['joe@example.org', 'ann@example.org'])
    await send(String(joe?.['returnPath']), ndr({ token: tokenOf(joe?.['returnPath']), recipient: 'joe@example.org' }))
    const { body } = await messageOf(joe)
    expect(body).toMatchObject({ status: 4, subStatus: 406, asynchronousBounce: true, reason: 'not-exist', fault: 'recipient' })
    expect(rowsIn(body, 'events').map((event) => event['kind'])).toEqual(['request', 'failed', 'list'])
    expect(rowsIn(body, 'events')[1]).toMatchObject({ evidence: { code: 550, status: '5.1.1' } })
    expect((await messageOf(ann)).body).toMatchObject({ status: 18 })
    const [again] = await register(['joe@example.org'])
    expect(again).toMatchObject({ status: 4, subStatus: 401 })
    const listed = await call('GET', '/v1/suppressions/bounce')
    expect(JSON.stringify(listed.body)).toContain('joe@example.org')
  })

  test('a delayed mail stays, a full mailbox is a soft bounce, and a delivered report delivers', async () => {
    const [slow, full, fine] = await register(['slow@example.org', 'full@example.org', 'fine@example.org'])
    await send(
      String(slow?.['returnPath']),
      ndr({
        token: tokenOf(slow?.['returnPath']),
        recipient: 'slow@example.org',
        action: 'delayed',
        reply: '451 4.4.1 connection timed out',
        status: '4.4.1',
      }),
    )
    expect((await messageOf(slow)).body).toMatchObject({ status: 18 })
    await send(
      String(full?.['returnPath']),
      ndr({ token: tokenOf(full?.['returnPath']), recipient: 'full@example.org', reply: '552 5.2.2 mailbox full', status: '5.2.2' }),
    )
    expect((await messageOf(full)).body).toMatchObject({ status: 5, subStatus: 508, asynchronousBounce: true, fault: 'mailbox' })
    await send(
      String(fine?.['returnPath']),
      ndr({
        token: tokenOf(fine?.['returnPath']),
        recipient: 'fine@example.org',
        action: 'delivered',
        reply: '250 2.1.5 ok',
        status: '2.1.5',
      }),
    )
    expect((await messageOf(fine)).body).toMatchObject({ status: 1 })
  })

  test('a complaint counts by the token in the reported mail, signed or not, and goes to the inbox if it is forged', async () => {
    const [bea, dan] = await register(['bea@example.org', 'dan@example.org'])
    const from = ['feedback@loops.example', 'feedback@arf.mail.yahoo.com'] as const
    const report = (row: Row | undefined, recipient: string): string =>
      arf({ token: String(row?.['feedbackId']), recipient }).replace(...from)
    const forged = arf({ token: String(bea?.['feedbackId']).replace(/.$/, 'x'), recipient: 'bea@example.org' })
    await send('fbl@fbl.example.com', forged)
    expect(rowsIn((await call('GET', '/v1/inbox')).body, 'items').some((row) => row['reason'] === 'unverified')).toBe(true)
    const key = { signingDomain: 'arf.mail.yahoo.com', selector: 'e2e', privateKey: pair.privateKey }
    const signed = await dkimSign(report(bea, 'bea@example.org'), { ...key, signatureData: [key] })
    await send('fbl@fbl.example.com', `${signed.signatures}${report(bea, 'bea@example.org')}`)
    await send('fbl@fbl.example.com', report(dan, 'dan@example.org'))
    for (const row of [bea, dan])
      expect(rowsIn((await messageOf(row)).body, 'events').map((event) => event['kind'])).toEqual(['request', 'complaint', 'list'])
    const proofs = rowsIn((await call('GET', '/v1/suppressions/complaint')).body, 'entries').map((row) =>
      [row['address'], row['proof']].join(' '),
    )
    expect(proofs.toSorted()).toEqual(['bea@example.org signed', 'dan@example.org token'])
  })

  test('one-click and mailto unsubscribes answer; a GET never does', async () => {
    const [cat, dog] = await register(['cat@example.org', 'dog@example.org'])
    const links = (row: Row | undefined): string => (isRow(row?.['headers']) ? String(row['headers']['List-Unsubscribe']) : '')
    const path = /https?:\/\/[^/]+(\/u\/[a-z2-7]+)/.exec(links(cat))?.[1] ?? ''
    const at = `http://127.0.0.1:${app.httpPort}${path}`
    expect((await fetch(at)).status).toBe(200)
    expect((await messageOf(cat)).body).toMatchObject({ status: 18 })
    expect((await call('POST', '/v1/suppressions/check', { addresses: ['cat@example.org'] })).body).toEqual(
      expect.objectContaining({ results: [expect.objectContaining({ suppressed: false })] }),
    )
    const one = await fetch(at, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'List-Unsubscribe=One-Click',
    })
    expect(one.status).toBe(200)
    const mailto = /mailto:([^?>]+)/.exec(links(dog))?.[1] ?? ''
    await send(mailto, 'From: dog@example.org\r\nTo: x@fbl.example.com\r\nSubject: unsubscribe\r\n\r\n\r\n')
    const lists = JSON.stringify((await call('GET', '/v1/suppressions/unsubscribe')).body)
    for (const address of ['cat@example.org', 'dog@example.org']) expect(lists).toContain(address)
  })

  test('attempts and the compatible API show the same results', async () => {
    const [eve] = await register(['eve@example.org'])
    const emailId = String(eve?.['emailId'])
    expect(
      (await call('POST', '/v1/attempts', { emailId, code: 250, text: '2.0.0 OK', mx: 'mx.example.org', egressIp: '198.51.100.1' })).status,
    ).toBeLessThan(300)
    const { body } = await call('GET', `/api/data/emailStatus?apiUser=shop&apiKey=${KEY}&days=1&emailIds=${encodeURIComponent(emailId)}`)
    expect(body).toMatchObject({ result: true, statusCode: 200, info: { total: '1', voListSize: 1 } })
    const bounces = await call('GET', `/apiv2/bounce/list?api_user=shop&api_key=${KEY}&days=1`)
    expect(bounces.body).toMatchObject({ result: true, statusCode: 200 })
  })

  test(`an unreadable mail is kept raw for the operator (${kind})`, async () => {
    await send('stray@bounce.example.com', Buffer.from([0, 255, 254, 13, 10]))
    const { body } = await call('GET', '/v1/inbox')
    expect(body).toBeTypeOf('object')
    const metrics = await (await fetch(`http://127.0.0.1:${app.adminPort}/metrics`)).text()
    expect(metrics).toMatch(/bounced_mails_received_total\{kind="bounce"\} [1-9]/)
    expect(metrics).toMatch(/bounced_complaints_total\{proof="token"\} [1-9]/)
    for (const port of [app.httpPort, app.adminPort]) expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    expect((await fetch(`http://127.0.0.1:${app.httpPort}/metrics`)).status).toBe(404)
  })
})
