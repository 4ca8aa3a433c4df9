/** store-faults.test - a whole daemon while its PostgreSQL falls silent: 451, then 250 again, and a SIGTERM that ends */
import { createTransport } from 'nodemailer'
import { describe, expect, test } from 'vitest'
import { startDaemon, RETURN_PATH_DOMAIN } from '../support/daemon.ts'
import { engines } from '../support/engines.ts'
import { createTcpProxy, targetOf } from '../support/tcp-proxy.ts'

const servers = engines.filter(({ kind }) => kind === 'postgres')

/** Sends one mail. Resolves to the code of the reply after DATA. */
async function sendMail(port: number, n: number): Promise<number> {
  const transport = createTransport({ host: '127.0.0.1', port, secure: false, ignoreTLS: true })
  const envelope = { from: '', to: [`postmaster@${RETURN_PATH_DOMAIN}`] }
  try {
    await transport.sendMail({ envelope, raw: `From: mailer-daemon@example.org\r\nSubject: ${n}\r\n\r\nmail ${n}\r\n` })
    return 250
  } catch (error) {
    return error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : 0
  } finally {
    transport.close()
  }
}

describe.each(servers)('a daemon whose $kind falls silent', ({ url }) => {
  test('answers 451, answers 250 when the server is back, keeps no mail aside, and ends on SIGTERM while it is silent', async () => {
    const target = await url()
    const proxy = await createTcpProxy(targetOf(target))
    const daemon = await startDaemon({ env: { BOUNCED_DATABASE: proxy.through(target), BOUNCED_LIMITS_CLOSE_SECONDS: '3' } })
    expect(await sendMail(daemon.smtpPort, 1)).toBe(250)
    proxy.swallow()
    expect(await Promise.all([2, 3, 4].map((n) => sendMail(daemon.smtpPort, n)))).toEqual([451, 451, 451])
    proxy.pass()
    for (const n of [2, 3, 4]) await expect.poll(() => sendMail(daemon.smtpPort, n)).toBe(250)
    expect(daemon.output()).toMatch(/the store does not work/)
    expect(daemon.output()).not.toMatch(/stored as unreadable/)
    proxy.swallow()
    const waiting = sendMail(daemon.smtpPort, 5)
    await expect.poll(() => proxy.swallowed()).toBeGreaterThan(0)
    expect(await daemon.stop()).not.toBeNull()
    expect(await waiting).not.toBe(250)
    await proxy.close()
  })
})
