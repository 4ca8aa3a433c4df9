/**
 * sending.test - mail submitted by HTTP and by SMTP leaves over SMTP: signed, one copy for each recipient
 *
 * The daemon runs in this process. Its smart host is an SMTP server of the test, and the test publishes the DKIM records in its own DNS zone.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { simpleParser } from 'mailparser'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApp, type App } from '../src/daemon/app.ts'
import { loadConfig } from '../src/settings/load.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { appEnvironment, smarthostEnvironment } from './support/app-environment.ts'
import { engines } from './support/engines.ts'
import { startSmarthost, type Sent } from './support/smarthost.ts'

const KEY = 'sending-key-0123456789abcdef0123456'

describe.each(engines)('sending: $kind', ({ url }) => {
  const data = mkdtempSync(join(tmpdir(), 'bounced-sending-'))
  const records = new Map<string, string>()
  let smarthost: Awaited<ReturnType<typeof startSmarthost>>
  let app: App

  beforeAll(async () => {
    smarthost = await startSmarthost()
    const more = { ...smarthostEnvironment(smarthost.port), BOUNCED_DATABASE: await url({ empty: true }) }
    const env = appEnvironment({ data, key: KEY, more })
    const lookUp = (name: string): Promise<string[][]> => {
      const text = records.get(name)
      return text === undefined ? Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })) : Promise.resolve([[text]])
    }
    app = await startApp(loadConfig(env).settings, await createTelemetry({ level: 'silent', format: 'json' }), { lookUp })
  })
  afterAll(async () => {
    await app.close()
    await smarthost.close()
    rmSync(data, { recursive: true, force: true })
  })

  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const authorization = `Basic ${Buffer.from(`shop:${KEY}`).toString('base64')}`
    const init = { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) }
    return (await fetch(`http://127.0.0.1:${app.httpPort}${path}`, init)).json() as Promise<Record<string, unknown>>
  }
  const received = async (to: string): Promise<Sent> => {
    await expect.poll(() => smarthost.sent.some((each) => each.to === to)).toBe(true)
    const found = smarthost.sent.find((each) => each.to === to)
    if (found === undefined) throw new Error('not received')
    return found
  }
  const verdicts = async ({ raw }: Sent): Promise<readonly string[]> => {
    const resolver = (name: string): Promise<string[][]> => Promise.resolve([[records.get(name) ?? '']])
    return (await dkimVerify(raw, { resolver })).results.map(({ status }) => status.result)
  }

  test('a DKIM key signs once its DNS record is visible', async () => {
    for (const algorithm of ['rsa', 'ed25519']) {
      const made = await post('/v1/dkim', { domain: 'example.com', algorithm, selector: algorithm })
      const record = made['record'] as { readonly name: string; readonly text: string }
      expect((await post(`/v1/dkim/example.com/${algorithm}/activate`, {}))['code']).toBe('conflict')
      records.set(record.name, record.text)
      expect((await post(`/v1/dkim/example.com/${algorithm}/activate`, {}))['state']).toBe('active')
    }
  })

  test('mail/send with variables: each recipient gets its own text and a valid signature; a repeated request sends nothing', async () => {
    const xsmtpapi = { to: ['joe@example.net', 'ann@example.org'], sub: { '%name%': ['Joe', 'Zoë'] } }
    const mail = { from: 'News <news@mail.example.com>', subject: 'Hi %name%', html: '<p>%name%</p>', xsmtpapi }
    const response = await post('/api/mail/send', { apiUser: 'shop', apiKey: KEY, ...mail, sendRequestId: 'one' })
    expect(await post('/api/mail/send', { apiUser: 'shop', apiKey: KEY, ...mail, sendRequestId: 'one' })).toEqual(response)
    const [joe, ann] = await Promise.all([received('joe@example.net'), received('ann@example.org')])
    expect(joe.from).not.toBe(ann.from)
    expect(joe.from).toMatch(/^[a-z2-7]{30}@bounce\.example\.com$/)
    const parsed = await simpleParser(ann.raw)
    expect([parsed.subject, Array.isArray(parsed.to) ? '' : parsed.to?.text]).toEqual(['Hi Zoë', 'ann@example.org'])
    expect(await verdicts(joe)).toEqual(['pass', 'pass'])
    expect(smarthost.sent.filter(({ to }) => to === 'joe@example.net')).toHaveLength(1)
  })

  test('SMTP submission with nodemailer: a Bcc recipient gets the mail and is not named in it', async () => {
    const transport = createTransport({
      host: '127.0.0.1',
      port: app.submissionPort ?? 0,
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: 'shop', pass: KEY },
    })
    const { response } = await transport.sendMail({
      from: 'news@example.com',
      to: 'eve@example.net',
      bcc: 'max@example.net',
      subject: 'Grüße',
      text: 'Zoë',
    })
    transport.close()
    expect(response).toMatch(/^250 #[a-z2-7]{21}m#Queued$/)
    const [eve, max] = await Promise.all([received('eve@example.net'), received('max@example.net')])
    expect(max.raw.toString('latin1')).not.toContain('max@example.net')
    expect((await simpleParser(eve.raw)).subject).toBe('Grüße')
    expect([await verdicts(eve), await verdicts(max)]).toEqual([
      ['pass', 'pass'],
      ['pass', 'pass'],
    ])
  })
})
