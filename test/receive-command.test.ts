/**
 * receive-command.test - `bounced receive`, as a pipe of an MTA starts it, beside a real daemon
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSocketAddress } from '../src/net/daemon-socket.ts'
import { childEnvironment, startDaemon, type Daemon } from './support/daemon.ts'
import { ndr } from './support/reports.ts'
import { rowsIn } from './support/json-rows.ts'

const BIN = join(import.meta.dirname, '..', 'bin/bounced.mjs')

type Result = { readonly status: number | null; readonly stderr: string }

let daemon: Daemon
beforeAll(async () => {
  daemon = await startDaemon({
    env: { BOUNCED_LOG_LEVEL: 'warn', BOUNCED_LIMITS_ADVERTISED_SIZE: '20000', BOUNCED_LIMITS_MAIL_SIZE: '10000' },
  })
})
afterAll(async () => {
  await daemon.stop()
})

const folder = (): string => mkdtempSync(join(tmpdir(), 'bounced-receive-'))

/** Runs the command with only the environment that it is given. */
function receive(args: readonly string[], input: string, env: Record<string, string> = { BOUNCED_DATA: daemon.data }): Result {
  const { status, stderr } = spawnSync(process.execPath, [BIN, 'receive', ...args], {
    env: { ...childEnvironment(), ...env },
    input,
    encoding: 'utf8',
  })
  return { status, stderr }
}

/** Registers one mail. */
async function register(recipient: string): Promise<{ readonly emailId: string; readonly returnPath: string; readonly token: string }> {
  const body = { from: 'news@example.com', subject: 'Your order', recipients: [recipient] }
  const [row] = rowsIn((await daemon.api('POST', '/v1/messages', body)).body, 'recipients')
  const returnPath = String(row?.['returnPath'])
  return { emailId: String(row?.['emailId']), returnPath, token: returnPath.split('@')[0] ?? '' }
}

/** What the API says of a mail, and its events. */
async function messageOf(emailId: string): Promise<{ readonly body: unknown; readonly kinds: readonly unknown[] }> {
  const { body } = await daemon.api('GET', `/v1/messages/${encodeURIComponent(emailId)}`)
  return { body, kinds: rowsIn(body, 'events').map((event) => event['kind']) }
}

/** As Postfix writes a mail into a pipe: LF only, and `From ` in front with the flag F. */
const piped = (mail: string, separator = ''): string => separator + mail.replaceAll('\r\n', '\n')

describe('a mail from a pipe', () => {
  test('is stored when the status is 0, and read like one that came by SMTP', async () => {
    const { emailId, returnPath, token } = await register('joe@example.org')
    const mail = piped(ndr({ token, recipient: 'joe@example.org' }), 'From MAILER-DAEMON Sat Nov 28 10:00:00 2026\n')
    expect(receive(['-f', 'MAILER-DAEMON', '--', returnPath], mail)).toEqual({ status: 0, stderr: '' })
    const { body, kinds } = await messageOf(emailId)
    expect(body).toMatchObject({ status: 4, subStatus: 406, asynchronousBounce: true })
    expect(kinds).toEqual(['request', 'failed', 'list'])
  })

  test('changes nothing when it comes again with another date in its From line', async () => {
    const { emailId, returnPath, token } = await register('ann@example.org')
    for (const hour of ['10', '11']) {
      const mail = piped(ndr({ token, recipient: 'ann@example.org' }), `From MAILER-DAEMON Sat Nov 28 ${hour}:00:00 2026\n`)
      expect(receive(['-f', '', returnPath], mail).status).toBe(0)
    }
    expect((await messageOf(emailId)).kinds).toEqual(['request', 'failed', 'list'])
    const metrics = await (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
    expect(metrics).toContain('bounced_mails_duplicate_total 1')
  })

  test('has the envelope of its header where the command line names none', async () => {
    const { emailId, returnPath, token } = await register('eve@example.org')
    const mail = `Return-Path: <>\nDelivered-To: ${returnPath}\n${piped(ndr({ token: 'bounces', recipient: 'eve@example.org' }))}`
    expect(token).not.toBe('bounces')
    expect(receive([], mail)).toEqual({ status: 0, stderr: '' })
    expect((await messageOf(emailId)).body).toMatchObject({ status: 4 })
  })

  test('may have several recipients', async () => {
    const [one, two] = [await register('one@example.org'), await register('two@example.org')]
    const mail = piped(ndr({ token: one.token, recipient: 'one@example.org', n: 2 }))
    expect(receive(['-f', '<>', one.returnPath, 'postmaster@bounce.example.com', two.returnPath], mail).status).toBe(0)
    expect((await messageOf(one.emailId)).body).toMatchObject({ status: 4 })
  })
})

describe('exit status, sysexits(3)', () => {
  const MAIL = piped(ndr({ recipient: 'joe@example.org' }))
  const TO = 'x@bounce.example.com'

  test.each([
    // what                                       arguments                       input                          status  says
    ['an unknown option', ['--quick'], MAIL, 64, '--quick'],
    ['too many recipients', Array.from({ length: 101 }, (_, n) => `r${n}@bounce.example.com`), MAIL, 64, 'limits.recipientsPerMail'],
    [
      'long recipients that fill a request line',
      Array.from({ length: 100 }, (_, n) => `${'='.repeat(60)}${n}@bounce.example.com`),
      MAIL,
      0,
      '',
    ],
    ['far too many', Array.from({ length: 1_200 }, (_, n) => `${'='.repeat(300)}${n}@bounce.example.com`), MAIL, 64, 'too many recipients'],
    ['no mail', [TO], '', 65, 'empty'],
    ['a From line alone', [TO], 'From a@example.org\n', 65, 'empty'],
    ['a mail above the limit', [TO], MAIL + 'x'.repeat(20_000), 65, 'limits.advertisedSize'],
    ['a recipient elsewhere', ['-f', '', 'joe@example.org'], MAIL, 67, 'joe@example.org'],
    ['one recipient of two elsewhere', [TO, 'joe@example.org'], MAIL, 67, 'joe@example.org'],
    ['a mail that is cut, and kept', [TO], MAIL + 'x'.repeat(10_000), 0, ''],
    ['bytes that are no mail, and are kept', [TO], '\0\u0001\u0002', 0, ''],
  ] as const)('%s', (_what, args, input, status, says) => {
    const done = receive(args, input)
    expect(done).toMatchObject({ status })
    expect(done.stderr).toContain(says)
  })

  test('75 without a daemon: none was started, and one was killed', () => {
    const [missing, dead] = [join(folder(), 'missing'), folder()]
    writeFileSync(join(dead, 'bounced.sock'), '')
    for (const data of [missing, dead]) expect(receive([TO], MAIL, { BOUNCED_DATA: data })).toMatchObject({ status: 75 })
  })

  test('75 where the disk of the store is nearly full', async () => {
    const full = await startDaemon({ env: { BOUNCED_LIMITS_FREE_DISK_BYTES: String(2 ** 50) } })
    const done = receive([TO], MAIL, { BOUNCED_DATA: full.data })
    await full.stop()
    expect(done).toMatchObject({ status: 75 })
    expect(done.stderr).toContain('limits.freeDiskBytes')
  })

  test('75 where the settings cannot be read', () => {
    const file = join(folder(), 'bad.toml')
    writeFileSync(file, 'data = [')
    expect(receive(['-c', file, TO], MAIL, {})).toMatchObject({ status: 75 })
    expect(receive(['-c', `${file}.missing`, TO], MAIL, {})).toMatchObject({ status: 75 })
  })

  test('0 with the data folder of a settings file, named before or after the command', () => {
    const file = join(folder(), 'good.toml')
    writeFileSync(file, `data = ${JSON.stringify(daemon.data)}\n`)
    expect(receive(['-c', file, TO], MAIL, {})).toMatchObject({ status: 0 })
    expect(receive([TO, '--data', daemon.data], MAIL, {})).toMatchObject({ status: 0 })
    const before = spawnSync(process.execPath, [BIN, '--config', file, 'receive', TO], { env: childEnvironment(), input: MAIL })
    expect(before.status).toBe(0)
  })

  test.runIf(process.getuid?.() === 0)('77 where the socket belongs to another user', () => {
    const options = {
      env: { ...childEnvironment(), BOUNCED_DATA: daemon.data },
      input: MAIL,
      encoding: 'utf8',
      uid: 65_534,
      gid: 65_534,
    } as const
    expect(spawnSync(process.execPath, [BIN, 'receive', TO], options)).toMatchObject({ status: 77 })
  })

  test('75 where a daemon ends in the middle, or answers something else', async () => {
    for (const response of ['', 'HTTP/1.1 204', 'HTTP/1.1 404 Not Found\r\n\r\n{"fault":{}}', 'HTTP/1.1 200']) {
      const data = folder()
      const server = createServer((socket) => socket.once('data', () => socket.end(response)))
      await once(server.listen({ path: openSocketAddress(data).address }), 'listening')
      const child = spawn(process.execPath, [BIN, 'receive', TO], {
        env: { ...childEnvironment(), BOUNCED_DATA: data },
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      child.stdin.end(MAIL)
      expect((await once(child, 'exit'))[0]).toBe(75)
      server.close()
      rmSync(data, { recursive: true })
    }
  })
})

test('neither a store nor rules nor a library is loaded: the process starts once for each mail', () => {
  const hook = join(folder(), 'loaded.mjs')
  const log = `${hook}.log`
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module'
import { appendFileSync } from 'node:fs'
registerHooks({ load: (url, context, next) => { appendFileSync(${JSON.stringify(log)}, url + '\\n'); return next(url, context) } })`,
  )
  const done = spawnSync(process.execPath, ['--import', hook, BIN, 'receive', 'x@bounce.example.com'], {
    env: { ...childEnvironment(), BOUNCED_DATA: daemon.data },
    input: piped(ndr({ recipient: 'joe@example.org', n: 9 })),
    encoding: 'utf8',
  })
  expect(done).toMatchObject({ status: 0, stderr: '' })
  const modules = readFileSync(log, 'utf8').trim().split('\n')
  const own = modules.filter((url) => url.startsWith('file:')).map((url) => url.replace(/.*\/(?=(?:bin|src)\/)/, ''))
  expect(own.toSorted()).toEqual([
    'bin/bounced.mjs',
    'src/commands/receive.ts',
    'src/errors.ts',
    'src/net/daemon-socket.ts',
    'src/settings/data-folder.ts',
  ])
  expect(modules).not.toContain('node:http')
})
