/**
 * crash.test - the daemon is killed repeatedly while reports arrive: no report with a 250 reply is lost or recorded twice
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { benchReport } from '../../bench/report.ts'
import { API_KEY, API_USER, childEnvironment, makeTemporaryFolder, MASTER_KEY, startDaemon, type Daemon } from '../support/daemon.ts'
import { sendLoad, type LoadMail } from '../support/smtp-load.ts'

const MAILS = 2_000
const KILLS = 20
const CONNECTIONS = 20
const SEED = 20_261_121

/** Park and Miller's generator: the same numbers for the same seed. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

type Registered = { readonly emailId: string; readonly mail: LoadMail }

async function register(daemon: Daemon): Promise<readonly Registered[]> {
  const recipients = Array.from({ length: MAILS }, (_, n) => `crash-${n}@example.org`)
  const rows: Registered[] = []
  for (let at = 0; at < MAILS; at += 500) {
    const { status, body } = await daemon.api('POST', '/v1/messages', {
      from: 'news@example.com',
      subject: 'Crash',
      recipients: recipients.slice(at, at + 500),
    })
    expect(status).toBe(201)
    const found: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'recipients') : []
    if (!Array.isArray(found)) throw new Error('no recipients in the response')
    for (const row of found) {
      const to = String(Reflect.get(row, 'returnPath')).replaceAll(/[<>]/g, '')
      const recipient = String(Reflect.get(row, 'recipient'))
      rows.push({
        emailId: String(Reflect.get(row, 'emailId')),
        mail: { id: recipient, from: '', to, raw: benchReport(to.split('@')[0] ?? '', recipient, rows.length) },
      })
    }
  }
  return rows
}

test(`${KILLS} kills while ${MAILS} reports arrive over ${CONNECTIONS} connections`, async () => {
  const data = makeTemporaryFolder()
  const random = chance(SEED)
  let daemon = await startDaemon({ data })
  const registered = await register(daemon)
  const waiting = registered.map(({ mail }) => mail)
  const answered = new Set<string>()
  for (let kills = 0; kills <= KILLS; kills++) {
    const isLast = kills === KILLS
    let allowed = isLast ? Infinity : Math.ceil(MAILS / KILLS)
    const load = sendLoad({
      host: '127.0.0.1',
      port: daemon.smtpPort,
      connections: CONNECTIONS,
      mailsPerConnection: 10,
      next: () => (allowed-- > 0 ? (waiting.shift() ?? null) : null),
      onReply: (mail, code) => {
        if (code === 250) answered.add(mail.id)
        else waiting.push(mail)
      },
    })
    if (!isLast) {
      await new Promise((resolve) => setTimeout(resolve, 110 + random() * 120))
      await daemon.kill()
    }
    waiting.push(...(await load))
    if (!isLast) daemon = await startDaemon({ data })
  }
  expect(waiting).toEqual([])
  expect(answered.size).toBe(MAILS)
  for (const { emailId } of registered) {
    const { body } = await daemon.api('GET', `/v1/messages/${encodeURIComponent(emailId)}`)
    const { status, subStatus, asynchronousBounce, events } = body as {
      status: number
      subStatus: number
      asynchronousBounce: boolean
      events: { kind: string }[]
    }
    expect({ emailId, status, subStatus, asynchronousBounce, failed: events.filter((event) => event.kind === 'failed').length }).toEqual({
      emailId,
      status: 4,
      subStatus: 406,
      asynchronousBounce: true,
      failed: 1,
    })
  }
  expect(await daemon.stop()).toBe(0)
  const root = join(import.meta.dirname, '../..')
  const env = {
    ...childEnvironment(),
    BOUNCED_DATA: data,
    BOUNCED_API_USER: API_USER,
    BOUNCED_API_KEY: API_KEY,
    BOUNCED_MASTER_KEY: MASTER_KEY,
  }
  const check = spawnSync(process.execPath, [join(root, 'src/cli.ts'), 'rebuild', '--check'], { encoding: 'utf8', env })
  expect({ status: check.status, output: check.status === 0 ? '' : check.stdout + check.stderr }).toEqual({ status: 0, output: '' })
})
