/**
 * package.test - the npm package in an empty folder: its import in Node 22 and here, its types, its README, its daemon
 *
 * Installs the tarball with npm, and is skipped where npm cannot reach the registry. See also: package/pack.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { childEnvironment, startDaemon } from '../support/daemon.ts'

const ROOT = join(import.meta.dirname, '../..')
const MAIL = readFileSync(join(ROOT, 'fixtures/mails/google-not-exist.eml'))
/** The oldest Node that the import supports. */
const NODE_22 = `node-linux-${process.arch}@22.23.5`

const makeFolder = (name: string): string => mkdtempSync(join(tmpdir(), `bounced-${name}-`))

/** Installs a package into a folder of its own. */
function install(folder: string, what: string): { readonly problem: string | null } {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const npm = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--fetch-retries=0', what]
  const { status, stderr, error } = spawnSync('npm', npm, { cwd: folder, encoding: 'utf8', timeout: 100_000 })
  return { problem: status === 0 ? null : (error?.message ?? stderr) }
}

/** What npm says when it cannot reach the registry. */
const AWAY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED|ENETUNREACH|ENOENT.*npm|spawnSync npm/

const consumer = makeFolder('consumer')
let isAway = false
let node22: string | null = null

beforeAll(() => {
  const folder = makeFolder('tarball')
  const printed = execFileSync(process.execPath, ['package/pack.ts', folder], { cwd: ROOT, encoding: 'utf8' }).trim()
  if (!existsSync(printed)) throw new Error(`the script prints ${printed}, which is not there`)
  const { problem } = install(consumer, printed)
  isAway = problem !== null && AWAY.test(problem)
  if (problem !== null && !isAway) throw new Error(problem)
  writeFileSync(join(consumer, 'bounce.eml'), MAIL)
  mkdirSync(join(consumer, 'my-rules'))
  writeFileSync(join(consumer, 'my-rules/own.toml'), blocksOf('toml')[0] ?? '')
  const older = makeFolder('node22')
  if (!isAway && install(older, NODE_22).problem === null) node22 = join(older, `node_modules/node-linux-${process.arch}/bin/node`)
})

const INSTALLED = join(consumer, 'node_modules/bounced')

/** Code in the README of the package. */
function blocksOf(language: string): readonly string[] {
  const text = readFileSync(join(ROOT, 'package/README.md'), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code = '']) => code)
}

function runModule(node: string, code: string): string {
  return execFileSync(node, ['--input-type=module', '-e', code], { cwd: consumer, encoding: 'utf8' }).trim()
}

/** Skips a test where something is away, and says what. */
function needs(skip: (note: string) => never, { older = false } = {}): void {
  if (isAway) skip('npm cannot reach the registry')
  if (older && node22 === null) skip(`${NODE_22} is not to be had`)
}

const README_OUTPUT = ['not-exist permanent common-user-unknown', 'bounce', 'own-no-room']

test.for([
  ['Node 22', true],
  ['this Node', false],
] as const)('the examples of the README in %s', ([, older], { skip }) => {
  needs(skip, { older })
  const node = older ? (node22 ?? '') : process.execPath
  const printed = blocksOf('js').map((code) => runModule(node, code))
  expect(printed).toEqual(README_OUTPUT.map((start) => expect.stringContaining(start)))
})

/** Counts what an import loads, by the folder of `dist`. */
const COUNT_LOADED = `
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
  const { classify, readReport } = await import('bounced')
  classify(readReport('Subject: x\\r\\n\\r\\nno report'))
  console.log(JSON.stringify([...new Set(urls.map((url) => /bounced\\/dist\\/([^/]+)/.exec(url)?.[1] ?? 'package'))].sort()))`

/** Folders and files of `dist` that no reader of reports needs. */
const DAEMON_ONLY =
  'cli.js commands daemon http ledger mail-auth net queue service settings smtp-client smtp-server store telemetry.js webhook'.split(' ')

test('the import loads the pure folders and no daemon', ({ skip }) => {
  needs(skip)
  const loaded: readonly string[] = JSON.parse(runModule(process.execPath, COUNT_LOADED))
  expect(loaded).toEqual(expect.arrayContaining(['classify', 'correlate', 'library.js', 'mail']))
  expect(loaded.filter((name) => DAEMON_ONLY.includes(name))).toEqual([])
})

const CONSUMER = `
import { classify, createClassifier, readReport, type Classification, type Report } from 'bounced'
const report: Report = readReport(new Uint8Array())
const found: Classification = classify({ reply: '550 x', mx: 'mx.example.net' })
const reasons: readonly (string | null)[] = createClassifier({ rulesFolder: 'x' })(report).recipients.map(({ reason }) => reason)
console.log(found.recipients[0]?.permanence === 'permanent', reasons)
// @ts-expect-error a reason is one of a fixed set
console.log(found.recipients[0]?.reason === 'no such reason')
`

test('a TypeScript consumer finds the types, without those of Node', ({ skip }) => {
  needs(skip)
  writeFileSync(join(consumer, 'consumer.ts'), `declare const console: { log(...values: unknown[]): void }\n${CONSUMER}`)
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', '', '--exactOptionalPropertyTypes']
  const { status, stdout } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, 'consumer.ts'], {
    cwd: consumer,
    encoding: 'utf8',
  })
  expect([status, stdout]).toEqual([0, ''])
})

test('no Node of ours replaces that of the consumer, and every dependency is pinned', ({ skip }) => {
  needs(skip)
  expect(existsSync(join(consumer, 'node_modules/.bin/node'))).toBe(false)
  expect(globSync('node_modules/node-linux-*', { cwd: consumer })).toEqual([])
  const { dependencies, optionalDependencies, scripts } = JSON.parse(readFileSync(join(INSTALLED, 'package.json'), 'utf8'))
  expect([optionalDependencies, scripts]).toEqual([undefined, undefined])
  expect(Object.values(dependencies).filter((version) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([])
})

test('the data files and the modules of threads are in the package', ({ skip }) => {
  needs(skip)
  const data = (folder: string): readonly string[] => globSync('**/*.toml', { cwd: folder }).toSorted()
  expect(data(join(INSTALLED, 'dist'))).toEqual(data(join(ROOT, 'src')))
  const threads = globSync('dist/**/*.js', { cwd: INSTALLED }).flatMap((path) =>
    [...readFileSync(join(INSTALLED, path), 'utf8').matchAll(/new Worker\(workerUrl\('(\.\/[^']+)', import\.meta\.url\)/g)].map(
      ([, module = '']) => join(INSTALLED, path, '..', `${module}.js`),
    ),
  )
  expect(threads.length).toBeGreaterThan(2)
  expect(threads.filter((path) => !existsSync(path))).toEqual([])
})

test('in an older Node the command says in one sentence what it needs', ({ skip }) => {
  needs(skip, { older: true })
  const { status, stdout, stderr } = spawnSync(node22 ?? '', [join(INSTALLED, 'bin/bounced.mjs')], { encoding: 'utf8' })
  expect([status, stdout, stderr.trim()]).toEqual([1, '', expect.stringMatching(/^The bounced daemon needs Node 26[^\n]+\.$/)])
  // An MTA keeps its mail.
  expect(spawnSync(node22 ?? '', [join(INSTALLED, 'bin/bounced.mjs'), 'receive']).status).toBe(75)
})

test('the command without arguments is the daemon, which classifies a mail and serves its console', async ({ skip }) => {
  needs(skip)
  const daemon = await startDaemon({ program: [join(consumer, 'node_modules/.bin/bounced')] })
  try {
    const { status, body } = await daemon.api('POST', '/v1/classify', { mailBase64: MAIL.toString('base64') })
    expect([status, body]).toMatchObject([200, { kind: 'bounce', recipients: [{ reason: 'not-exist', rule: 'google-no-such-user' }] }])
    const page = await (await fetch(`http://127.0.0.1:${daemon.httpPort}/console/`)).text()
    const main = /(\/console\/[^"]*main\.ts)"/.exec(page)?.[1]
    expect((await fetch(`http://127.0.0.1:${daemon.httpPort}${main ?? '/missing'}`)).status).toBe(200)
    cpSync(join(consumer, 'bounce.eml'), join(daemon.data, 'bounce.eml'))
    expect(
      execFileSync(process.execPath, [join(INSTALLED, 'bin/bounced.mjs'), 'explain', 'bounce.eml'], {
        cwd: daemon.data,
        env: childEnvironment(),
        encoding: 'utf8',
      }),
    ).toContain('google-no-such-user')
  } finally {
    expect(await daemon.stop()).toBe(0)
  }
})
