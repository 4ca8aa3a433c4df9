/**
 * tls-reports.test - TLS reports from the SMTP listener to the API, the command line and the metrics, on both stores
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { STORE_COMMANDS } from '../src/commands/store-commands.ts'
import { startApp, type App } from '../src/daemon/app.ts'
import { createCommandClient } from '../src/daemon/command-client.ts'
import { loadConfig } from '../src/settings/load.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { appEnvironment } from './support/app-environment.ts'
import { publishKey, signWith } from './support/dkim-signer.ts'
import { engines } from './support/engines.ts'
import { rowsIn, type Row } from './support/json-rows.ts'

const KEY = 'tls-key-0123456789abcdef0123456789'
const FIELDS = 'From:Subject:Content-Type:Content-Transfer-Encoding:MIME-Version:TLS-Report-Domain:TLS-Report-Submitter'
const DAY_MS = 86_400_000
/** One period for all mails of a run: a report that is made again is the same report. */
const YESTERDAY = Date.now() - DAY_MS
const TO = 'tlsrpt@bounce.example.com'

type Given = {
  readonly id: string
  readonly domain?: string
  readonly failed?: number
  readonly submitter?: string
  readonly startsAt?: number
  /** Two mails with the same report differ in it. */
  readonly note?: string
  /** In the place of the JSON. */
  readonly text?: string
}

/** A mail with a report that is read. */
function tlsMail(given: Given): string {
  const { id, domain = 'bounce.example.com', failed = 0, submitter = 'example.org', startsAt = YESTERDAY, note = '' } = given
  const json = JSON.stringify({
    'organization-name': 'Example',
    'date-range': { 'start-datetime': new Date(startsAt).toISOString(), 'end-datetime': new Date(startsAt + DAY_MS).toISOString() },
    'contact-info': 'tls@example.org',
    'report-id': id,
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-domain': domain },
        summary: { 'total-successful-session-count': 100, 'total-failure-session-count': failed },
        'failure-details': [{ 'result-type': 'certificate-expired', 'sending-mta-ip': '192.0.2.1', 'failed-session-count': failed }],
      },
    ],
  })
  const body = gzipSync(given.text ?? json).toString('base64')
  return [
    `From: tls@${submitter}`,
    `Subject: Report Domain: ${domain} Submitter: ${submitter} Report-ID: <${id}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter}`,
    `X-Note: ${note}`,
    'MIME-Version: 1.0',
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    '',
    ...(body.match(/.{1,76}/g) ?? []),
    '',
  ].join('\r\n')
}

const signed = (given: Given, by = 'example.org', fields = FIELDS): string => signWith(tlsMail(given), by, fields)

describe.each(engines)('$kind', ({ url }) => {
  const data = mkdtempSync(join(tmpdir(), 'bounced-tls-'))
  let app: App
  let operator = ''

  beforeAll(async () => {
    const env = appEnvironment({ data, key: KEY, more: { BOUNCED_DATABASE: await url({ empty: true }) } })
    app = await startApp(loadConfig(env).settings, await createTelemetry({ level: 'silent', format: 'json' }), {
      lookUp: publishKey(['example.org', 'stranger.example']),
      commands: STORE_COMMANDS,
    })
    operator = `Bearer ${/operator: (\S+)/.exec(await run('account rotate', { apiUser: 'operator' }))?.[1] ?? ''}`
  })
  afterAll(async () => {
    await app.close()
    rmSync(data, { recursive: true, force: true })
  })

  /** What a command prints. */
  async function run(command: string, input: unknown): Promise<string> {
    const lines: string[] = []
    const client = createCommandClient(data)
    await client.run(command, input, {
      printLines: async (...more) => void lines.push(...more),
      write: async (bytes) => void lines.push(Buffer.from(bytes).toString()),
      setProgress: () => undefined,
      setExitStatus: () => undefined,
      signal: new AbortController().signal,
    })
    client.close()
    return lines.join('\n')
  }

  async function call(
    path: string,
    { method = 'GET', auth = operator, body }: { method?: string; auth?: string; body?: unknown } = {},
  ): Promise<unknown> {
    const headers = { authorization: auth, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const options = body === undefined ? {} : { body: JSON.stringify(body) }
    return (await fetch(`http://127.0.0.1:${app.httpPort}${path}`, { method, headers, ...options })).json()
  }

  async function send(raw: string, to = TO): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: app.smtpPort, secure: false, tls: { rejectUnauthorized: false } })
    await transport
      .sendMail({ envelope: { from: 'tls@example.org', to: [to] }, raw: Buffer.from(raw, 'latin1') })
      .finally(() => transport.close())
  }

  const reports = async (): Promise<readonly Row[]> => rowsIn(await call('/v1/tls-reports?limit=100'), 'items')
  const withId = async (id: string): Promise<readonly Row[]> => (await reports()).filter((row) => row['reportId'] === id)
  const inbox = async (): Promise<readonly Row[]> => rowsIn(await call('/v1/inbox?limit=100'), 'items')

  async function sessions(): Promise<{ readonly successful: number; readonly failed: number }> {
    const text = await (await fetch(`http://127.0.0.1:${app.adminPort}/metrics`)).text()
    const of = (outcome: string): number =>
      Number(new RegExp(`bounced_tls_report_sessions_total\\{outcome="${outcome}"\\} (\\d+)`).exec(text)?.[1] ?? 0)
    return { successful: of('successful'), failed: of('failed') }
  }

  test('a signed report is shown whole, counted once, and is in no inbox', async () => {
    const before = await sessions()
    await send(signed({ id: 'whole', failed: 7 }))
    await send(signed({ id: 'whole', failed: 7, note: 'again' }))
    await send(signed({ id: 'whole', failed: 7 }), 'postmaster@bounce.example.com')
    expect(await withId('whole')).toEqual([
      expect.objectContaining({
        submitter: 'example.org',
        signedBy: 'example.org',
        domain: 'bounce.example.com',
        isOwnDomain: true,
        organizationName: 'Example',
        contactInfo: 'tls@example.org',
        successful: 100,
        failed: 7,
        omitted: 0,
        policies: [
          expect.objectContaining({ type: 'sts', failures: [expect.objectContaining({ resultType: 'certificate-expired', sessions: 7 })] }),
        ],
      }),
    ])
    expect(await sessions()).toEqual({ successful: before.successful + 100, failed: before.failed + 7 })
    expect((await inbox()).filter((item) => item['kind'] === 'tls-report')).toEqual([])
  })

  test('who writes a report before its submitter does not keep it out, and is not counted', async () => {
    const before = await sessions()
    await send(tlsMail({ id: 'foreseen', failed: 1_000 }))
    await send(signed({ id: 'foreseen', failed: 2_000 }, 'stranger.example'))
    // Signed without the field that makes it a report, so that anybody could have added it.
    await send(signed({ id: 'foreseen', failed: 3_000 }, 'example.org', 'From:Subject'))
    await send(signed({ id: 'foreseen', failed: 1 }))
    expect((await withId('foreseen')).map((row) => [row['signedBy'], row['failed']])).toEqual([
      ['example.org', 1],
      [null, 1_000],
    ])
    expect(await sessions()).toEqual({ successful: before.successful + 100, failed: before.failed + 1 })
  })

  test('a report about another domain is shown as such, and not counted', async () => {
    const before = await sessions()
    await send(signed({ id: 'other', domain: 'other.example', failed: 5 }))
    expect(await withId('other')).toEqual([expect.objectContaining({ isOwnDomain: false, signedBy: 'example.org' })])
    expect(await sessions()).toEqual(before)
  })

  test('to the address of a mail, it changes neither the mail nor its account', async () => {
    const auth = `Basic ${Buffer.from(`shop:${KEY}`).toString('base64')}`
    const message = { from: 'news@example.com', subject: 'Hello', recipients: ['joe@example.org'] }
    const [mail] = rowsIn(await call('/v1/messages', { method: 'POST', auth, body: message }), 'recipients')
    await send(signed({ id: 'to-a-token', failed: 1 }), String(mail?.['returnPath']))
    expect(await withId('to-a-token')).toHaveLength(1)
    const after = await call(`/v1/messages/${encodeURIComponent(String(mail?.['emailId']))}`, { auth })
    expect(after).toMatchObject({ status: 18 })
    expect(rowsIn(after, 'events').map((event) => event['kind'])).toEqual(['request'])
  })

  test('a report that cannot be read is in the inbox, raw', async () => {
    await send(tlsMail({ id: 'bomb', text: ' '.repeat(4_000_000) }))
    await send(tlsMail({ id: 'types', text: '{"report-id":{},"policies":7}' }))
    expect(await withId('bomb')).toEqual([])
    const items = (await inbox()).filter((item) => item['kind'] === 'tls-report')
    expect(items.map((item) => item['reason'])).toEqual(['unreadable', 'unreadable'])
  })

  test('the latest period is first, one to come counts as of today, and pages follow each other', async () => {
    await send(tlsMail({ id: 'future', startsAt: Date.UTC(9_000, 0) }))
    await send(tlsMail({ id: 'old', startsAt: Date.UTC(2_001, 0) }))
    const all = await reports()
    expect([0, -1].map((at) => all.at(at)?.['reportId'])).toEqual(['future', 'old'])
    const ids: unknown[] = []
    for (let next: string | null = ''; next !== null;) {
      const page = await call(`/v1/tls-reports?limit=2${next === '' ? '' : `&after=${encodeURIComponent(next)}`}`)
      ids.push(...rowsIn(page, 'items').map((row) => row['id']))
      next = typeof page === 'object' && page !== null && 'next' in page && typeof page.next === 'string' ? page.next : null
    }
    expect(ids).toEqual(all.map((row) => row['id']))
    const output = await run('tls-reports', { limit: 100 })
    expect(output.endsWith(`\n${all.length} TLS reports`)).toBe(true)
    expect(output).toMatch(/not signed: anybody could have sent it/)
    expect(output).toMatch(/example\.org about other\.example \(not a domain of ours\)\n {2}signed by example\.org/)
    expect(output).toMatch(
      /policy sts of bounce\.example\.com: 100 sessions with TLS, 7 failed\n +7 × certificate-expired from 192\.0\.2\.1/,
    )
  })

  test('an erasure leaves the address in no report', async () => {
    await send(signed({ id: 'of tls@example.org' }))
    expect(await run('erase', { address: 'tls@example.org' })).toMatch(/^erased/)
    const left = await call('/v1/tls-reports?limit=100')
    expect(rowsIn(left, 'items').length).toBeGreaterThan(0)
    expect(JSON.stringify(left)).not.toContain('tls@example.org')
  })

  test('a report that a fixture has is read too', async () => {
    await send(readFileSync(join(import.meta.dirname, '../fixtures/mails/tls-report-gzip.eml'), 'latin1'))
    expect(await withId('2026-03-12T00:00:00Z_bounce.example.com')).toEqual([expect.objectContaining({ failed: 12, signedBy: null })])
  })
})
