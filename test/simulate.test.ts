/**
 * simulate.test - bounced simulate: its output and exit status
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readProviders, readToml } from '../src/config/provider-files.ts'
import { readScenario } from '../src/simulator/scenario.ts'

const ROOT = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'bounced-simulate-'))
afterAll(() => rmSync(folder, { recursive: true }))

function run(...args: readonly string[]): { readonly status: number | null; readonly out: string; readonly err: string } {
  const done = spawnSync(process.execPath, [join(ROOT, 'src/cli.ts'), 'simulate', ...args], { cwd: ROOT, encoding: 'utf8' })
  return { status: done.status, out: done.stdout, err: done.stderr }
}

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const SMALL = `
name = "small"
title = "A small campaign"
about = "Some mails"
seed = 4
start = "2026-03-02T08:00:00Z"
hours = 200
[sender]
domain = "news.example.com"
ips = ["198.51.100.1"]
connections = 10
[[campaign]]
mails = 600
over_minutes = 10
to = { gmail = 1, generic = 1 }
[[listing]]
ip = "198.51.100.1"
provider = "generic"
from_hours = 0
for_hours = 2
`
const small = write('small.toml', SMALL)

test('several scenarios print a table, with providers of a folder', () => {
  const own = mkdtempSync(join(folder, 'providers-'))
  const generic = readFileSync(join(ROOT, 'src/simulator/providers/generic.toml'), 'utf8')
  writeFileSync(join(own, 'own.toml'), generic.replace('name = "generic"', 'name = "own"').replaceAll('example.net', 'own.example'))
  const other = write('other.toml', SMALL.replaceAll('generic', 'own').replace('name = "small"', 'name = "other"'))
  const { status, out, err } = run(small, other, '--providers', own, '--compare', 'default', 'fixed', '--seeds', '2')
  expect([status, err]).toEqual([0, ''])
  const rows = out
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/).slice(0, 3).join(' '))
  expect(rows).toEqual(['scenario policy seeds', 'small default 2', 'small fixed 2', 'other default 2', 'other fixed 2'])
  expect(run(other).err).toMatch(/there is no provider "own"/)
  expect(run(small, other, '--providers', own, '--html', join(folder, 'x.html')).err).toMatch(/--html shows one scenario/)
})

describe('a small campaign', () => {
  test('prints the results by provider and by key', () => {
    const { status, out, err } = run(small)
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/mails +600\n/)
    expect(out).toMatch(/still waiting +0\n/)
    expect(out).toMatch(/generic +\d+/)
    expect(out).toMatch(/ip\|198\.51\.100\.1\|example\.net +\d+/)
  })

  test('prints JSON, the same each time, and another for another seed', () => {
    const first = run(small, '--json')
    expect(run(small, '--json').out).toBe(first.out)
    expect(run(small, '--json', '--seed', '5').out).not.toBe(first.out)
    expect(JSON.parse(first.out)).toMatchObject({ scenario: 'small', policy: 'default', seed: 4, mails: 600, waiting: 0 })
  })

  test('puts two policies side by side, one of them a file, and writes a page', () => {
    const policy = write('patient.toml', 'name = "patient"\nbase = "default"\n[class.ip-blocklist]\nbase_minutes = 30\n')
    const page = join(folder, 'page.html')
    const { status, out, err } = run(small, '--compare', 'never', policy, '--html', page)
    expect([status, err]).toEqual([0, ''])
    expect(out).toMatch(/policy +never +patient\n/)
    const html = readFileSync(page, 'utf8')
    expect(html).toContain('<title>A small campaign</title>')
    expect(html.match(/<svg /g)).toHaveLength(6)
  })
})

test('several seeds: the median and the range of each figure', () => {
  const { status, out, err } = run(small, '--compare', 'default', 'never', '--seeds', '3')
  expect([status, err]).toEqual([0, ''])
  expect(out).toMatch(/3 seeds from 4/)
  expect(out).toMatch(/policy +default +never\n/)
  expect(out).toMatch(/mean delay .+ \(.+ to .+\)/)
  const spreads: unknown = JSON.parse(run(small, '--compare', 'default', 'never', '--seeds', '3', '--json').out)
  expect(spreads).toMatchObject([
    { policy: 'default', seeds: [4, 5, 6] },
    { policy: 'never', seeds: [4, 5, 6] },
  ])
})

const bad = [
  // arguments                                                          what is said
  [[], /missing required argument 'scenario'/],
  [['/nowhere.toml'], /nowhere\.toml does not exist/],
  [[write('broken.toml', 'name = ')], /broken\.toml: /],
  [[write('unknown.toml', `${SMALL}\n[weather]\nrain = 1\n`)], /unknown\.toml: Unrecognized key: "weather"/],
  [[small, '--compare', 'never'], /--compare takes two to four policies, not 1/],
  [[small, '--compare', 'never', 'never'], /--compare takes policies of different names, not never never/],
  [[small, '--seeds', '1'], /--seeds takes a whole number from 2 to 100, not "1"/],
  [[small, '--seeds', '2', '--html', '/tmp/x.html'], /--html shows one seed/],
  [[small, '--policy', '/nowhere.toml'], /nowhere\.toml does not exist/],
  [[small, '--policy', write('p.toml', 'name = "p"\nbase = "soft"\n')], /p\.toml: base: /],
  [[small, '--seed', 'x'], /--seed takes a whole number/],
  [[small, '--html', '/nowhere/page.html'], /\/nowhere\/page\.html: ENOENT/],
] as const

test.each(bad)('bounced simulate %j is refused in one line', (args, message) => {
  const { status, out, err } = run(...args)
  expect([status, out]).toEqual([2, ''])
  expect(err).toMatch(message)
})

test('the limits of receiving sites: the shipped ones, with a file in front, or none', () => {
  const yahoo = write('yahoo.toml', SMALL.replace('gmail = 1, generic = 1', 'yahoo = 1').replace(/\[\[listing\]\][^]*$/, ''))
  const mailsAConnection = (...args: readonly string[]): number => {
    const report: { providers: { attempts: number; connections: number }[] } = JSON.parse(run(yahoo, '--json', ...args).out)
    const [provider] = report.providers
    return (provider?.attempts ?? 0) / (provider?.connections ?? 1)
  }
  const own = write('shaping.toml', '[site.yahoo]\nmails_per_connection = 1\n')
  expect(mailsAConnection('--shaping', own)).toBe(1)
  expect(mailsAConnection('--no-shaping')).toBeGreaterThan(2)
  expect(run(yahoo, '--shaping', write('bad.toml', '[site.yahoo]\nmails = 1\n')).err).toMatch(
    /bad\.toml: line \d: site\.yahoo: Unrecognized key: "mails"/,
  )
})

test.each(readdirSync(join(ROOT, 'scenarios')).flatMap((file) => (file.endsWith('.toml') ? [file.slice(0, -5)] : [])))(
  'scenarios/%s.toml is well formed',
  (name) => {
    const file = join(ROOT, 'scenarios', `${name}.toml`)
    expect(readScenario(file, readToml(file), [...readProviders().keys()]).name).toBe(name)
  },
)
