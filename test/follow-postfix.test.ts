/**
 * follow-postfix.test - the log of a real Postfix as outcomes: statuses, lists and statistics, and the bounces that Postfix writes itself
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { childEnvironment, MASTER_KEY, RETURN_PATH_DOMAIN, startDaemon, type Daemon } from './support/daemon.ts'
import { findFreePort, postfixProblem, startPostfix, type Postfix } from './support/postfix.ts'
import { ownAddress, startRemoteSite } from './support/remote-site.ts'
import type { Row } from './support/json-rows.ts'
import { createRegisteredMails } from './support/registered-mails.ts'

const CLI = join(import.meta.dirname, '..', 'src/cli.ts')
const WAIT = { timeout: 60_000, interval: 100 }

const problem = postfixProblem ?? (ownAddress === null ? 'this machine has no address but loopback' : null)

describe.skipIf(problem !== null)(`the log of Postfix${problem === null ? '' : `: ${problem}`}`, () => {
  let site: Awaited<ReturnType<typeof startRemoteSite>>
  let daemon: Daemon
  let postfix: Postfix
  beforeAll(async () => {
    site = await startRemoteSite()
    const smtpPort = await findFreePort()
    postfix = await startPostfix({
      main: [
        `relay_domains = ${RETURN_PATH_DOMAIN}`,
        `transport_maps = inline:{ { ${RETURN_PATH_DOMAIN} = smtp:[127.0.0.1]:${smtpPort} }, { example.org = smtp:[${ownAddress}]:${site.port} } }`,
        'maximal_queue_lifetime = 0',
      ],
    })
    const env = {
      BOUNCED_SMTP_PORT: String(smtpPort),
      BOUNCED_FOLLOW_LOGS: `postfix:${postfix.logFile}`,
      BOUNCED_FOLLOW_HOST: 'mx.example.net',
      BOUNCED_LOG_LEVEL: 'warn',
    }
    daemon = await startDaemon({ env })
  }, 60_000)
  afterAll(async () => {
    await postfix?.stop()
    await daemon?.stop()
    await site?.close()
  })

  const { register, statusOf, kindsOf } = createRegisteredMails(() => daemon)

  async function send(from: Row | undefined, to: readonly string[]): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: postfix.port, secure: false, ignoreTLS: true })
    const raw = `From: news@example.com\r\nSubject: Hello\r\nMessage-ID: ${String(from?.['messageIdHeader'])}\r\n\r\nHello\r\n`
    await transport.sendMail({ envelope: { from: String(from?.['returnPath']), to: [...to] }, raw })
    transport.close()
  }

  test('delivered, refused, and deferred until it expired; the bounces of Postfix itself move nothing', async () => {
    const rows = await register(['joe@example.org', 'no@example.org', 'full@example.org'])
    for (const row of rows) await send(row, [String(row['recipient'])])
    const [joe, no, full] = rows
    await vi.waitUntil(async () => (await kindsOf(no)).includes('failed') && (await kindsOf(full)).includes('failed'), WAIT)
    await vi.waitUntil(async () => (await kindsOf(full)).filter((kind) => kind === 'attempt').length === 2, WAIT)
    await vi.waitUntil(async () => (await kindsOf(no)).includes('attempt') && (await kindsOf(joe)).includes('attempt'), WAIT)
    expect(await statusOf(joe)).toEqual([1, null, false, null])
    expect(await statusOf(no)).toEqual([4, 406, false, 'not-exist'])
    expect(await statusOf(full)).toEqual([5, 508, false, 'mailbox-full'])
    const listed = await daemon.api('GET', '/v1/suppressions/bounce')
    expect(JSON.stringify(listed.body)).toContain('no@example.org')
    expect(JSON.stringify(listed.body)).not.toContain('full@example.org')
    const statistics = await daemon.api('GET', '/v1/statistics')
    expect(statistics).toMatchObject({ status: 200, body: { total: { request: 3, delivered: 1, invalid: 1, softBounce: 1 } } })
    const metrics = await (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
    for (const outcome of ['delivered', 'deferred', 'failed'])
      expect(metrics).toMatch(new RegExp(`^bounced_site_attempts_total\\{site="other",outcome="${outcome}"\\} [1-9]`, 'm'))
  })

  test('one mail to many recipients, with the Return-Path of the first', async () => {
    const rows = await register(['ann@example.org', 'no1@example.org', 'bob@example.org'])
    await send(
      rows[0],
      rows.map(({ recipient }) => String(recipient)),
    )
    await vi.waitUntil(async () => (await Promise.all(rows.map(kindsOf))).every((kinds) => kinds.includes('attempt')), WAIT)
    expect(await Promise.all(rows.map(statusOf))).toEqual([
      [1, null, false, null],
      [4, 406, false, 'not-exist'],
      [1, null, false, null],
    ])
  })

  test('the command reads the same log beside the daemon, from a file and from standard input, and changes nothing', async () => {
    const env = {
      ...childEnvironment(),
      BOUNCED_DATA: daemon.data,
      BOUNCED_MASTER_KEY: MASTER_KEY,
      BOUNCED_RETURN_PATH_DOMAIN: RETURN_PATH_DOMAIN,
    }
    const follow = promisify(execFile)(process.execPath, [CLI, 'follow', '--format', 'postfix', '-'], { env })
    follow.child.stdin?.end(postfix.log())
    const { stdout } = await follow
    expect(stdout).toMatch(/^0 +delivered$/m)
    expect(stdout).toMatch(/^0 +bounced$/m)
    expect(stdout).toMatch(/^[1-9]\d* +recorded before$/m)
    expect(stdout).toMatch(/^0 +not of this format$/m)
  })
})
