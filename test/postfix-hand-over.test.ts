/**
 * postfix-hand-over.test - a real Postfix hands reports to the daemon by a pipe and by LMTP, as docs/RECEIVING.md describes
 */
import { chownSync } from 'node:fs'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { FEEDBACK_DOMAIN, makeTemporaryFolder, RETURN_PATH_DOMAIN, startDaemon, type Daemon } from './support/daemon.ts'
import { findFreePort, postfixProblem, startPostfix, type Postfix } from './support/postfix.ts'
import { ndr } from './support/reports.ts'
import { rowsIn, type Row } from './support/json-rows.ts'

const BIN = join(import.meta.dirname, '..', 'bin/bounced.mjs')

/** pipe(8) runs no program as root. */
const NOBODY = 65_534

const WAIT = { timeout: 60_000, interval: 100 }

describe.skipIf(postfixProblem !== null)(`Postfix${postfixProblem === null ? '' : `: ${postfixProblem}`}`, () => {
  const data = makeTemporaryFolder()
  let env: Record<string, string>
  let daemon: Daemon
  let postfix: Postfix
  /** Mail that arrives here goes into the pipe, whatever its domain. */
  let pipePort: number

  const start = (): Promise<Daemon> => startDaemon({ data, env, user: NOBODY })
  beforeAll(async () => {
    chownSync(data, NOBODY, NOBODY)
    const lmtpPort = await findFreePort()
    pipePort = await findFreePort()
    env = { BOUNCED_LMTP_LISTEN: `127.0.0.1:${lmtpPort}`, BOUNCED_LOG_LEVEL: 'warn' }
    daemon = await start()
    postfix = await startPostfix({
      main: [
        `relay_domains = ${RETURN_PATH_DOMAIN}, ${FEEDBACK_DOMAIN}, pipe.example.com`,
        `transport_maps = inline:{ { ${RETURN_PATH_DOMAIN} = lmtp:inet:127.0.0.1:${lmtpPort} }, { ${FEEDBACK_DOMAIN} = bouncepipe: }, { pipe.example.com = bouncepipe: } }`,
        'bouncepipe_destination_recipient_limit = 1',
      ],
      master: [
        `127.0.0.1:${pipePort} inet n - n - - smtpd -o content_filter=bouncepipe:`,
        'bouncepipe unix - n n - 10 pipe',
        `  flags=FRq user=nobody null_sender= argv=${process.execPath} ${BIN} receive --data ${data} -f \${sender} -- \${recipient}`,
      ],
    })
  }, 60_000)
  afterAll(async () => {
    await postfix?.stop()
    await daemon?.stop()
  })

  async function register(recipients: readonly string[]): Promise<readonly Row[]> {
    return rowsIn((await daemon.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients })).body, 'recipients')
  }

  async function send(to: readonly string[], raw: string, port = postfix.port): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true })
    await transport.sendMail({ envelope: { from: '', to: [...to] }, raw })
    transport.close()
  }

  const kindsOf = async (row: Row | undefined): Promise<readonly unknown[]> =>
    rowsIn((await daemon.api('GET', `/v1/messages/${encodeURIComponent(String(row?.['emailId']))}`)).body, 'events').map(({ kind }) => kind)

  const tokenOf = (row: Row | undefined): string => String(row?.['returnPath']).split('@')[0] ?? ''
  const BOUNCED = ['request', 'failed', 'list']

  test('LMTP: one mail to three Return-Path addresses arrives once for each', async () => {
    const rows = await register(['a@example.org', 'b@example.org', 'c@example.org'])
    const [first] = rows
    await send(
      rows.map(({ returnPath }) => String(returnPath)),
      ndr({ token: tokenOf(first), recipient: 'a@example.org', n: 1 }),
    )
    await vi.waitUntil(() => (postfix.log().match(/relay=127\.0\.0\.1.*status=sent/g) ?? []).length === 3, WAIT)
    expect(await kindsOf(first)).toEqual(BOUNCED)
  })

  test('pipe: the mail has the envelope that Postfix names', async () => {
    const [row] = await register(['d@example.org'])
    await send([String(row?.['returnPath'])], ndr({ token: 'bounces', recipient: 'd@example.org', n: 2 }), pipePort)
    await vi.waitUntil(() => /relay=bouncepipe.*status=sent/.test(postfix.log()), WAIT)
    expect(await kindsOf(row)).toEqual(BOUNCED)
  })

  test('pipe: a recipient that is not ours is returned as an unknown user', async () => {
    await send(['joe@pipe.example.com'], ndr({ recipient: 'e@example.org', n: 3 }))
    await vi.waitUntil(() => postfix.log().includes('to=<joe@pipe.example.com>'), WAIT)
    expect(postfix.log()).toMatch(/to=<joe@pipe\.example\.com>.*dsn=5\.1\.1, status=bounced \(user unknown/)
  })

  test('a daemon that is away: Postfix keeps what both transports have, and each mail arrives once afterwards', async () => {
    const rows = await register(['f@example.org'])
    await daemon.kill()
    await send(
      rows.map(({ returnPath }) => String(returnPath)),
      ndr({ token: tokenOf(rows[0]), recipient: 'f@example.org', n: 4 }),
    )
    await send([`fbl@${FEEDBACK_DOMAIN}`], ndr({ recipient: 'g@example.org', n: 5 }))
    await vi.waitUntil(() => (postfix.log().match(/dsn=4\..*status=deferred/g) ?? []).length >= 2, WAIT)
    expect(postfix.log()).toMatch(/relay=bouncepipe.*status=deferred \(temporary failure/)
    daemon = await start()
    await vi.waitUntil(async () => {
      await postfix.flush()
      return (await postfix.queued()).length === 0
    }, WAIT)
    expect(await kindsOf(rows[0])).toEqual(BOUNCED)
    expect(postfix.log()).not.toMatch(/status=bounced(?! \(user unknown)/)
  })
})
