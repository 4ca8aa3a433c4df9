/**
 * mailboxes.test - a daemon reads a mailbox of a real Dovecot: every mail once, over restarts, kills, and UIDs that begin again
 */
import { once } from 'node:events'
import { appendFileSync, chmodSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../support/daemon.ts'
import { dovecotProblem, MAILBOX_PASSWORD, MAILBOX_USER, startDovecot, type Dovecot } from '../support/dovecot.ts'
import { ndr } from '../support/reports.ts'
import { rowsIn, type Row } from '../support/json-rows.ts'

const WAIT = { timeout: 60_000, interval: 50 }

const PERSONAL = 'From: Ann <ann@example.org>\nTo: bounces@example.com\nSubject: Lunch?\n\nAt noon.\n'

/** A mailbox of the settings; `change` replaces or removes fields. */
const mailboxEnv = (dovecot: Dovecot, change: Record<string, unknown> = {}): Record<string, string> => ({
  BOUNCED_LOG_LEVEL: 'info',
  BOUNCED_MAILBOXES: JSON.stringify([
    {
      name: 'bounces',
      host: '127.0.0.1',
      port: dovecot.port,
      tls: 'none',
      user: MAILBOX_USER,
      password: MAILBOX_PASSWORD,
      pollSeconds: 1,
      ...change,
    },
  ]),
})

const metricOf = async ({ adminPort }: Daemon, name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')
      .at(-1) ?? 0,
  )
}

const mailsOf = (daemon: Daemon, outcome: string): Promise<number> =>
  metricOf(daemon, `bounced_mailbox_mails_total{mailbox="bounces",outcome="${outcome}"}`)

async function register(daemon: Daemon, count: number, domain = 'example.org'): Promise<readonly Row[]> {
  const recipients = Array.from({ length: count }, (_, n) => `user${n}@${domain}`)
  const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Hello', recipients })
  return rowsIn(body, 'recipients')
}

/** The bounce of a registered mail, as the MDA of a mailbox writes it. */
function bounceOf(row: Row, n: number, recipient = `user${n}@example.org`): string {
  const returnPath = String(row['returnPath'])
  return `Return-Path: <>\nDelivered-To: ${returnPath}\n${ndr({ token: returnPath.split('@')[0] ?? '', recipient, n }).replaceAll('\r\n', '\n')}`
}

const kindsOf = async (daemon: Daemon, row: Row): Promise<string> => {
  const { body } = await daemon.api('GET', `/v1/messages/${encodeURIComponent(String(row['emailId']))}`)
  return rowsIn(body, 'events')
    .map(({ kind }) => kind)
    .join(' ')
}

const BOUNCED = 'request failed list'

test('a server that takes the connection and says nothing does not hold the end of the daemon', async () => {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const connected = once(server, 'connection')
  const daemon = await startDaemon({
    env: { BOUNCED_MAILBOXES: JSON.stringify([{ name: 'silent', host: '127.0.0.1', port, tls: 'none', user: 'joe', password: 'x' }]) },
  })
  await connected
  expect(await daemon.stop()).toBe(0)
  expect(daemon.output()).not.toContain('the shutdown does not end')
  server.close()
})

describe.skipIf(dovecotProblem !== null)(`Dovecot${dovecotProblem === null ? '' : `: ${dovecotProblem}`}`, () => {
  let dovecot: Dovecot
  let daemon: Daemon | null = null
  afterEach(async () => {
    await daemon?.stop()
    daemon = null
    await dovecot.remove()
  })

  test('reports go to one folder, other mail to another; what comes later is seen by IDLE; a restart reads nothing twice', async () => {
    dovecot = await startDovecot()
    // A poll would come too late for this test.
    const env = mailboxEnv(dovecot, { readFolder: 'Read', unreadFolder: 'Other', pollSeconds: 3_600 })
    daemon = await startDaemon({ env })
    const { data } = daemon
    await vi.waitUntil(() => daemon?.output().includes('this node reads the mailbox'), WAIT)
    const rows = await register(daemon, 3)
    for (const [n, row] of rows.entries()) await dovecot.deliver(bounceOf(row, n))
    await dovecot.deliver(PERSONAL)
    await vi.waitUntil(() => dovecot.count() === 0, WAIT)
    expect([dovecot.count('Read'), dovecot.count('Other')]).toEqual([3, 1])
    for (const row of rows) expect(await kindsOf(daemon, row)).toBe(BOUNCED)
    expect([await mailsOf(daemon, 'read'), await mailsOf(daemon, 'unread'), await mailsOf(daemon, 'repeated')]).toEqual([3, 1, 0])
    expect(rowsIn((await daemon.api('GET', '/v1/inbox')).body, 'mails')).toEqual([])
    await daemon.stop()
    await dovecot.deliver(bounceOf(rows[0] ?? {}, 99, 'user0@example.org'))
    daemon = await startDaemon({ data, env })
    await vi.waitUntil(() => dovecot.count() === 0, WAIT)
    expect([await mailsOf(daemon, 'read'), await mailsOf(daemon, 'repeated')]).toEqual([1, 0])
    expect(daemon.output()).not.toContain(MAILBOX_PASSWORD)
  })

  test('without folders, mails stay and are flagged; UIDs that begin again read them again and change nothing', async () => {
    dovecot = await startDovecot()
    const env = mailboxEnv(dovecot)
    daemon = await startDaemon({ env })
    const { data } = daemon
    const rows = await register(daemon, 2)
    for (const [n, row] of rows.entries()) await dovecot.deliver(bounceOf(row, n))
    await vi.waitUntil(async () => daemon !== null && (await mailsOf(daemon, 'read')) === 2, WAIT)
    await daemon.stop()
    daemon = await startDaemon({ data, env })
    const later = await register(daemon, 1, 'later.example')
    await dovecot.deliver(bounceOf(later[0] ?? {}, 7, 'user0@later.example'))
    await vi.waitUntil(async () => daemon !== null && (await mailsOf(daemon, 'read')) === 1, WAIT)
    expect(await mailsOf(daemon, 'repeated')).toBe(0)
    await dovecot.stop()
    dovecot.forgetUids()
    await dovecot.start()
    await vi.waitUntil(async () => daemon !== null && (await mailsOf(daemon, 'repeated')) === 3, WAIT)
    for (const row of [...rows, ...later]) expect(await kindsOf(daemon, row)).toBe(BOUNCED)
    expect(dovecot.count()).toBe(3)
  })

  test('a daemon that is killed at any moment reads every mail once into its facts', async () => {
    dovecot = await startDovecot()
    const env = mailboxEnv(dovecot, { readFolder: 'Read' })
    daemon = await startDaemon({ env })
    const { data } = daemon
    const rows = await register(daemon, 150)
    await daemon.kill()
    for (const [n, row] of rows.entries()) await dovecot.deliver(bounceOf(row, n))
    for (const mark of ['reads the mailbox', 'mail accepted', 'mail accepted'] as const) {
      daemon = await startDaemon({ data, env })
      await vi.waitUntil(() => daemon?.output().includes(mark) === true || dovecot.count() === 0, WAIT)
      await daemon.kill()
    }
    daemon = await startDaemon({ data, env })
    await vi.waitUntil(() => dovecot.count() === 0, WAIT)
    const last = daemon
    const kinds = await Promise.all(rows.map((row) => kindsOf(last, row)))
    expect(new Set(kinds)).toEqual(new Set([BOUNCED]))
    expect(dovecot.count('Read')).toBeGreaterThanOrEqual(150)
  }, 120_000)

  test('a server without MOVE, UIDPLUS and IDLE: mails are copied and removed, and found by polling', async () => {
    dovecot = await startDovecot({ withoutCapabilities: ['MOVE', 'UIDPLUS', 'IDLE'] })
    daemon = await startDaemon({ env: mailboxEnv(dovecot, { readFolder: 'Read', unreadFolder: 'Other' }) })
    const rows = await register(daemon, 2)
    for (const [n, row] of rows.entries()) await dovecot.deliver(bounceOf(row, n))
    await dovecot.deliver(PERSONAL)
    await vi.waitUntil(() => dovecot.count() === 0, WAIT)
    expect([dovecot.count('Read'), dovecot.count('Other')]).toEqual([2, 1])
    for (const row of rows) expect(await kindsOf(daemon, row)).toBe(BOUNCED)
  })

  test('a server that goes away is tried again, and a mail above limits.mailSize is cut', async () => {
    dovecot = await startDovecot()
    daemon = await startDaemon({ env: { ...mailboxEnv(dovecot, { readFolder: 'Read' }), BOUNCED_LIMITS_MAIL_SIZE: '2000000' } })
    await vi.waitUntil(() => daemon?.output().includes('reads the mailbox'), WAIT)
    await dovecot.stop()
    await vi.waitUntil(async () => daemon !== null && (await metricOf(daemon, 'bounced_mailboxes_failing')) === 1, WAIT)
    expect(daemon.output()).toContain('mailbox cannot be read')
    const [row = {}] = await register(daemon, 1)
    await dovecot.deliver(`${bounceOf(row, 0)}${'x'.repeat(76).concat('\n').repeat(40_000)}`)
    await dovecot.start()
    await vi.waitUntil(() => dovecot.count() === 0, WAIT)
    expect(await kindsOf(daemon, row)).toBe(BOUNCED)
    await vi.waitUntil(async () => daemon !== null && (await metricOf(daemon, 'bounced_mailboxes_failing')) === 0, WAIT)
  })

  test('a wrong password and an unknown certificate fail, and the log names no secret; the right authority is believed', async () => {
    dovecot = await startDovecot()
    const secret = join(makeTemporaryFolder(), 'secret')
    writeFileSync(secret, 'a-wrong-password\n', { mode: 0o600 })
    daemon = await startDaemon({ env: mailboxEnv(dovecot, { password: undefined, passwordFile: secret }) })
    await vi.waitUntil(() => daemon?.output().includes('the sign-in was refused'), WAIT)
    expect(daemon.output()).not.toContain('a-wrong-password')
    await daemon.stop()
    const tls = { port: dovecot.tlsPort, tls: 'implicit', host: 'localhost' }
    daemon = await startDaemon({ env: mailboxEnv(dovecot, tls) })
    await vi.waitUntil(() => daemon?.output().includes('mailbox cannot be read'), WAIT)
    expect(daemon.output()).toMatch(/"problem":"[^"]*certificate/)
    expect(dovecot.log()).not.toContain('Login: user=<bounces@example.com>')
    await daemon.stop()
    const caFile = join(import.meta.dirname, '../support/tls/cert.pem')
    for (const change of [
      { ...tls, caFile },
      { tls: 'starttls', host: 'localhost', caFile },
    ]) {
      daemon = await startDaemon({ env: mailboxEnv(dovecot, { ...change, readFolder: 'Read' }) })
      const [row = {}] = await register(daemon, 1)
      await dovecot.deliver(bounceOf(row, 0))
      await vi.waitUntil(() => dovecot.count() === 0, WAIT)
      await daemon.stop()
    }
    expect(dovecot.log().match(/Login: user=<bounces@example\.com>.*TLS/g)).toHaveLength(2)
  })

  test('a secret that other users can read stops the start', async () => {
    dovecot = await startDovecot()
    const secret = join(makeTemporaryFolder(), 'secret')
    appendFileSync(secret, MAILBOX_PASSWORD)
    chmodSync(secret, 0o644)
    await expect(startDaemon({ env: mailboxEnv(dovecot, { password: undefined, passwordFile: secret }) })).rejects.toThrow('chmod 600')
    await expect(startDaemon({ env: mailboxEnv(dovecot, { password: undefined, tokenFile: `${secret}.missing` }) })).rejects.toThrow(
      'missing or empty',
    )
  })
})
