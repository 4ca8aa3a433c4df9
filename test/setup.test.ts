/**
 * setup.test - what `bounced setup` prints is what DNS servers, systemd, nftables, a shell and the daemon accept, and port 25 reaches a daemon without root
 *
 * The programs that judge are Debian's (bind9-utils, systemd, nftables, util-linux). Where one is missing, its test is skipped and its title says so.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { PORT_25_WAYS, normaliseName, problemsOf, type Installation } from '../src/commands/setup/installation.ts'
import { commandLinesOf, nftablesLines, settingsLinesOf } from '../src/commands/setup/machine-files.ts'
import { serviceUnitLinesOf, socketUnitLines } from '../src/commands/setup/systemd-units.ts'
import { zoneLinesOf } from '../src/commands/setup/zone.ts'
import { exposureProblemsOf } from '../src/settings/exposure.ts'
import { loadConfig } from '../src/settings/load.ts'
import { childEnvironment, MASTER_KEY } from './support/daemon.ts'

const ROOT = join(import.meta.dirname, '..')
const CLI = join(ROOT, 'src/cli.ts')

const makeFolder = (): string => mkdtempSync(join(tmpdir(), 'bounced-setup-'))

function makeFile(name: string, lines: readonly string[]): string {
  const file = join(makeFolder(), name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
const unless = (program: string): string => (has(program) ? '' : ` (skipped: ${program} is not installed)`)

const INSTALLATION: Installation = {
  returnPathDomain: 'b.example.com',
  feedbackDomain: 'fbl.example.com',
  publicUrl: 'https://bounced.example.com',
  host: 'mx1.example.com',
  ips: ['192.0.2.5', '2001:db8::5'],
  egressIps: ['198.51.100.7', '2001:db8::7'],
  senders: [
    { domain: 'example.com', dkim: [{ name: 's1._domainkey.example.com', text: `v=DKIM1; k=rsa; p=${'A'.repeat(392)}` }] },
    { domain: 'news.example.org', dkim: [] },
  ],
  trackingDomain: 'click.example.com',
  port25: 'socket',
  settingsFile: '/etc/bounced/bounced.toml',
  dataFolder: '/var/lib/bounced',
  programFolder: ROOT,
  entryFile: join(ROOT, 'bin/bounced.mjs'),
  nodeFile: process.execPath,
}

describe('the zone files', () => {
  const HEAD = ['@ IN SOA ns1 hostmaster 1 3600 600 86400 3600', '@ IN NS ns1', 'ns1 IN A 192.0.2.53']

  /** Each zone with its lines. */
  const zones = (installation: Installation): readonly (readonly [zone: string, lines: readonly string[]])[] =>
    zoneLinesOf(installation)
      .join('\n')
      .split(/^; ==== zone (?=\S+ ====$)/m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf(' ')), text.split('\n').slice(1)] as const)

  const VARIANTS = [
    ['all options', INSTALLATION, ['example.com', 'example.org']],
    ['placeholders', { ...INSTALLATION, ips: [], egressIps: [], senders: [], trackingDomain: null }, ['example.com']],
    ['one host for all', { ...INSTALLATION, host: 'bounced.example.com' }, ['example.com', 'example.org']],
  ] as const

  test.each(VARIANTS)('%s: every record has the reason for it, and its zone', (_title, installation, names) => {
    const found = zones(installation)
    expect(found.map(([zone]) => zone)).toEqual(names)
    for (const [zone, lines] of found)
      for (const [index, line] of lines.entries()) {
        if (line === '' || line.startsWith(';')) continue
        expect(line.split(/\s+/)[0]).toMatch(new RegExp(`(?:^|\\.)${zone.replaceAll('.', '\\.')}\\.$`))
        expect(lines[index - 1]).toMatch(/^; \S.{5}/)
      }
  })

  test.skipIf(!has('named-checkzone')).each(VARIANTS)(
    `named-checkzone loads them: %s${unless('named-checkzone')}`,
    (_title, installation) => {
      for (const [zone, lines] of zones(installation)) {
        const file = makeFile(zone, ['$TTL 3600', ...HEAD, ...lines])
        const done = spawnSync('named-checkzone', ['-i', 'local', zone, file], { encoding: 'utf8' })
        expect({ status: done.status, out: done.stdout }).toEqual({ status: 0, out: expect.stringContaining('OK') })
        expect(done.stdout).not.toMatch(/ignoring out-of-zone|has no address|is a CNAME/)
      }
    },
  )

  test('SPF names the addresses that send, and a long key is split into strings', () => {
    const text = zoneLinesOf(INSTALLATION).join('\n')
    expect(text).toContain('b.example.com.  3600  IN  TXT  "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 -all"')
    expect(text).toMatch(/s1\._domainkey\.example\.com\. .* \( "v=DKIM1; .{246}" "A+" \)/)
    expect(text).toContain('bounced dkim add news.example.org')
  })
})

describe('names', () => {
  const REFUSED = [
    // change                                                   words
    [{ returnPathDomain: '' }, '--return-path is missing'],
    [{ returnPathDomain: '192.0.2.1' }, 'is an address'],
    [{ feedbackDomain: 'fbl' }, 'has no dot'],
    [{ feedbackDomain: 'f_l.example.com' }, '"f_l" must have'],
    [{ host: '-mx.example.com' }, 'no hyphen at either end'],
    [{ host: 'mx.local' }, 'other mail servers cannot find'],
    [{ returnPathDomain: `${'a.'.repeat(130)}example.com` }, 'more than 253'],
    [{ publicUrl: 'bounced.example.com' }, 'is not a URL'],
    [{ publicUrl: 'http://bounced.example.com' }, 'must begin with https://'],
    [{ ips: ['10.0.0.1'] }, 'cannot be reached'],
    [{ ips: ['b.example.com'] }, 'is not an IP address'],
    [{ egressIps: ['::1'] }, '--egress-ip'],
    [{ feedbackDomain: 'b.example.com' }, 'are the same'],
    [{ returnPathDomain: 'example.com' }, 'choose a subdomain, such as b.example.com'],
    [{ trackingDomain: 'b.example.com' }, 'a CNAME stands alone'],
    [{ trackingDomain: 'bounced.example.com' }, 'a CNAME stands alone'],
  ] as const
  test.each(REFUSED)('%j is refused: %s', (change, words) => {
    expect(problemsOf({ ...INSTALLATION, ...change })).toEqual([expect.stringContaining(words)])
  })

  test('names of other scripts and with a final dot are used as DNS has them', () => {
    expect([' B.Müller.example. ', 'b.example.com'].map(normaliseName)).toEqual(['b.xn--mller-kva.example', 'b.example.com'])
    expect(problemsOf(INSTALLATION)).toEqual([])
  })
})

test.each(PORT_25_WAYS)('the settings for %s start a daemon in front of real mail: nothing is refused, nothing is warned of', (port25) => {
  const file = makeFile('bounced.toml', settingsLinesOf({ ...INSTALLATION, port25 }))
  const { settings, warnings } = loadConfig({}, file)
  expect([exposureProblemsOf(settings), warnings]).toEqual([[], []])
  const listens = { socket: ['127.0.0.1', 2525], nftables: ['::', 2525], capability: ['::', 25] }[port25]
  expect([settings.host, settings.smtp.port]).toEqual(listens)
  expect([settings.http.host, settings.http.trustProxy, settings.data]).toEqual(['127.0.0.1', true, '/var/lib/bounced'])
})

describe('the units', () => {
  const isMissing = !has('systemd-analyze')

  test.skipIf(isMissing).each(PORT_25_WAYS)(
    `systemd-analyze accepts them for %s, and rates them as safe${unless('systemd-analyze')}`,
    (port25) => {
      const on = { ...INSTALLATION, port25 }
      const service = makeFile('bounced.service', serviceUnitLinesOf(on))
      const socket = join(service, '..', 'bounced.socket')
      writeFileSync(socket, `${socketUnitLines().join('\n')}\n`)
      const verified = spawnSync('systemd-analyze', ['verify', service, ...(port25 === 'socket' ? [socket] : [])], { encoding: 'utf8' })
      expect([verified.status, verified.stderr.split('\n').filter((line) => line.includes('bounced'))]).toEqual([0, []])
      // Tenths of the scale: 20 is 2.0, "OK". A service without directives has 9.6.
      const rated = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', service], { encoding: 'utf8' })
      expect([rated.status, rated.stdout]).toEqual([0, expect.stringContaining('Overall exposure level')])
    },
  )

  test('only the way by capability has a capability', () => {
    const rightsOf = (port25: Installation['port25']): readonly string[] =>
      serviceUnitLinesOf({ ...INSTALLATION, port25 }).filter((line) => line.includes('Capabilit'))
    expect(PORT_25_WAYS.map((way) => rightsOf(way).join(' '))).toEqual([
      'CapabilityBoundingSet=',
      'CapabilityBoundingSet=',
      'CapabilityBoundingSet=CAP_NET_BIND_SERVICE AmbientCapabilities=CAP_NET_BIND_SERVICE',
    ])
  })

  test.skipIf(isMissing)(`a folder with a blank, a quote or a percent sign stays one word${unless('systemd-analyze')}`, () => {
    const lines = serviceUnitLinesOf({ ...INSTALLATION, settingsFile: '/etc/my "50%" $HOME/bounced.toml' })
    const done = spawnSync('systemd-analyze', [
      'verify',
      makeFile(
        'bounced.service',
        lines.filter((line) => !line.startsWith('Requires=')),
      ),
    ])
    expect(done.status).toBe(0)
    expect(lines.join('\n')).toContain(String.raw`"/etc/my \"50%%\" $$HOME/bounced.toml"`)
  })
})

/** A network namespace has nftables and ports below 1024 of its own; it needs root and the kernel's consent. */
const canIsolate = has('unshare') && spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0
const isolation = canIsolate ? '' : ' (skipped: a network namespace needs root)'

test.skipIf(!canIsolate || !has('nft'))(`nft loads the redirect, twice${isolation}${unless('nft')}`, () => {
  const file = makeFile('bounced.nft', nftablesLines())
  const done = spawnSync('unshare', ['-n', 'sh', '-c', `nft -f ${file} && nft -f ${file} && nft list ruleset`], { encoding: 'utf8' })
  expect([done.status, done.stdout.match(/tcp dport 25/g)]).toEqual([0, ['tcp dport 25']])
  expect(done.stdout).toMatch(/fib daddr type local tcp dport 25 redirect to :2525/)
})

test('the command on PATH runs with the settings of the daemon, in a plain shell', () => {
  const settingsFile = makeFile('bounced.toml', ['data = "/nowhere"'])
  const file = makeFile('bounced', commandLinesOf({ ...INSTALLATION, settingsFile }))
  chmodSync(file, 0o755)
  expect(execFileSync(file, ['config'], { encoding: 'utf8', env: childEnvironment() })).toContain(`file: ${settingsFile}`)
})

const running: ChildProcess[] = []
afterAll(() => running.forEach((child) => child.kill('SIGKILL')))

/** Resolves to what a child prints until it matches. */
async function waitForOutput(child: ChildProcess, pattern: RegExp): Promise<string> {
  running.push(child)
  let output = ''
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString()
        if (pattern.test(output)) resolve(output)
      })
    child.once('exit', (status) => reject(new Error(`ended with ${status}:\n${output}`)))
  })
}

const daemonEnvironment = (data: string): Record<string, string> => ({
  ...childEnvironment(),
  BOUNCED_DATA: data,
  BOUNCED_HTTP_PORT: '0',
  BOUNCED_MASTER_KEY: MASTER_KEY,
})

test.skipIf(!has('systemd-socket-activate'))(
  `the daemon takes the socket that systemd opened, whatever the settings say${unless('systemd-socket-activate')}`,
  async () => {
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const address = probe.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    probe.close()
    await once(probe, 'close')
    const passed = Object.entries({ ...daemonEnvironment(makeFolder()), BOUNCED_SMTP_PORT: '25' }).map(
      ([name, value]) => `--setenv=${name}=${value}`,
    )
    const args = ['--listen', `127.0.0.1:${port}`, '--fdname=smtp', ...passed, process.execPath, CLI, 'serve']
    const child = spawn('systemd-socket-activate', args, { stdio: ['ignore', 'pipe', 'pipe'], env: childEnvironment() })
    await waitForOutput(child, /Listening on/)
    // The program starts with the first connection, which waits in the kernel until then.
    const client = createConnection({ port, host: '127.0.0.1' })
    const [greeting] = await once(client, 'data')
    expect(String(greeting)).toMatch(/^220 /)
    client.destroy()
  },
)

describe.skipIf(!canIsolate || !has('setpriv'))(`port 25 without root${isolation}${unless('setpriv')}`, () => {
  const serve = (rights: string): ChildProcess => {
    const data = makeFolder()
    chownSync(data, 65_534, 65_534)
    const command = `ip link set lo up; exec setpriv --reuid 65534 --regid 65534 --clear-groups ${rights} '${process.execPath}' '${CLI}' serve`
    const env = { ...daemonEnvironment(data), BOUNCED_SMTP_PORT: '25' }
    return spawn('unshare', ['-n', 'sh', '-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env })
  }

  test('is refused without the capability, with the ways to get it', async () => {
    await expect(waitForOutput(serve(''), /ready smtp/)).rejects.toThrow(
      /bounced: port 25 on 127\.0\.0\.1 requires a right that this user lacks.*CAP_NET_BIND_SERVICE \(docs\/PRODUCTION\.md/,
    )
  })

  test('is opened with the ambient capability of the unit', async () => {
    expect(await waitForOutput(serve('--inh-caps +net_bind_service --ambient-caps +net_bind_service'), /ready smtp/)).toContain(
      'ready smtp=25 ',
    )
  })
})
