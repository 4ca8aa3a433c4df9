/**
 * command-socket.test - commands beside a running daemon and without one: the lock, the socket and the protocol
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { STORE_COMMANDS } from '../src/commands/store-commands.ts'
import { withStoreOf } from '../src/commands/with-store.ts'
import { startApp, type App } from '../src/daemon/app.ts'
import { createCommandClient, isDaemonListening } from '../src/daemon/command-client.ts'
import { openSocketAddress } from '../src/net/daemon-socket.ts'
import { acquireServeLock, isServeLockHeld } from '../src/daemon/serve-lock.ts'
import { defineStoreCommand, type CommandOutput } from '../src/daemon/store-command.ts'
import { Fault } from '../src/errors.ts'
import { loadConfig } from '../src/settings/load.ts'
import type { Settings } from '../src/settings/schema.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { childEnvironment, startDaemon } from './support/daemon.ts'

const ROOT = join(import.meta.dirname, '..')
const CLI = join(ROOT, 'src/cli.ts')
const FIXTURE = join(ROOT, 'fixtures/mails/google-not-exist.eml')

const makeFolder = (): string => mkdtempSync(join(tmpdir(), 'bounced-socket-'))

const settingsOf = (data: string): Settings =>
  loadConfig({
    BOUNCED_DATA: data,
    BOUNCED_HOST: '127.0.0.1',
    BOUNCED_SMTP_PORT: '0',
    BOUNCED_HTTP_PORT: '0',
    BOUNCED_API_USER: 'tester',
    BOUNCED_API_KEY: 'k'.repeat(40),
  }).settings

type Collected = { text: string; exit: number }

/** An output that keeps what it gets. */
function collect(signal = new AbortController().signal): { readonly output: CommandOutput; readonly collected: Collected } {
  const collected: Collected = { text: '', exit: 0 }
  const output: CommandOutput = {
    printLines: async (...lines) => void (collected.text += lines.map((line) => `${line}\n`).join('')),
    write: async (bytes) => void (collected.text += Buffer.from(bytes).toString()),
    setProgress: () => undefined,
    setExitStatus: (status) => (collected.exit = status),
    signal,
  }
  return { output, collected }
}

/** Replaces values that differ between runs. */
const normalise = (text: string): string =>
  text
    .replaceAll(/(?<![\w-])(?:[\w-]{32}|[0-9a-f]{64})(?![\w-])/g, 'SECRET')
    .replaceAll(/(?<=IN TXT ).*/g, 'RECORD')
    .replaceAll(/\b20\d\d-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'ID')
    .replaceAll(/\bb\d{14}/g, 'SELECTOR')
    .replaceAll(/\b(34io2232222222)[a-z2-7]{16}\b/g, '$1MAC')

const RAW = readFileSync(FIXTURE)
const DIGEST = 'ab'.repeat(32)
const MAIL = {
  raw: RAW.toString('base64'),
  size: RAW.length,
  truncated: false,
  dataDigest: DIGEST,
  envelope: { from: '', to: 'x@bounce.example.com' },
  at: 1_763_700_000_000,
  receivedAt: 1_763_700_000_000,
  trustAs: null,
  sessionId: 'replayed',
}

const RECLASSIFY = { files: null, since: null, account: null, undo: null, apply: false, lists: 'none', webhooks: false }

const LOG_TEXT = { format: 'postfix', host: 'mx.example.com', zone: 'UTC', relays: [], columns: [], log: null, notify: false }

const STEPS: readonly (readonly [command: string, input: unknown, expected: RegExp])[] = [
  ['account add', { apiUser: 'bob', trust: null }, /apiUser bob/],
  ['account add', { apiUser: 'bob', trust: null }, /conflict: .*taken/],
  ['account add', { apiUser: 7, trust: null }, /bad_request: apiUser: /],
  ['account rotate', { apiUser: 'bob' }, /bob: SECRET/],
  ['account rotate', { apiUser: 'nobody' }, /not_found: no account/],
  ['account set', { apiUser: 'bob', pairs: ['zone=UTC'] }, /zone +UTC/],
  ['account show', { apiUser: 'bob' }, /zone +UTC/],
  ['account offline', { apiUser: 'bob' }, /number 3/],
  ['account list', {}, /bob \(offline\)/],
  ['advise', { format: 'kumomta', sources: [] }, /^ \[0\]$/],
  ['advise', { format: 'sendmail', sources: [] }, /bad_request: format/],
  ['advise', { format: 'json', account: 'nobody', sources: [] }, /not_found: no account/],
  ['alerts list', { all: true }, /state/],
  ['block add', { peer: '192.0.2.0/24' }, /is blocked/],
  ['block list', {}, /1 blocks/],
  ['block remove', { peer: '192.0.2.0/24' }, /is unblocked/],
  ['dkim add', { domain: 'example.com', algorithm: 'rsa', selector: 'one', published: true }, /signs now/],
  ['dkim rotate', { domain: 'example.com' }, /signs once/],
  ['dkim activate', { domain: 'example.com', selector: 'one', published: true }, /one of example.com: active/],
  ['dkim list', {}, /example.com/],
  ['dkim remove', { domain: 'example.com' }, /removed/],
  ['erase', { address: 'joe@example.org' }, /erased from 0 sent mails/],
  ['event-source add', { esp: 'pigeon', key: null }, /bad_request: an ESP is one of/],
  ['event-source list', {}, /id +ESP +topics +URL/],
  ['event-source remove', { id: 'x' }, /not_found: /],
  ['export jobs list', {}, /0 exports/],
  ['export jobs act', { action: 'retry', id: '0192f000-0000-7000-8000-00000000000e' }, /not_found: there is no such export/],
  ['follow position', { source: 'mail.log' }, /^null/],
  ['follow lines', { ...LOG_TEXT, lines: [] }, /\{/],
  ['follow lines', { ...LOG_TEXT, format: 'sendmail', lines: [] }, /bad_request: format/],
  ['inbound add', { domain: 'in.example.com', apiUser: 'bob' }, /is passed to bob/],
  ['inbound list', {}, /in.example.com/],
  ['inbound remove', { domain: 'in.example.com' }, /is no longer accepted/],
  ['replay mail', { mail: MAIL, notify: false }, /"isDuplicate":false/],
  ['replay mail', { mail: MAIL, notify: false }, /"isDuplicate":true/],
  ['inbox list', { all: false }, /1 mails/],
  ['inbox show', { digest: DIGEST }, /not_found: no mail/],
  ['inbox raw', { digest: DIGEST }, /not_found: /],
  ['inbox resolve', { digest: DIGEST, action: 'accept' }, /not_found: there is no mail with this id/],
  ['inbox resolve', { digest: DIGEST, action: 'link', emailId: 'x', force: true }, /not_found: there is no mail with this id/],
  ['inbox resolve', { digest: DIGEST, action: 'accept', force: 'yes' }, /bad_request: force/],
  ['mass-bounce list', {}, /0 sites held/],
  ['mass-bounce release', { site: 'google', action: 'discard' }, /was not held/],
  ['queue list', {}, /0 lanes/],
  ['queue change', { operation: 'pause', options: { account: 'bob' } }, /no node has ever delivered/],
  ['queue change', { operation: 'pause', options: { account: 'bob', label: '0' } }, /--label takes the number of a label/],
  ['queue change', { operation: 'delete', options: { account: 'bob', label: '12' } }, /no node has ever delivered/],
  ['queue change', { operation: 'fly', options: {} }, /bad_request: operation: /],
  ['queue why', { account: 'bob', emailId: 'x' }, /not_found: no message/],
  ['rebuild', { check: true }, /0 differences/],
  ['rebuild', { check: false }, /are rebuilt/],
  ['reclassify', { ...RECLASSIFY, since: 1 }, /would change[\s\S]*nothing was changed/],
  ['reclassify', { ...RECLASSIFY, apply: true, lists: 'all' }, /to take it back: bounced reclassify --undo/],
  ['reclassify', { ...RECLASSIFY, undo: '0192f000-0000-7000-8000-00000000000e' }, /not_found: there is no such reclassification/],
  ['reclassify', { ...RECLASSIFY, undo: 'x' }, /bad_request: undo/],
  ['reclassify', { ...RECLASSIFY, account: 'nobody' }, /not_found: no account/],
  ['reclassify list', {}, /2 reclassifications/],
  ['reclassify cancel', { id: '0192f000-0000-7000-8000-00000000000e' }, /not_found: there is no such reclassification/],
  ['retire', { dryRun: true }, /would be removed/],
  ['retire', { dryRun: false }, /were removed/],
  ['suppression reactivate', { site: 'google' }, /0 entries removed/],
  ['suppression show', { address: 'Joe@example.org' }, /Joe@example.org is on no list/],
  ['suppression add', { address: 'Joe@example.org', list: 'block' }, /bad_request: there are several accounts/],
  ['suppression add', { address: 'Joe@example.org', account: 'bob' }, /bad_request: name the list/],
  [
    'suppression add',
    { address: 'joe@example.org', account: 'bob', list: 'block', until: '2020-01-01T00:00:00Z' },
    /bad_request: --until takes/,
  ],
  ['suppression add', { address: 'joe@example.org', account: 'bob', list: 'block', note: 'a\u001b[2J' }, /bad_request: note: must not/],
  ['suppression add', { address: 'nobody', account: 'bob', list: 'bouncing' }, /bad_request: list: --list takes bounce/],
  ['suppression add', { address: 'a b@', account: 'bob', list: 'bounce' }, /bad_request: this is not an email address/],
  [
    'suppression add',
    { address: 'Joe@example.org', account: 'bob', list: 'bounce', note: 'by phone' },
    /bob: Joe@example.org is on the bounce list/,
  ],
  ['suppression add', { address: 'joe@EXAMPLE.org', account: 'bob', list: 'bounce', note: 'by phone' }, /was on the bounce list already/],
  ['suppression add', { address: 'joe@example.org', account: 'bob', list: 'unsubscribe' }, /is on the unsubscribe list/],
  ['suppression remove', { address: 'joe@example.org', account: 'tester' }, /is not on the bounce list\n \[1\]/],
  [
    'suppression remove',
    { address: 'joe@example.org', note: 'asked again' },
    /bob: .* is off the bounce list\nbob: it is on the unsubscribe list; --list unsubscribe takes it off/,
  ],
  [
    'suppression show',
    { address: 'joe@example.org' },
    /bob +bounce +- +removed[\s\S]*TIME +bob +bounce +remove +operator for bob +asked again/,
  ],
  ['suppression remove', { address: 'joe@example.org', list: 'unsubscribe', account: 'bob' }, /bob: .* is off the unsubscribe list/],
  ['trace', { filter: { peer: '192.0.2.1' }, json: false, seconds: 0.01 }, /^ \[0\]$/],
  ['trace', { filter: {}, json: false, seconds: null }, /bad_request: filter: /],
  ['user add', { name: 'ann', role: 'admin', password: 'correct horse battery' }, /user ann +role admin/],
  ['user add', { name: 'ann', role: 'admin', password: null }, /conflict: there is a user/],
  ['user add', { name: 'bob', role: 'king', password: null }, /bad_request: a role is/],
  ['user list', {}, /ann +admin +active +0 +never/],
  ['user password', { name: 'ann', password: 'short' }, /bad_request: a password has 12/],
  ['user role', { name: 'ann', role: 'viewer' }, /conflict: this is the last administrator/],
  ['user disable', { name: 'nobody', disabled: true }, /not_found/],
  ['user remove', { name: 'ann' }, /conflict: this is the last administrator/],
  ['tls-reports', { limit: '5' }, /^0 TLS reports\n \[0\]$/],
  ['tls-reports', { limit: 'many' }, /bad_request: limit/],
  ['token key', { account: '2', keyIndex: '0' }, /SECRET/],
  ['token rotate', {}, /key 1 signs/],
  ['token retire', { index: 0 }, /key 0 is retired/],
  ['token retire', { index: 1 }, /conflict: key 1 is the signing key/],
  ['token mint', { text: '4io2232222222', purpose: 'return-path', domain: 'bounce.example.com' }, /^34io2232222222/],
  ['token read', { text: '4'.repeat(30), purpose: 'return-path', domain: 'bounce.example.com' }, /invalid/],
]

type RunByName = (name: string, input: unknown, output: CommandOutput) => Promise<void>

/** The output, the Fault and the exit status of every step. */
async function runSteps(run: RunByName): Promise<string[]> {
  const results: string[] = []
  for (const [name, input] of STEPS) {
    const { output, collected } = collect()
    const fault = await run(name, input, output).then(
      () => '',
      (error: unknown) => (error instanceof Fault ? `${error.code}: ${error.message}` : String(error)),
    )
    results.push(`${normalise(`${collected.text}${fault}`)} [${collected.exit}]`)
  }
  return results
}

const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
const folders = { daemon: makeFolder(), alone: makeFolder() }
let app: App

/** Ends only by its signal; `aborted` counts how often it did. */
const endless = { started: 0, aborted: 0 }
const endlessCommand = defineStoreCommand('endless', z.object({}), async (_context, _input, { signal, printLines }) => {
  endless.started++
  await printLines('begins')
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  endless.aborted++
  signal.throwIfAborted()
})

const brokenCommand = defineStoreCommand('broken', z.object({}), () => Promise.reject(new TypeError('a secret detail')))

beforeAll(async () => {
  app = await startApp(settingsOf(folders.daemon), telemetry, { commands: [...STORE_COMMANDS, endlessCommand, brokenCommand] })
})

afterAll(() => app.close())

test('every command of the table has a step', () => {
  const stepped = new Set(STEPS.map(([name]) => name))
  expect(STORE_COMMANDS.map(({ name }) => name).filter((name) => !stepped.has(name))).toEqual([])
})

test('a command prints the same in a running daemon and on a store of its own', { timeout: 120_000 }, async () => {
  const client = createCommandClient(folders.daemon)
  const beside = await runSteps(client.run)
  client.close()
  const byName = new Map(STORE_COMMANDS.map((command) => [command.name, command]))
  const alone = await withStoreOf(
    settingsOf(folders.alone),
    (context) =>
      runSteps(async (name, input, output) => {
        await byName.get(name)?.execute(context, input, output)
      }),
    false,
  )
  expect(beside).toEqual(alone)
  for (const [n, [, , expected]] of STEPS.entries()) expect(beside[n]).toMatch(expected)
})

describe('the command line', () => {
  const run = (args: readonly string[], env: Readonly<Record<string, string>>): readonly [number | null, string] => {
    const done = spawnSync(process.execPath, [CLI, ...args], { env: { ...childEnvironment(), ...env }, encoding: 'utf8' })
    return [done.status, done.stdout + done.stderr]
  }

  test('asks a running daemon, and opens the store itself beside the stale socket of a killed one', { timeout: 90_000 }, async () => {
    const daemon = await startDaemon()
    // A command that opened the store itself would be refused: it has another master key.
    const env = { BOUNCED_DATA: daemon.data, BOUNCED_MASTER_KEY: 'ab'.repeat(32) }
    expect(run(['block', 'add', '--peer', '192.0.2.1'], env)).toEqual([0, 'peer 192.0.2.1 is blocked\n'])
    expect(run(['cut', 'list'], env)).toEqual([0, expect.stringMatching(/192\.0\.2\.1.*\n1 blocks\n$/)])
    expect(run(['brake'], env)).toEqual([0, '0 sites held\n'])
    expect(run(['route'], env)).toEqual([0, 'domain  account  since\n'])
    expect(run(['suppression', 'lift', '--site', 'google'], env)).toEqual([0, '0 entries removed\n'])
    expect(run(['account', 'rotate', 'nobody'], env)).toEqual([1, 'bounced: no account has the apiUser "nobody"\n'])
    expect(run(['token', 'read', '4'.repeat(30)], env)).toEqual([1, expect.stringContaining('invalid')])
    expect(run(['replay', FIXTURE], env)).toEqual([0, expect.stringMatching(/already received {2}0/)])
    expect(run(['replay', FIXTURE], env)).toEqual([0, expect.stringMatching(/already received {2}1/)])
    expect(run(['serve'], { ...env, BOUNCED_SMTP_PORT: '0', BOUNCED_HTTP_PORT: '0' })).toEqual([
      1,
      `bounced: another daemon runs on the data folder ${daemon.data}; stop it, or choose another with BOUNCED_DATA\n`,
    ])
    await daemon.kill()
    expect([existsSync(join(daemon.data, 'bounced.sock')), isServeLockHeld(daemon.data)]).toEqual([true, false])
    expect(run(['block', 'list'], env)).toEqual([2, expect.stringContaining('another master key')])
    const own = { ...env, BOUNCED_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') }
    expect(run(['block', 'remove', '--peer', '192.0.2.1'], own)).toEqual([0, 'peer 192.0.2.1 is unblocked\n'])
    const again = await startDaemon({ data: daemon.data })
    expect(run(['block', 'list'], env)).toEqual([0, '0 blocks\n'])
    expect(await again.stop()).toBe(0)
    expect(existsSync(join(daemon.data, 'bounced.sock'))).toBe(false)
  })

  test('Ctrl-C ends the work in the daemon', async () => {
    const script = `
      import { createCommandClient } from ${JSON.stringify(join(ROOT, 'src/daemon/command-client.ts'))}
      const nothing = async () => undefined
      const output = { printLines: async (line) => console.log(line), write: nothing, setProgress: nothing, setExitStatus: nothing, signal: new AbortController().signal }
      await createCommandClient(${JSON.stringify(folders.daemon)}).run('endless', {}, output)`
    const { aborted } = endless
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGINT')
    await expect.poll(() => endless.aborted).toBe(aborted + 1)
  })
})

describe('the socket', () => {
  test('is accessible to its owner only', () => {
    expect(statSync(join(folders.daemon, 'bounced.sock')).mode & 0o777).toBe(0o600)
    expect(statSync(join(folders.daemon, 'serve.lock')).mode & 0o077).toBe(0)
  })

  test('serves 100 commands at once', async () => {
    const client = createCommandClient(folders.daemon)
    const peers = Array.from({ length: 100 }, (_, n) => `198.51.100.${n}`)
    const results = await Promise.all(
      peers.map(async (peer) => {
        const { output, collected } = collect()
        await client.run('block add', { peer }, output)
        return collected.text
      }),
    )
    expect(results).toEqual(peers.map((peer) => `peer ${peer} is blocked\n`))
    client.close()
  })

  const REQUESTS: readonly (readonly [method: string, path: string, body: string, status: number, code: string])[] = [
    // method  path         body                              status  code
    ['POST', '/commands', '{"command":', 400, 'bad_request'],
    ['POST', '/commands', '[]', 400, 'bad_request'],
    ['POST', '/commands', '{"command":7,"input":{}}', 400, 'bad_request'],
    ['POST', '/commands', '', 400, 'bad_request'],
    ['POST', '/commands', '{"command":"fly","input":{}}', 404, 'not_found'],
    ['POST', '/commands', `{"command":"${'x'.repeat(16_000_000)}`, 413, 'too_large'],
    ['GET', '/commands', '', 405, 'method_not_allowed'],
    ['POST', '/', '{}', 404, 'not_found'],
    ['POST', '/commands', '{"command":"broken","input":{}}', 200, 'internal'],
    ['POST', '/commands', '{"command":"block add","input":[]}', 200, 'bad_request'],
  ]
  test.each(REQUESTS.map((row) => [row[0], row[1], row[2].slice(0, 40), row] as const))(
    '%s %s %s',
    async (_method, _path, _body, [method, path, body, status, code]) => {
      const request = httpRequest({ socketPath: join(folders.daemon, 'bounced.sock'), path, method })
      request.end(body)
      const [response] = await once(request, 'response')
      let text = ''
      for await (const chunk of response) text += String(chunk)
      expect([response.statusCode, JSON.parse(text)]).toEqual([status, { fault: { code, message: expect.any(String) } }])
      expect(text).not.toContain('secret detail')
    },
  )

  test('works in a folder whose path is too long for a socket', async () => {
    const data = join(makeFolder(), 'd'.repeat(120))
    mkdirSync(data)
    const other = await startApp(settingsOf(data), telemetry, { commands: STORE_COMMANDS })
    const { output, collected } = collect()
    const client = createCommandClient(data)
    await client.run('block list', {}, output)
    client.close()
    expect(collected.text).toBe('0 blocks\n')
    await other.close()
    expect(existsSync(join(data, 'bounced.sock'))).toBe(false)
  })

  test('an ending daemon ends the commands that run', async () => {
    const data = makeFolder()
    const other = await startApp(settingsOf(data), telemetry, { commands: [endlessCommand] })
    const client = createCommandClient(data)
    const { output } = collect()
    const { started } = endless
    const running = client.run('endless', {}, output).catch((error: unknown) => error)
    await expect.poll(() => endless.started).toBe(started + 1)
    await other.close()
    expect(await running).toMatchObject({ code: 'store_busy', message: 'the daemon is shutting down; try again' })
    expect(await isDaemonListening(data)).toBe(false)
    client.close()
  })
})

describe('the lock', () => {
  test('is held once, and is free after a release', () => {
    const folder = makeFolder()
    expect(isServeLockHeld(folder)).toBe(false)
    const lock = acquireServeLock(folder)
    expect(isServeLockHeld(folder)).toBe(true)
    expect(() => acquireServeLock(folder)).toThrow(/another daemon runs/)
    lock.release()
    lock.release()
    expect(isServeLockHeld(folder)).toBe(false)
    acquireServeLock(folder).release()
  })

  test('a lock file that cannot be used is refused with the reason', () => {
    const folder = makeFolder()
    mkdirSync(join(folder, 'serve.lock'))
    expect(() => acquireServeLock(folder)).toThrow(/serve\.lock is a folder, where a file is needed/)
    expect(() => isServeLockHeld(folder)).toThrow(/cannot be used/)
  })

  test('an address that is short enough is taken as it is', () => {
    const folder = makeFolder()
    const { address, release } = openSocketAddress(folder)
    expect(address).toBe(join(folder, 'bounced.sock'))
    release()
  })
})
