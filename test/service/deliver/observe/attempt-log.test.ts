/**
 * attempt-log.test - the file with a line for each attempt: what a line says and leaves out, rotation, disks that fail, restarts
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../../src/queue/backoff/policy.ts'
import { speedUpPolicy } from '../../../../src/queue/backoff/policy-speed.ts'
import { RETRY_SCHEDULES } from '../../../../src/queue/schedule/retry.ts'
import type { Context } from '../../../../src/service/context.ts'
import { createDeliverer } from '../../../../src/service/deliver/deliverer.ts'
import { createDeliveryAttemptLog } from '../../../../src/service/deliver/observe/attempt-log.ts'
import { createRotatedFile } from '../../../../src/service/deliver/observe/rotated-file.ts'
import { createSmarthostRouter } from '../../../../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../../../../src/smtp-client/smtp-transport.ts'
import type { Transport } from '../../../../src/smtp-client/transport.ts'
import { makeContext } from '../../../support/context.ts'
import { createFunctionTransport, delivererOptions, queueMails, UNREACHABLE, waitUntil } from '../../../support/delivery.ts'
import { engines } from '../../../support/engines.ts'
import { countQueued } from '../../../support/look.ts'
import { startMailbox } from '../../../support/mailbox.ts'
import { propertyRuns } from '../../../support/property-runs.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bounced-attempts-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8')
const linesOf = (name: string): readonly string[] => textOf(name).split('\n').slice(0, -1)

type Outcome = { written: number; dropped: number; errors: unknown[] }

/** A file of the test's folder, and what it reports. */
function openFile(more: { readonly path?: string; readonly maxBytes?: number; readonly keptFiles?: number } = {}) {
  const outcome: Outcome = { written: 0, dropped: 0, errors: [] }
  const file = createRotatedFile({
    path: join(folder, 'a.log'),
    maxBytes: 1_000_000,
    keptFiles: 2,
    ...more,
    onWritten: (lines) => (outcome.written += lines),
    onDropped: (lines, error) => {
      outcome.dropped += lines
      outcome.errors.push(error)
    },
  })
  return { file, outcome }
}

describe('rotated-file', () => {
  test('closing writes what is pending; a restart continues the file', async () => {
    for (const name of ['one', 'two']) {
      const { file } = openFile({ path: join(folder, 'new/folder/a.log') })
      file.append(name)
      await file.close()
      await file.close()
    }
    expect(textOf('new/folder/a.log')).toBe('one\ntwo\n')
    expect(statSync(join(folder, 'new/folder/a.log')).mode & 0o007).toBe(0)
  })

  test.each([
    // kept  the files afterwards, each with its line
    [2, { 'a.log': 'line 5', 'a.log.1': 'line 4', 'a.log.2': 'line 3' }],
    [1, { 'a.log': 'line 5', 'a.log.1': 'line 4' }],
    [0, { 'a.log': 'line 5' }],
  ])('rotation keeps %i files', async (keptFiles, want) => {
    const { file, outcome } = openFile({ maxBytes: 10, keptFiles })
    for (const n of [1, 2, 3, 4, 5]) file.append(`line ${n}`)
    await file.close()
    expect(Object.fromEntries(readdirSync(folder).map((name) => [name, textOf(name).trimEnd()]))).toEqual(want)
    expect(outcome).toEqual({ written: 5, dropped: 0, errors: [] })
  })

  test('any lines: none is cut, none is lost while enough files are kept, and no file but one of a single line is too large', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 40 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 100 }),
        async (texts, maxBytes) => {
          for (const name of readdirSync(folder)) rmSync(join(folder, name))
          const lines = texts.map((text) => JSON.stringify(text))
          const { file } = openFile({ maxBytes, keptFiles: 40 })
          for (const line of lines) file.append(line)
          await file.close()
          const names = readdirSync(folder).toSorted((a, b) => Number(b.split('.')[2] ?? 0) - Number(a.split('.')[2] ?? 0))
          expect(names.flatMap(linesOf)).toEqual(lines)
          for (const name of names) expect(linesOf(name).length === 1 || Buffer.byteLength(textOf(name)) <= maxBytes).toBe(true)
        },
      ),
      { numRuns: propertyRuns(30, 500) },
    )
  })

  test('a file that another program has renamed is opened anew; one that was truncated is filled again', async () => {
    const { file, outcome } = openFile({ maxBytes: 20 })
    file.append('first')
    await waitUntil(() => outcome.written === 1)
    renameSync(join(folder, 'a.log'), join(folder, 'elsewhere'))
    file.append('second line')
    await waitUntil(() => outcome.written === 2)
    writeFileSync(join(folder, 'a.log'), '')
    file.append('third line')
    await file.close()
    expect([textOf('elsewhere'), textOf('a.log')]).toEqual(['first\n', 'third line\n'])
    expect(readdirSync(folder)).toHaveLength(2)
  })

  test('a line that a crash has cut off does not spoil the next one', async () => {
    writeFileSync(join(folder, 'a.log'), '{"cut')
    const { file } = openFile()
    file.append('{}')
    await file.close()
    expect(textOf('a.log')).toBe('{"cut\n{}\n')
  })

  test('a disk that is full: lines are dropped with the cause, and appending goes on when it has room', async () => {
    symlinkSync('/dev/full', join(folder, 'a.log'))
    const { file, outcome } = openFile()
    file.append('lost')
    await waitUntil(() => outcome.dropped === 1)
    expect(outcome.errors).toMatchObject([{ code: 'ENOSPC' }])
    rmSync(join(folder, 'a.log'))
    file.append('kept')
    await file.close()
    expect(textOf('a.log')).toBe('kept\n')
  })

  test('a path that is a folder drops lines, and so do lines after the end', async () => {
    const { file, outcome } = openFile({ path: folder })
    file.append('lost')
    await file.close()
    file.append('after the end')
    expect(outcome).toMatchObject({ written: 0, dropped: 2, errors: [{ code: 'EISDIR' }, null] })
  })

  test('a rotation that fails drops lines, keeps the file within its size, and is made when it can be', async () => {
    mkdirSync(join(folder, 'a.log.1'))
    const { file, outcome } = openFile({ maxBytes: 10, keptFiles: 1 })
    file.append('line 1')
    file.append('line 2')
    await waitUntil(() => outcome.dropped === 1)
    expect(textOf('a.log')).toBe('line 1\n')
    rmSync(join(folder, 'a.log.1'), { recursive: true })
    file.append('line 3')
    await file.close()
    expect([textOf('a.log.1'), textOf('a.log')]).toEqual(['line 1\n', 'line 3\n'])
  })

  test('lines that the disk is too slow for are dropped beyond a bound', async () => {
    const { file, outcome } = openFile()
    const line = 'x'.repeat(1_000_000)
    for (let n = 0; n < 20; n += 1) file.append(line)
    await file.close()
    expect(outcome.dropped).toBeGreaterThan(0)
    expect(outcome.written + outcome.dropped).toBe(20)
  })
})

describe.each(engines)('attempts of the queue: $kind', ({ open }) => {
  let context: Context
  const cleanUps: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    const clock = {
      get now() {
        return Date.now()
      },
    }
    context = await makeContext((await open()).engine, clock)
  })
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0)) await cleanUp()
  })

  /** Delivers until the queue is empty, and returns the lines. */
  async function linesOfRun(
    transport: Transport,
    { withRecipients = false, path = join(folder, 'a.log') } = {},
  ): Promise<readonly Record<string, unknown>[]> {
    const { telemetry } = context
    const attemptLog = createDeliveryAttemptLog({ path, maxBytes: 1_000_000, keptFiles: 1, withRecipients, telemetry })
    const retry = { ...RETRY_SCHEDULES.default, delaysMs: [30] }
    const policy = speedUpPolicy(BACKOFF_POLICIES.default, 100_000)
    const deliverer = createDeliverer(
      { ...context, attemptLog },
      delivererOptions(transport, { policy, retry, pools: { '*': ['127.0.0.1'] } }),
    )
    deliverer.start()
    await waitUntil(async () => (await countQueued(context.engine.read)).waiting === 0)
    await deliverer.close()
    await transport.close()
    await attemptLog.close()
    return path === join(folder, 'a.log') ? linesOf('a.log').map((line): Record<string, unknown> => JSON.parse(line)) : []
  }

  async function smtpTransport(): Promise<Transport> {
    const mailbox = await startMailbox((to, attempt) => {
      if (to.startsWith('gone.person')) return { code: 550, text: `5.1.1 <${to}>: no such user Gone.Person.` }
      return to.startsWith('busy.person') && attempt < 2 ? { code: 452, text: '4.2.2 busy.person is over quota' } : null
    })
    cleanUps.push(mailbox.close)
    return createSmtpTransport({
      router: createSmarthostRouter({ host: '127.0.0.1', port: mailbox.port, login: null, tls: 'off', implicitTls: false }),
      addressesOf: async () => ({ kind: 'none' }),
      ehloName: 'out.example.org',
      allowPrivate: true,
    })
  }

  const PEOPLE = ['fine.person@example.net', 'gone.person@example.net', 'busy.person@example.net']

  test('delivered, refused and deferred attempts, each in one line without a local part', async () => {
    const ids = await queueMails(context, PEOPLE)
    const lines = await linesOfRun(await smtpTransport())
    const of = (n: number): readonly Record<string, unknown>[] => lines.filter(({ deliveryId }) => deliveryId === ids[n])
    const common = {
      account: 1,
      domain: 'example.net',
      egressIp: '127.0.0.1',
      ehlo: 'out.example.org',
      host: '127.0.0.1',
      hostIp: '127.0.0.1',
      tls: null,
    }
    expect(of(0)).toMatchObject([
      {
        ...common,
        code: 250,
        phase: 'end',
        outcome: 'delivered',
        reason: null,
        rule: null,
        backoffClass: null,
        attempt: 1,
        final: true,
        error: null,
      },
    ])
    expect(of(1)).toMatchObject([
      {
        ...common,
        code: 550,
        status: '5.1.1',
        phase: 'rcpt',
        outcome: 'failed',
        reason: 'not-exist',
        attempt: 1,
        final: true,
        text: '550 5.1.1 <*@example.net>: no such user *.',
      },
    ])
    expect(of(2)).toMatchObject([
      {
        ...common,
        code: 452,
        status: '4.2.2',
        outcome: 'deferred',
        reason: 'mailbox-full',
        attempt: 1,
        final: false,
        text: '452 4.2.2 * is over quota',
      },
      { ...common, code: 250, outcome: 'delivered', attempt: 2, final: true },
    ])
    expect(lines).toHaveLength(4)
    for (const { bytes, queuedMs, totalMs, isReused, connectMs, time } of lines) {
      for (const value of [bytes, queuedMs, totalMs]) expect(value).toBeTypeOf('number')
      expect(connectMs === null).toBe(isReused)
      expect(new Date(String(time)).toISOString()).toBe(time)
    }
    expect(new Set(lines.map(({ emailId }) => emailId)).size).toBe(3)
    expect(textOf('a.log')).not.toMatch(/person/i)
    expect((await context.telemetry.metrics()).text).toContain('bounced_attempt_log_lines_total{outcome="written"} 4')
  })

  test('a setting adds the recipient and the whole emailId', async () => {
    await queueMails(context, ['fine.person@example.net'])
    const [line] = await linesOfRun(await smtpTransport(), { withRecipients: true })
    expect(line).toMatchObject({ recipient: 'fine.person@example.net', emailId: expect.stringMatching(/\$fine\.person@example\.net$/) })
  })

  test('a host that cannot be reached is a line with the error', async () => {
    await queueMails(context, ['fine.person@example.net'])
    let attempts = 0
    const refused = { host: 'mx.example.net', address: '192.0.2.7', ehlo: null, tls: null, isReused: false, connectMs: 3 }
    const transport = createFunctionTransport(({ onConnection }) => {
      attempts += 1
      if (attempts === 1) onConnection?.(refused)
      return attempts === 1 ? UNREACHABLE : { kind: 'reply', code: 550, text: '550 5.7.1 no', mx: null, phase: 'route' }
    })
    expect(await linesOfRun(transport)).toMatchObject([
      {
        host: 'mx.example.net',
        hostIp: '192.0.2.7',
        ehlo: null,
        connectMs: 3,
        error: 'connect',
        code: null,
        phase: null,
        outcome: 'unreachable',
        final: false,
      },
      { host: null, hostIp: null, connectMs: null, code: 550, phase: 'route', outcome: 'failed', final: true },
    ])
  })

  test('a full disk loses lines, which are counted, and no mail', async () => {
    symlinkSync('/dev/full', join(folder, 'full'))
    await queueMails(context, PEOPLE)
    await linesOfRun(await smtpTransport(), { path: join(folder, 'full') })
    expect((await context.telemetry.metrics()).text).toContain('bounced_attempt_log_lines_total{outcome="dropped"} 4')
  })
})
