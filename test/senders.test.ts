/**
 * senders.test - daemons of senders with other programs: events of an ESP by HTTP, VERP of another MTA by SMTP, copies of reports between two
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'
import { API_USER, childEnvironment, MASTER_KEY, startDaemon, type Daemon } from './support/daemon.ts'
import { ndr } from './support/reports.ts'

const CLI = join(import.meta.dirname, '../src/cli.ts')
const SENT = { from: 'news@example.net', subject: 'Hello' }

async function sendReport({ smtpPort }: Daemon, raw: string, to: string): Promise<string> {
  const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ignoreTLS: true })
  try {
    return (await transport.sendMail({ envelope: { from: '', to }, raw })).response
  } catch (error) {
    return error instanceof Error && 'response' in error ? String(error.response) : String(error)
  } finally {
    transport.close()
  }
}

type Registered = { readonly emailId: string; readonly returnPath: string }
async function register(daemon: Daemon, recipient = 'joe@example.org'): Promise<Registered> {
  const { body } = await daemon.api('POST', '/v1/messages', { ...SENT, recipients: [recipient] })
  // Checked cast: the response of the route.
  const [first] = (body as { readonly recipients: readonly Registered[] }).recipients
  if (first === undefined) throw new Error('nothing was registered')
  return first
}

const statusOf = async (daemon: Daemon, { emailId }: Registered): Promise<unknown> =>
  (await daemon.api('GET', `/v1/messages/${encodeURIComponent(emailId)}`)).body
const metricsOf = async ({ adminPort }: Daemon): Promise<string> => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()

test('a source that an account adds takes the events of its ESP; VERP addresses at another domain take bounces', async () => {
  const daemon = await startDaemon({ env: { BOUNCED_SMTP_VERP_DOMAINS: 'rp.example.net' } })
  try {
    const joe = await register(daemon)
    const { status, body: added } = await daemon.api('POST', '/v1/event-sources', { esp: 'postmark' })
    expect([status, added]).toMatchObject([201, { esp: 'postmark', password: expect.stringMatching(/^[\w-]{32}$/) }])
    // Checked cast: the response of the route.
    const { id, password } = added as { readonly id: string; readonly password: string }
    const event = {
      RecordType: 'Bounce',
      ID: 1,
      Type: 'HardBounce',
      Email: 'joe@example.org',
      Details: 'smtp;550 5.1.1 no such user',
      Metadata: { bounced: joe.emailId },
    }
    const post = (auth: string): ReturnType<Daemon['api']> => daemon.api('POST', `/in/postmark?source=${id}`, event, auth)
    expect((await post(`Basic ${Buffer.from('bounced:wrong').toString('base64')}`)).status).toBe(401)
    const right = `Basic ${Buffer.from(`bounced:${password}`).toString('base64')}`
    expect(await post(right)).toMatchObject({ status: 200, body: { recorded: 1 } })
    expect(await statusOf(daemon, joe)).toMatchObject({ status: 4, subStatus: 406 })
    expect(await daemon.api('DELETE', `/v1/event-sources/${id}`)).toMatchObject({ status: 204 })
    expect((await post(right)).status).toBe(404)
    const verp = 'b-77-ann=example.org@rp.example.net'
    expect(await sendReport(daemon, ndr({ recipient: 'ann@example.org' }), verp)).toMatch(/^550/)
    // An account may not claim the address; its operator gives it, by the command line.
    const settings = ['verpAddresses=b-{id}-{user}={domain}@rp.example.net', 'verpTrust=status']
    expect((await daemon.api('PATCH', '/v1/account/settings', { verpAddresses: ['b@rp.example.net'] })).status).toBe(403)
    const env = {
      ...childEnvironment(),
      BOUNCED_DATA: daemon.data,
      BOUNCED_MASTER_KEY: MASTER_KEY,
      BOUNCED_SMTP_VERP_DOMAINS: 'rp.example.net',
    }
    await promisify(execFile)(process.execPath, [CLI, 'account', 'set', API_USER, ...settings], { env, cwd: daemon.data })
    const ann = await register(daemon, 'ann@example.org')
    await expect.poll(() => sendReport(daemon, ndr({ recipient: 'ann@example.org' }), verp), { timeout: 10_000 }).toMatch(/^250/)
    expect(await statusOf(daemon, ann)).toMatchObject({ status: 4, subStatus: 406 })
    expect(await sendReport(daemon, ndr({ recipient: 'ann@example.org' }), 'ann@rp.example.net')).toMatch(/^550/)
  } finally {
    expect(await daemon.stop()).toBe(0)
  }
}, 120_000)

/** A port that is free now. */
async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => void server.close(resolve))
  return address !== null && typeof address === 'object' ? address.port : 0
}

test('two daemons that send their copies of reports to each other end with the first copy', async () => {
  const port = await findFreePort()
  const second = await startDaemon({
    env: { BOUNCED_RETURN_PATH_DOMAIN: 'rp.example.org', BOUNCED_REPORT_COPIES_SMTP: `smtp://127.0.0.1:${port}` },
  })
  const first = await startDaemon({
    env: { BOUNCED_SMTP_PORT: String(port), BOUNCED_REPORT_COPIES_SMTP: `smtp://127.0.0.1:${second.smtpPort}` },
  })
  try {
    const [mine, theirs] = [await register(first), await register(second)]
    const kinds = ['bounce', 'delay', 'auto-reply']
    await first.api('PATCH', '/v1/account/settings', { reportCopies: theirs.returnPath, reportCopyKinds: kinds })
    await second.api('PATCH', '/v1/account/settings', { reportCopies: mine.returnPath, reportCopyKinds: kinds })
    expect(await sendReport(first, ndr({ recipient: 'joe@example.org' }), mine.returnPath)).toMatch(/^250/)
    await expect
      .poll(() => metricsOf(first), { timeout: 60_000, interval: 500 })
      .toMatch(/^bounced_report_copies_total\{outcome="sent"\} 1$/m)
    await expect
      .poll(() => metricsOf(second), { timeout: 60_000, interval: 500 })
      .toMatch(/^bounced_report_copies_total\{outcome="copy"\} 1$/m)
    expect(await metricsOf(second)).not.toMatch(/outcome="(?:sent|deferred|failed)"/)
  } finally {
    await Promise.all([first.stop(), second.stop()])
  }
}, 180_000)
