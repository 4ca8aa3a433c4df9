/**
 * readiness.test - when the daemon says that it is ready, what asking costs, and the HTTP server for operators
 */
import { copyFileSync, renameSync, rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createReadiness, type Readiness } from '../src/daemon/readiness.ts'
import { Fault } from '../src/errors.ts'
import { createAdminApp } from '../src/http/admin.ts'
import { createTelemetry } from '../src/telemetry.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { engines } from './support/engines.ts'
import { createTcpProxy, targetOf } from './support/tcp-proxy.ts'

type Options = Parameters<typeof createReadiness>[0]

const telemetry = await createTelemetry({ level: 'silent', format: 'json' })

/** A readiness whose store calls `write` for each transaction. */
const create = (write: () => Promise<unknown>, over: Partial<Options> = {}): Promise<Readiness> => {
  const engine = { tx: async () => (await write()) as never }
  return createReadiness({ engine, file: null, isOpen: () => true, telemetry, now: () => 0, elapsed: () => 0, ...over })
}

describe.each(engines)('on $kind', ({ kind, open }) => {
  test('ready: the store takes a write', async () => {
    const { engine, url } = await open()
    const file = kind === 'sqlite' ? url.slice('sqlite:'.length) : null
    const { check, recent } = await createReadiness({ engine, file, isOpen: () => true, telemetry, now: () => 7, elapsed: () => 0 })
    expect([await check(), await recent()]).toEqual([null, null])
    expect(await engine.read.one("select value from meta where name = 'readiness'")).toEqual({ value: '7' })
  })

  test('not ready: the store is closed', async () => {
    const { engine } = await open()
    await engine.close()
    const { check } = await createReadiness({ engine, file: null, isOpen: () => true, telemetry, now: () => 7, elapsed: () => 0 })
    expect(await check()).toMatch(/^the store takes no write: /)
  })
})

test.runIf(engines.some(({ kind }) => kind === 'postgres'))('ready as soon as a silent PostgreSQL answers again', async () => {
  const postgres = engines.find(({ kind }) => kind === 'postgres')
  if (postgres === undefined) throw new Error('this test needs PostgreSQL')
  const { url } = await postgres.open()
  const proxy = await createTcpProxy(targetOf(url))
  // Any other transaction waits for hours.
  const engine = await openEngine(proxy.through(url), { connections: 1, limits: { deadline: 10_000_000, statement: 10_000_000 } })
  try {
    const { check } = await createReadiness({
      engine,
      file: null,
      isOpen: () => true,
      telemetry,
      now: () => 7,
      elapsed: () => 0,
      timeoutMs: 500,
    })
    expect(await check()).toBeNull()
    proxy.swallow()
    expect(await check()).not.toBeNull()
    proxy.pass()
    await expect.poll(check, { timeout: 20_000 }).toBeNull()
  } finally {
    engine.abort()
    await engine.close()
    await proxy.close()
  }
})

const FILE_FAULTS = [
  ['the database is removed', '', (file: string) => rmSync(file)],
  ['the database is replaced by a copy', '', (file: string) => (copyFileSync(file, `${file}.copy`), renameSync(`${file}.copy`, file))],
  ['the log is removed', '-wal', (file: string) => rmSync(`${file}-wal`)],
] as const
test.each(FILE_FAULTS)('not ready: %s while it is open', async (_what, suffix, damage) => {
  const sqlite = engines.find(({ kind }) => kind === 'sqlite')
  if (sqlite === undefined) throw new Error('SQLite is always tested')
  const { engine, url } = await sqlite.open()
  const file = url.slice('sqlite:'.length)
  const { check } = await createReadiness({ engine, file, isOpen: () => true, telemetry, now: () => 0, elapsed: () => 0 })
  expect(await check()).toBeNull()
  damage(file)
  expect(await check()).toContain(`${file}${suffix} was removed or replaced while it was open`)
})

test('not ready: the daemon is shutting down, and nothing is written', async () => {
  let writes = 0
  const { check } = await create(async () => writes++, { isOpen: () => false })
  expect([await check(), writes]).toEqual(['the daemon is shutting down', 0])
})

test('a write that never ends is answered at the time limit; meanwhile no second one begins', async () => {
  let writes = 0
  let finish: () => void = () => undefined
  const write = (): Promise<void> => {
    writes++
    return new Promise((resolve) => (finish = resolve))
  }
  const { check } = await create(write, { timeoutMs: 20 })
  const problems = await Promise.all(Array.from({ length: 100 }, check))
  expect(new Set(problems)).toEqual(new Set(['the store took no write within 20 ms']))
  expect([await check(), writes]).toEqual(['the store took no write within 20 ms', 1])
  finish()
  await expect.poll(() => (finish(), check())).toBeNull()
})

test('recent results are at most a second old, and cost one write a second however many ask', async () => {
  const clock = { now: 0 }
  const state = { writes: 0, isFull: false }
  const write = (): Promise<void> => {
    state.writes++
    return state.isFull ? Promise.reject(new Fault('store_busy', 'disk full')) : Promise.resolve()
  }
  const { recent } = await create(write, { elapsed: () => clock.now })
  for (let n = 0; n < 1_000; n++) expect(await recent()).toBeNull()
  expect(state.writes).toBe(1)
  state.isFull = true
  clock.now = 999
  expect(await recent()).toBeNull()
  clock.now = 1_000
  expect(await recent()).toBe('the store takes no write: disk full')
  expect(await recent()).toBe('the store takes no write: disk full')
  expect(state.writes).toBe(2)
})

test('the log tells the change, not every question', async () => {
  const lines: string[] = []
  const log = Object.assign(Object.create(telemetry.log), {
    info: (text: string) => lines.push(text),
    error: (_fields: object, text: string) => lines.push(text),
  })
  const state = { isFull: false }
  const write = (): Promise<void> => (state.isFull ? Promise.reject(new Error('disk full')) : Promise.resolve())
  const { check } = await create(write, { telemetry: { log } })
  for (const isFull of [false, true, true, false, false]) {
    state.isFull = isFull
    await check()
  }
  expect(lines).toEqual(['not ready', 'ready again'])
})

describe('the server for operators', () => {
  test('gives health, the reason and metrics, without a key', async () => {
    const server = await createAdminApp({ telemetry, findReadinessProblem: () => Promise.resolve('disk full') })
    const answers = await Promise.all(['/healthz', '/readyz', '/metrics', '/v1/messages', '/docs'].map((url) => server.inject({ url })))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 503, 200, 404, 404])
    expect(answers[1]?.json()).toEqual({ status: 'unavailable', reason: 'disk full' })
    expect(answers[2]?.body).toContain('# TYPE bounced_http_requests_total counter')
    await server.close()
  })
})
