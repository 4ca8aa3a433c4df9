/**
 * start-problems.test - what keeps `serve` from starting is told in one sentence that names the path, the cause and what to do, with the exit status
 *
 * Exit status 2: the settings or rights must change. 1: it may pass, so that a supervisor tries again. Rights are tried as a user that is not root.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { prepareDataFolder, waitForMounts } from '../src/config/folder-access.ts'
import { createSelfSignedCertificate } from '../src/net/certificate.ts'
import { childEnvironment } from './support/daemon.ts'

const CLI = join(import.meta.dirname, '..', 'src/cli.ts')
const NOBODY = 65_534

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bounced-start-'))
  chmodSync(folder, 0o755)
  return folder
}

const isRoot = process.geteuid?.() === 0
const canDropRights = !isRoot || spawnSync('setpriv', ['--version']).status === 0

type Ended = { readonly status: unknown; readonly err: string }

/** Starts the daemon as a user without the rights of root, and waits until it ends. `before`: a command of the shell, run as root. */
async function serve(env: Readonly<Record<string, string>>, before = ''): Promise<Ended> {
  const drop = isRoot ? ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'] : []
  const command = [...drop, process.execPath, CLI, 'serve']
  const isolated = ['unshare', '-m', 'sh', '-c', `${before} && exec "$@"`, 'sh', ...command]
  const [program = '', ...args] = before === '' ? command : isolated
  const child = spawn(program, args, {
    env: { ...childEnvironment(), BOUNCED_SMTP_PORT: '0', BOUNCED_HTTP_PORT: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [[status], err] = await Promise.all([once(child, 'exit'), text(child.stderr)])
  return { status, err }
}

/** A folder that the daemon may use, with one file in it. */
function makeDataFolder(): string {
  const folder = makeFolder()
  if (isRoot) chownSync(folder, NOBODY, NOBODY)
  return folder
}

function makeFile(content: string, mode = 0o644): string {
  const file = join(makeFolder(), 'file')
  writeFileSync(file, content)
  chmodSync(file, mode)
  return file
}

function makeLink(target: (link: string) => string): string {
  const link = join(makeFolder(), 'link')
  symlinkSync(target(link), link)
  return link
}

/** A pair of files that belong together. */
function makePair(): { readonly cert: string; readonly key: string } {
  const { cert, key } = createSelfSignedCertificate('mx.example.com', 0)
  return { cert: makeFile(cert), key: makeFile(key) }
}

/** Environment, the name of the variable whose path the sentence has, words of the cause, exit status. */
const PROBLEMS: readonly (readonly [title: string, env: () => Record<string, string>, path: string, words: RegExp, status: number])[] = [
  ['data: a file', () => ({ BOUNCED_DATA: makeFile('') }), 'BOUNCED_DATA', /is a file.*: choose another one with BOUNCED_DATA/, 2],
  ['data: below a file', () => ({ BOUNCED_DATA: join(makeFile(''), 'data') }), 'BOUNCED_DATA', /is below a file/, 2],
  [
    'data: a link that leads nowhere',
    () => ({ BOUNCED_DATA: makeLink(() => '/nonexistent') }),
    'BOUNCED_DATA',
    /does not exist: make it/,
    2,
  ],
  ['data: a link to itself', () => ({ BOUNCED_DATA: makeLink((link) => link) }), 'BOUNCED_DATA', /leads to itself/, 2],
  ['data: where nothing can be made', () => ({ BOUNCED_DATA: '/proc/bounced' }), 'BOUNCED_DATA', /does not exist|is not accessible/, 2],
  ['data: a long name', () => ({ BOUNCED_DATA: `/tmp/${'x'.repeat(300)}` }), 'BOUNCED_DATA', /name that is too long/, 2],
  [
    'database: no folder',
    () => ({ BOUNCED_DATABASE: 'sqlite:/nonexistent/bounced.db' }),
    '',
    /the folder of the store \/nonexistent does not exist/,
    2,
  ],
  [
    'database: a folder',
    () => ({ BOUNCED_DATABASE: `sqlite:${makeDataFolder()}` }),
    '',
    /(?:is a folder, where a file is needed|is not accessible)/,
    2,
  ],
  [
    'settings: no file',
    () => ({ BOUNCED_CONFIG: '/nonexistent.toml' }),
    'BOUNCED_CONFIG',
    /does not exist: make it, or name another one with --config/,
    2,
  ],
  ['settings: a folder', () => ({ BOUNCED_CONFIG: '/tmp' }), 'BOUNCED_CONFIG', /is a folder, where a file is needed/, 2],
  ['secret: no file', () => ({ BOUNCED_MASTER_KEY_FILE: '/nonexistent' }), 'BOUNCED_MASTER_KEY_FILE', /does not exist/, 2],
  [
    'rules: no folder',
    () => ({ BOUNCED_RULES_FOLDER: '/nonexistent' }),
    'BOUNCED_RULES_FOLDER',
    /does not exist.* BOUNCED_RULES_FOLDER/,
    1,
  ],
  ['rules: a file', () => ({ BOUNCED_RULES_FOLDER: makeFile('') }), 'BOUNCED_RULES_FOLDER', /is a file/, 1],
  [
    'places: no file',
    () => ({ BOUNCED_TRACKING_CITY_DATABASE: '/nonexistent' }),
    'BOUNCED_TRACKING_CITY_DATABASE',
    /tracking\.cityDatabase .* does not exist/,
    2,
  ],
  [
    'certificate: no file',
    () => ({ BOUNCED_TLS_CERT: '/nonexistent', BOUNCED_TLS_KEY: makePair().key }),
    'BOUNCED_TLS_CERT',
    /the certificate .* does not exist/,
    2,
  ],
  [
    'certificate: not PEM',
    () => ({ BOUNCED_TLS_CERT: makeFile('x'), BOUNCED_TLS_KEY: makePair().key }),
    'BOUNCED_TLS_CERT',
    /is not a certificate .*in PEM format/,
    2,
  ],
  [
    'private key: not PEM',
    () => ({ BOUNCED_TLS_CERT: makePair().cert, BOUNCED_TLS_KEY: makeFile('x') }),
    'BOUNCED_TLS_KEY',
    /is not a private key .*in PEM format/,
    2,
  ],
  [
    'private key: of another',
    () => ({ BOUNCED_TLS_CERT: makePair().cert, BOUNCED_TLS_KEY: makePair().key }),
    'BOUNCED_TLS_KEY',
    /is not the key of .*: renew both together/,
    2,
  ],
  [
    'https: no folder',
    () => ({ BOUNCED_HTTP_TLS_PORT: '0', BOUNCED_HTTP_TLS_FOLDER: '/nonexistent' }),
    'BOUNCED_HTTP_TLS_FOLDER',
    /does not exist/,
    2,
  ],
  [
    'providers: no folder',
    () => ({ BOUNCED_DELIVERY_MODE: 'simulated', BOUNCED_DELIVERY_SIMULATED_PROVIDERS: '/nonexistent' }),
    'BOUNCED_DELIVERY_SIMULATED_PROVIDERS',
    /does not exist/,
    2,
  ],
]

test.skipIf(!canDropRights).each(PROBLEMS)('%s', async (_title, make, variable, words, status) => {
  const env = { BOUNCED_DATA: makeDataFolder(), BOUNCED_RETURN_PATH_DOMAIN: 'b.example.com', ...make() }
  const ended = await serve(env)
  expect(ended.err).toMatch(words)
  expect(ended.err).toContain(Object.entries(env).find(([name]) => name === variable)?.[1] ?? '')
  expect({ status: ended.status, lines: ended.err.trim().split('\n').length }).toEqual({ status, lines: 1 })
})

describe.skipIf(!isRoot || !canDropRights)('a user without the right (skipped where the tests do not run as root)', () => {
  const RIGHTS: readonly (readonly [title: string, env: () => Record<string, string>, words: RegExp])[] = [
    [
      'a data folder of root',
      () => ({ BOUNCED_DATA: makeFolder() }),
      /the data folder .* is not accessible to the user nobody that .* chown -R nobody '.*'\), or choose/,
    ],
    [
      'a data folder to be made in one of root',
      () => ({ BOUNCED_DATA: join(makeFolder(), 'data') }),
      /the data folder .* is not accessible/,
    ],
    [
      'a private key of root',
      () => ({ BOUNCED_TLS_CERT: makePair().cert, BOUNCED_TLS_KEY: makeFile(makePair().key, 0o600) }),
      /the private key .* is not accessible/,
    ],
  ]
  test.each(RIGHTS)('%s', async (_title, make, words) => {
    const ended = await serve({ BOUNCED_DATA: makeDataFolder(), ...make() })
    expect([ended.status, ended.err]).toEqual([2, expect.stringMatching(words)])
  })

  test.each(['bounced.db', 'bounced.db-wal', 'serve.lock', 'master.key'])('%s, made by a command that root ran', async (name) => {
    const data = makeDataFolder()
    writeFileSync(join(data, name), 'x', { mode: 0o600 })
    const ended = await serve({ BOUNCED_DATA: data })
    expect([ended.status, ended.err]).toEqual([
      2,
      expect.stringContaining(`the file ${join(data, name)} is not accessible to the user nobody`),
    ])
  })
})

describe.skipIf(!isRoot || !canDropRights || spawnSync('unshare', ['-m', 'true']).status !== 0)('mounts (skipped without root)', () => {
  test('a read-only one', async () => {
    const data = makeDataFolder()
    const ended = await serve({ BOUNCED_DATA: data }, `mount -t tmpfs -o ro,mode=777 none ${data}`)
    expect([ended.status, ended.err]).toEqual([2, expect.stringMatching(/the data folder .* mounted read-only: mount it writable/)])
  })

  test('a full one', async () => {
    const data = makeDataFolder()
    const ended = await serve(
      { BOUNCED_DATA: data },
      `mount -t tmpfs -o size=4k,mode=777 none ${data} && head -c 4096 /dev/zero > ${data}/full`,
    )
    expect([ended.status, ended.err]).toEqual([1, expect.stringMatching(/is on a disk that is full: make room/)])
  })
})

test('a mount without its server is given up after the time limit, and keeps nothing waiting', async () => {
  const programs = makeFolder()
  writeFileSync(join(programs, 'df'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 })
  const path = process.env['PATH']
  process.env['PATH'] = `${programs}:${path}`
  try {
    await expect(waitForMounts(['/nonexistent/mount'], 200)).rejects.toMatchObject({
      code: 'store_busy',
      message: expect.stringMatching(
        /^\/nonexistent\/mount does not answer within 0\.2 s: it is on a mount whose server is gone .*: repair/,
      ),
    })
  } finally {
    process.env['PATH'] = path
  }
})

test('paths that answer, also with an error, and a system without df keep the start waiting no longer', async () => {
  await expect(waitForMounts([tmpdir(), '/nonexistent', '/nonexistent'])).resolves.toBeUndefined()
  const path = process.env['PATH']
  process.env['PATH'] = makeFolder()
  await expect(waitForMounts([tmpdir()]).finally(() => (process.env['PATH'] = path))).resolves.toBeUndefined()
})

test('a data folder is made with its parents, for its owner only, and is used again', () => {
  const parent = makeFolder()
  const folder = join(parent, 'a', 'b', 'c')
  prepareDataFolder(folder)
  prepareDataFolder(folder)
  mkdirSync(join(folder, 'kept'))
  expect(readdirSync(folder)).toEqual(['kept'])
  prepareDataFolder(makeLink(() => folder))
})
