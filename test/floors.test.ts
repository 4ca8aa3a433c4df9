/**
 * floors.test - checks the import rules: the table of folders in ARCHITECTURE.md, as data
 *
 * A floor is a row of that table. A file imports only from its own floor and from the floors above it. A pure folder uses no clock, random
 * numbers, environment or I/O. Every source file is loaded in a plain Node, so that syntax that its type stripping rejects fails here.
 */
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

/** In the order of the table. A folder ends in a slash. `never`: folders of a higher floor from which it must not import values even so. */
const FLOORS = [
  {
    holds: ['errors.ts', 'file-fault.ts', 'invalid-file.ts', 'telemetry.ts', 'trace.ts', 'steady-clock.ts', 'worker-url.ts'],
    pure: false,
    never: [],
  },
  { holds: ['mail/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['classify/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['correlate/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['esp-events/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['compose/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['tracking/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['ledger/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['mta-log/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['queue/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['simulator/'], pure: true, never: ['telemetry.ts', 'trace.ts'] },
  { holds: ['net/'], pure: false, never: [] },
  { holds: ['smtp-client/'], pure: false, never: [] },
  { holds: ['mail-auth/'], pure: false, never: [] },
  { holds: ['config/'], pure: false, never: [] },
  { holds: ['webhook/'], pure: false, never: [] },
  { holds: ['simulator/smtp/'], pure: false, never: ['config/', 'webhook/'] },
  { holds: ['store/'], pure: false, never: [] },
  { holds: ['service/'], pure: false, never: [] },
  { holds: ['smtp-server/'], pure: false, never: [] },
  { holds: ['import/'], pure: false, never: [] },
  { holds: ['mailbox/'], pure: false, never: [] },
  { holds: ['http/'], pure: false, never: ['smtp-server/'] },
  { holds: ['settings/'], pure: false, never: [] },
  { holds: ['daemon/'], pure: false, never: [] },
  { holds: ['commands/'], pure: false, never: [] },
  { holds: ['cli.ts', 'library.ts'], pure: false, never: [] },
] as const

/** Of Node a pure file may import these names only. */
const PURE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': [
    'createHash',
    'hash',
    'createHmac',
    'timingSafeEqual',
    'Hash',
    'Hmac',
    'verify',
    'createPublicKey',
    'KeyObject',
    'X509Certificate',
  ],
  'node:buffer': ['Buffer', 'isUtf8'],
  'node:zlib': ['gunzipSync'],
}

/** Values (no Node modules) that a pure file may take from a package: parsers and tables without I/O. */
const PURE_PACKAGES = ['libmime', 'html-to-text', 'htmlparser2', 'bowser', 'ipaddr.js', 'isbot', 'tldts', 'zod']

/** Uses of clock, random numbers, environment or I/O that need no import. */
const IMPURE = [
  /\bDate\.now\b/,
  /\bTemporal\.Now\b/,
  /\bnew Date\(\)/,
  /\bDate\(\)/,
  /\bperformance\b/,
  /\bMath\.random\b/,
  /\bcrypto\.(?:random|getRandom)/,
  /\bprocess\./,
  /\bglobalThis\b/,
  /\bconsole\./,
  /\bfetch\(/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bqueueMicrotask\b/,
  /\basync\b/,
  /\bawait\b/,
  /\bimport\(/,
  /\brequire\(/,
  /\beval\(/,
  /\bimport\.meta\b/,
]

type Import = { readonly names: string; readonly from: string; readonly isType: boolean }

/** Source without comments and string contents, so that prose cannot violate a rule; line structure is kept. */
function codeOf(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:'"`\\])\/\/[^\n]*/g, '').replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''")
}

function importsOf(source: string): Import[] {
  const found: Import[] = []
  for (const match of source.matchAll(/^(?:import|export)\s+(type\s+)?([^'"`;]*?)\s*from\s+['"]([^'"]+)['"]/gm)) {
    found.push({ names: match[2] ?? '', from: match[3] ?? '', isType: match[1] !== undefined })
  }
  for (const match of source.matchAll(/(?:^import\s+|\bimport\()['"]([^'"]+)['"]/gm))
    found.push({ names: '', from: match[1] ?? '', isType: false })
  return found
}

const FILES = globSync('**/*.ts', { cwd: SRC }).toSorted()

function floorOf(path: string): number {
  const rows = FLOORS.flatMap(({ holds }, floor) => holds.map((name) => ({ name, floor })))
  const found = rows.filter(({ name }) => (name.endsWith('/') ? path.startsWith(name) : path === name))
  // A subfolder with a row of its own (simulator/smtp/) does not belong to the folder around it.
  return found.toSorted((one, other) => other.name.length - one.name.length)[0]?.floor ?? -1
}

function linksOf(path: string): { readonly target: string; readonly isType: boolean }[] {
  const source = readFileSync(join(SRC, path), 'utf8')
  return importsOf(source)
    .filter(({ from }) => from.startsWith('.'))
    .map(({ from, isType }) => ({ target: relative(SRC, join(SRC, dirname(path), from)), isType }))
}

function broken(path: string): string[] {
  const floor = floorOf(path)
  const row = FLOORS[floor]
  if (row === undefined) return [`${path} is in no row of the table`]
  return linksOf(path).flatMap(({ target, isType }) => {
    // Data outside src/ (package.json) is not in the table.
    if (target.startsWith('..')) return []
    if (floorOf(target) > floor) return [`${path} imports ${target}, which is below it`]
    const never: readonly string[] = row.never
    return never.some((name) => target.startsWith(name)) && !isType ? [`${path} must not import ${target}`] : []
  })
}

function impure(path: string): string[] {
  if (FLOORS[floorOf(path)]?.pure !== true) return []
  const source = readFileSync(join(SRC, path), 'utf8')
  const code = codeOf(source)
  const reaches = IMPURE.flatMap((pattern) => (pattern.test(code) ? [`${path} uses ${pattern.source}`] : []))
  const brings = importsOf(source)
    .filter(({ from, isType }) => !from.startsWith('.') && !isType)
    .flatMap(({ from, names }) => {
      const allowed = PURE_IMPORTS[from]
      if (allowed === undefined)
        return PURE_PACKAGES.some((name) => from === name || from.startsWith(`${name}/`)) ? [] : [`${path} imports ${from}`]
      const taken = names
        .replaceAll(/[{}]/g, '')
        .split(',')
        .map((name) => name.trim().replace(/^type /, ''))
        .filter(Boolean)
      return taken.filter((name) => !allowed.includes(name)).map((name) => `${path} takes ${name} of ${from}`)
    })
  return [...reaches, ...brings]
}

test('a file imports only from its own floor and from the floors above it', () => {
  expect(FILES.flatMap(broken)).toEqual([])
})

test('pure folders use no clock, random numbers, environment or I/O', () => {
  expect(FILES.flatMap(impure)).toEqual([])
})

/** Files that read the wall clock, and why a jump of it does no harm there. Everything else takes `now` and `elapsed` of its context. */
const WALL_CLOCK_READERS: Readonly<Record<string, string>> = {
  'daemon/process-clock.ts': 'makes the clocks of the process from it',
  'daemon/listeners/smtp-listeners.ts': 'the validity of a self-signed certificate, which others judge by their clocks',
  'telemetry.ts': 'log lines and traces show the clock of the machine',
  'simulator/smtp/provider-network.ts': 'simulated providers are other machines',
  'simulator/smtp/provider-server.ts': 'simulated providers are other machines',
}

test('the daemon reads the wall clock in few places: timers, leases and due times must survive a jump of it', () => {
  const isReader = (path: string): boolean => /\bDate\.now\b|\bnew Date\(\)/.test(codeOf(readFileSync(join(SRC, path), 'utf8')))
  const readers = FILES.filter((path) => !path.startsWith('commands/') && isReader(path))
  expect(readers).toEqual(Object.keys(WALL_CLOCK_READERS).toSorted())
})

test('files have named exports only, and no barrels', () => {
  const found = FILES.filter((path) => /^export (?:default\b|\* from)/m.test(readFileSync(join(SRC, path), 'utf8')))
  expect(found).toEqual([])
})

/** Files that act when they are loaded: the program itself, and what runs inside a worker thread. */
const ACTS = /^cli\.ts$|thread\.ts$|worker\.ts$/

test('every source file loads in a plain Node', () => {
  const urls = FILES.filter((path) => !ACTS.test(path)).map((path) => join(SRC, path))
  const script = `for (const file of ${JSON.stringify(urls)}) { try { await import(file) } catch (error) { console.log(file + ': ' + error.message) } }`
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', cwd: ROOT })
  expect(printed.split('\n').filter(Boolean)).toEqual([])
})

test.each(FILES.filter((file) => ACTS.test(file)))('%s passes the type stripper', (path) => {
  expect(() => execFileSync(process.execPath, ['--check', join(SRC, path)], { stdio: 'pipe' })).not.toThrow()
})

const PROBES = [
  // code                                          breaks
  ['const now = Date.now()', true],
  ['const roll = Math.random()', true],
  ['// Date.now() is not called here', false],
  ["const word = 'Date.now()'", false],
  ['export async function load() {}', true],
  ['const home = process.env.HOME', true],
  ['const at = new Date(0)', false],
] as const

test.each(PROBES)('the check for impure code judges %j correctly', (code, breaks) => {
  expect(IMPURE.some((pattern) => pattern.test(codeOf(code)))).toBe(breaks)
})
