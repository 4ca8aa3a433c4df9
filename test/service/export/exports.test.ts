/**
 * exports.test - export files: complete, each row once, whichever node dies; on both stores
 */
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hashAddress } from '../../../src/correlate/address-hash.ts'
import { Fault } from '../../../src/errors.ts'
import type { EngagementData } from '../../../src/ledger/facts/delivery-facts.ts'
import type { SuppressionRow } from '../../../src/ledger/project/state.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import type { ExportFilters, ExportRow } from '../../../src/store/exports.ts'
import { transitionsFor } from '../../../src/store/export-states.ts'
import { appendFacts } from '../../../src/store/facts/facts.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { eraseAddress } from '../../../src/service/admin/erase.ts'
import { createExporter, type Exporter } from '../../../src/service/export/exporter.ts'
import { progressOf, type ExportRequest, type ExportService } from '../../../src/service/export/exports.ts'
import { createRegister } from '../../../src/service/submit/register.ts'
import type { Context } from '../../../src/service/context.ts'
import { DAY, deliveryIdOf, hashOf, sampleDelivery, sampleFact, sampleSuppression, T0, ledgerStateOf } from '../../store/sample.ts'
import { engagementData } from '../../ledger/given.ts'
import { engines } from '../../support/engines.ts'
import { makeExports, makeContext } from '../../support/context.ts'

const RULES: Parameters<typeof createExporter>[1] = { keepDays: 7, perAccount: 1, atOnce: 2 }
const ALICE = { account: 1, apiUser: 'alice', ip: '192.0.2.1' }
const BOB = { ...ALICE, account: 2, apiUser: 'bob' }
const STATUS: ExportRequest = { kind: 'status', format: 'ndjson', gzip: false, bom: false, filters: {}, from: T0, to: T0 + DAY }

describe('export states', () => {
  const signals = ['claimed', 'ended', 'failed', 'released', 'retried', 'aged', 'erased', 'removed'] as const
  test.each(signals)('%s leads to one state, from which an export can be removed', (signal) => {
    const { to } = transitionsFor(signal)
    expect([...transitionsFor('removed').from, 'removed']).toContain(to)
  })
})

describe.each(engines)('exports: $kind', ({ open }) => {
  let engine: Engine
  let context: Context
  let exports: ExportService
  let exporter: Exporter
  const clock = { now: T0 + 2 * DAY }
  beforeEach(async () => {
    clock.now = T0 + 2 * DAY
    engine = (await open()).engine
    context = await makeContext(engine, clock, [{}, {}])
    exports = makeExports(context)
    exporter = createExporter(context, RULES)
  })
  afterEach(() => exporter.close())

  const fill = async (count: number, over: object = {}, first = 0): Promise<void> => {
    const deliveries = Array.from({ length: count }, (_, n) => sampleDelivery({ n: first + n, ...over }))
    await engine.tx((db) => saveLedgerState(db, ledgerStateOf({ deliveries })))
  }
  const runAll = async (by: Exporter = exporter): Promise<void> => {
    await by.tick()
    await by.waitUntilIdle()
  }
  const fileOf = async (job: ExportRow): Promise<Buffer> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of (await exports.content(job.account, job.exportId)).chunks) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const linesOf = async (job: ExportRow): Promise<Record<string, unknown>[]> =>
    (await fileOf(job))
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  const now = async (job: ExportRow): Promise<ExportRow> => {
    const found = await exports.find(job.account, job.exportId)
    if (found === null) throw new Error('the job is gone')
    return found
  }
  const exported = async (call: Partial<ExportRequest> = {}, by = ALICE): Promise<ExportRow> => {
    const job = await exports.request(by, { ...STATUS, ...call })
    await runAll()
    return now(job)
  }
  /** An engine whose transactions fail after `after` of them. */
  const brokenAfter = (after: number, error: unknown): Context => {
    let done = 0
    const tx: Engine['tx'] = (work, options) => (done++ >= after ? Promise.reject(error) : engine.tx(work, options))
    return { ...context, engine: { ...engine, tx } }
  }

  test('every row of the period once, oldest first, over several pages', async () => {
    await fill(2_500)
    await fill(3, { account: 2 }, 9_000)
    const job = await exported({ to: T0 + 2_400_000 })
    expect(job).toMatchObject({ state: 'done', rows: 2_400, chunks: 3, error: null, expiresAt: clock.now + 7 * DAY })
    const lines = await linesOf(job)
    expect(lines.map(({ emailId }) => emailId)).toEqual(Array.from({ length: 2_400 }, (_, n) => `m${n}x0$r${n}@example.com`))
    expect(lines[0]).toMatchObject({ reason: null, fault: null, billable: true, requestedAt: new Date(T0).toISOString() })
    expect([job.bytes, progressOf(job)]).toEqual([(await fileOf(job)).byteLength, 1])
  })

  test('rows with long texts fill a page earlier', async () => {
    await fill(600, { subject: 'x'.repeat(10_000) })
    const job = await exported()
    expect(job).toMatchObject({ state: 'done', rows: 600, chunks: 3 })
    expect(await linesOf(job)).toHaveLength(600)
  })

  test('opens and clicks are exported with their mails, one row each, and their text is no formula', async () => {
    await fill(3, { label: 'news' })
    const openOf = (n: number, over: Partial<EngagementData>) =>
      sampleFact<'open'>({ n, kind: 'open', at: T0 + n, dedupKey: `open:${n}`, data: engagementData({ requestId: `q${n}`, ...over }) })
    const click = sampleFact<'click'>({ n: 1, kind: 'click', at: T0 + 5, data: engagementData({ url: 'https://example.com/' }) })
    const facts = [openOf(0, { userAgent: '=cmd|x', country: 'DE', first: true }), openOf(1, { machine: 'google-proxy' }), click]
    await engine.tx((db) => appendFacts(db, facts))
    const lines = await linesOf(await exported({ kind: 'engagement' }))
    expect(lines).toMatchObject([
      { engagement: 'open', emailId: 'm0x0$r0@example.com', label: 'news', country: 'DE', first: true, machine: null },
      { engagement: 'open', emailId: 'm1x0$r1@example.com', machine: 'google-proxy' },
      { engagement: 'click', recipient: 'r1@example.com', url: 'https://example.com/', at: new Date(T0 + 5).toISOString() },
    ])
    const csv = (await fileOf(await exported({ kind: 'engagement', format: 'csv' }))).toString()
    expect(csv).toContain(`,'=cmd|x\r\n`)
    for (const [filters, rows] of [
      [{ engagement: 'click' }, 1],
      [{ recipient: 'r0@example.com' }, 1],
      [{ apiUser: 'nobody' }, 0],
    ] as const)
      expect((await exported({ kind: 'engagement', filters })).rows).toBe(rows)
    expect((await exported({ kind: 'engagement', to: T0 + 1 })).rows).toBe(1)
    await expect(exported({ kind: 'engagement', filters: { status: 4 } })).rejects.toMatchObject({ code: 'bad_request' })
  })

  test('an export without rows is a file with the column names', async () => {
    const [csv, ndjson, packed] = [await exported({ format: 'csv', bom: true }), await exported(), await exported({ gzip: true })]
    expect((await fileOf(csv)).toString()).toMatch(/^\ufeffemailId,[^\n]*,sendLog,machineOpens,machineClicks,contradiction\r\n$/)
    expect(await fileOf(ndjson)).toHaveLength(0)
    expect(gunzipSync(await fileOf(packed))).toHaveLength(0)
  })

  test('gzip and plain files have the same content', async () => {
    await fill(1_700, { subject: '=1+1, "x"' })
    const plain = await exported({ format: 'csv' })
    const packed = await exported({ format: 'csv', gzip: true })
    expect(gunzipSync(await fileOf(packed)).equals(await fileOf(plain))).toBe(true)
    expect(packed.bytes).toBe((await fileOf(packed)).byteLength)
    expect((await fileOf(plain)).toString().split('\r\n')[1]).toContain(`,"'=1+1, ""x""",`)
  })

  const filtered: readonly (readonly [ExportFilters, readonly number[]])[] = [
    [{ status: 4 }, [1, 2, 3]],
    [{ status: 4, fault: 'recipient' }, [1]],
    [{ status: 5 }, []],
    [{ subStatus: 407 }, [2]],
    [{ reason: 'spam' }, [2]],
    [{ recipient: 'R1@example.com' }, [1]],
    [{ recipient: 'nobody' }, []],
    [{ requestIp: '192.0.2.7' }, [3]],
    [{ egressIp: '192.0.2.8' }, [2]],
    [{ broadcast: 'b' }, [0]],
    [{ apiUser: 'other' }, [3]],
    [{ emailType: 'batch' }, [0]],
  ]
  test.each(filtered)('with the filters %j', async (filters, want) => {
    const rows = [
      sampleDelivery({ n: 0, broadcast: 'b', emailType: 'batch' }),
      sampleDelivery({
        n: 1,
        status: 4,
        subStatus: 406,
        reason: 'not-exist',
        fault: 'recipient',
        addressHash: hashAddress('r1@example.com'),
      }),
      sampleDelivery({ n: 2, status: 4, subStatus: 407, reason: 'spam', fault: 'message', egressIp: '192.0.2.8' }),
      sampleDelivery({ n: 3, status: 4, subStatus: 401, reason: 'blacklisted', fault: 'list', requestIp: '192.0.2.7', apiUser: 'other' }),
    ]
    await engine.tx((db) => saveLedgerState(db, ledgerStateOf({ deliveries: rows })))
    expect((await linesOf(await exported({ filters }))).map(({ messageId }) => messageId)).toEqual(want.map((n) => `m${n}x`))
  })

  test('a filter that matches few rows keeps its lease and its cursor', async () => {
    await fill(4_000)
    await fill(1, { status: 4, fault: 'recipient' }, 3_999 + 1)
    expect(await exported({ filters: { fault: 'recipient' } })).toMatchObject({ state: 'done', rows: 1, chunks: 1 })
  })

  test('suppressed recipients are not billable', async () => {
    const registerRecipients = createRegister(context)
    const entry = (list: SuppressionRow['list'], address: string): SuppressionRow =>
      sampleSuppression({ list, address, addressHash: hashAddress(address) ?? '', until: null })
    const suppressions = [entry('bounce', 'gone@example.com'), entry('complaint', 'angry@example.com')]
    await engine.tx((db) => saveLedgerState(db, ledgerStateOf({ suppressions })))
    const recipients = ['gone@example.com', 'angry@example.com', 'well@example.com', 'well@example.com', 'no address']
    const from = clock.now
    await registerRecipients(ALICE, {
      from: 'news@example.com',
      subject: '',
      label: null,
      broadcast: 'b1',
      emailType: 'batch',
      headers: {},
      recipients: recipients.map((recipient) => ({ recipient, contactTypes: null })),
    })
    clock.now += 1
    const job = await exported({ kind: 'results', filters: { broadcast: 'b1' }, from, to: clock.now })
    const cells = (await linesOf(job)).map(({ recipient, result, fault, billable }) => [recipient, result, fault, billable])
    expect(cells.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual([
      ['angry@example.com', 'Blocked', 'list', true],
      ['gone@example.com', 'Blocked', 'list', false],
      ['no address', 'Failed', 'recipient', true],
      ['well@example.com', 'Duplicate', 'list', false],
      ['well@example.com', 'Sent', null, true],
    ])
  })

  test('a list, with and without entries that are not in force', async () => {
    const suppressions = Array.from({ length: 1_205 }, (_, n) =>
      sampleSuppression({
        address: `a${n}@example.com`,
        addressHash: hashOf(`a${n}`),
        from: T0 + Math.floor(n / 100),
        until: n % 2 === 0 ? null : T0 + DAY,
        ...(n === 7 ? { list: 'complaint' as const } : {}),
        proof: n < 3 ? ('signed' as const) : ('token' as const),
      }),
    )
    await engine.tx((db) => saveLedgerState(db, ledgerStateOf({ suppressions })))
    const whole = await linesOf(await exported({ kind: 'suppressions', filters: { list: 'bounce' } }))
    expect([whole.length, new Set(whole.map(({ address }) => address)).size]).toEqual([1_204, 1_204])
    expect(whole[0]).toMatchObject({ list: 'bounce', reason: 'not-exist', fault: 'recipient', times: 1 })
    const held = await linesOf(await exported({ kind: 'suppressions', filters: { list: 'bounce', inForce: true } }))
    expect([held.length, held.every(({ inForce, until }) => inForce === true && until === null)]).toEqual([603, true])
    const signed = await linesOf(await exported({ kind: 'suppressions', filters: { list: 'bounce', proof: 'signed' } }))
    expect(signed.map(({ proof }) => proof)).toEqual(['signed', 'signed', 'signed'])
  })

  const refused: readonly (readonly [what: string, over: Partial<ExportRequest>, words: string])[] = [
    ['a time that ends before it begins', { from: T0 + DAY, to: T0 }, 'since must be before until'],
    ['a time of nothing', { from: T0, to: T0 }, 'since must be before until'],
    ['more than its days', { from: T0, to: T0 + 30 * DAY + 1 }, 'at most 30 days (setting exports.days)'],
    ['a filter of another kind', { filters: { list: 'bounce' } }, 'status has no filter list'],
    ['a list without its name', { kind: 'suppressions' }, 'suppressions needs list'],
    ['results without a broadcast', { kind: 'results' }, 'results needs broadcast'],
  ]
  test.each(refused)('%s is refused', async (_what, over, words) => {
    await expect(exports.request(ALICE, { ...STATUS, ...over })).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining(words),
    })
  })

  test('the limit of unfinished jobs holds for each account', async () => {
    for (let n = 0; n < 3; n++) await exports.request(ALICE, STATUS)
    await expect(exports.request(ALICE, STATUS)).rejects.toMatchObject({
      code: 'rate_limited',
      message: expect.stringContaining('exports.waiting'),
    })
    await exports.request(BOB, STATUS)
    expect((await exports.list(1, { after: null, limit: 10 })).map(({ state }) => state)).toEqual(['queued', 'queued', 'queued'])
    const gate = Promise.withResolvers<null>()
    const bulk: Engine['bulkRead'] = { ...engine.bulkRead, one: () => gate.promise }
    const on = createExporter({ ...context, engine: { ...engine, bulkRead: bulk } }, { ...RULES, atOnce: 4 })
    await on.tick()
    const statesOf = async (account: number) => (await exports.list(account, { after: null, limit: 10 })).map(({ state }) => state)
    expect([await statesOf(1), await statesOf(2)]).toEqual([['queued', 'queued', 'running'], ['running']])
    gate.resolve(null)
    await on.close()
  })

  test('a long export makes room for those of other accounts, and one account waits for one turn of another', async () => {
    await fill(3_000)
    const slow = createExporter(context, { ...RULES, atOnce: 1, pagesPerSlice: 1 })
    const long = await exports.request(ALICE, STATUS)
    await exports.request(ALICE, STATUS)
    const short = await exports.request(BOB, STATUS)
    const turn = async (): Promise<void> => {
      clock.now += 1_000
      await slow.tick()
      await slow.waitUntilIdle()
    }
    await turn()
    expect(await now(long)).toMatchObject({ state: 'queued', rows: 1_000 })
    await turn()
    expect(await now(short)).toMatchObject({ state: 'done' })
    expect((await exports.list(1, { after: null, limit: 10 })).reduce((sum, { rows }) => sum + rows, 0)).toBe(1_000)
    for (let turns = 0; turns < 3; turns++) await turn()
    expect((await exports.list(1, { after: null, limit: 10 })).map(({ state, rows }) => [state, rows])).toEqual([
      ['done', 3_000],
      ['done', 3_000],
    ])
    expect(new Set((await linesOf(await now(long))).map(({ emailId }) => emailId)).size).toBe(3_000)
  })

  test('a node dies between two pages: another continues after the last one, and no row appears twice', async () => {
    await fill(3_000)
    const job = await exports.request(ALICE, STATUS)
    // The claim and one page succeed; then everything fails, even the release.
    const dead = createExporter(brokenAfter(2, new Error('killed')), { ...RULES, atOnce: 1 })
    await runAll(dead)
    expect(await now(job)).toMatchObject({ state: 'running', rows: 1_000, chunks: 1 })
    const other = createExporter(context, RULES)
    await runAll(other)
    expect(await now(job)).toMatchObject({ state: 'running', rows: 1_000 })
    clock.now += 60_001
    await runAll(other)
    expect(await now(job)).toMatchObject({ state: 'done', rows: 3_000, chunks: 3 })
    expect(new Set((await linesOf(await now(job))).map(({ emailId }) => emailId)).size).toBe(3_000)
  })

  test('a node that stops releases its job at once', async () => {
    await fill(3_000)
    const job = await exports.request(ALICE, STATUS)
    const first = createExporter(context, RULES)
    await first.tick()
    await first.close()
    const given = await now(job)
    expect([given.state, given.rows % 1_000, given.lease]).toEqual(['queued', 0, ''])
    await runAll()
    expect(await now(job)).toMatchObject({ state: 'done', rows: 3_000 })
  })

  test('a node that has lost its lease changes nothing', async () => {
    await fill(2_500)
    const job = await exports.request(ALICE, STATUS)
    let isLate = true
    const tx: Engine['tx'] = async (work, options) => {
      const result = await engine.tx(work, options)
      if (isLate) {
        isLate = false
        // Between the claim and the first page the lease expires, and another node writes the file.
        clock.now += 60_001
        await runAll()
      }
      return result
    }
    const slow = createExporter({ ...context, engine: { ...engine, tx } }, RULES)
    await runAll(slow)
    expect(await now(job)).toMatchObject({ state: 'done', rows: 2_500, chunks: 3 })
    expect(await linesOf(await now(job))).toHaveLength(2_500)
  })

  test('a failed job has a reason, and continues when it is retried', async () => {
    await fill(2_000)
    const job = await exports.request(ALICE, STATUS)
    let broken = true
    // The steps of the first page begin earlier.
    const bulk: Engine['bulkRead'] = {
      ...engine.bulkRead,
      all: (sql, params) =>
        broken && sql.includes('deliveries') && params !== undefined && Number(params[1]) > T0 + 900_000
          ? Promise.reject(new Fault('internal', 'a page is damaged'))
          : engine.bulkRead.all(sql, params),
    }
    const on = createExporter({ ...context, engine: { ...engine, bulkRead: bulk } }, RULES)
    await runAll(on)
    const failed = await now(job)
    expect(failed).toMatchObject({ state: 'failed', error: 'a page is damaged', rows: 1_000, expiresAt: clock.now + 7 * DAY })
    await expect(exports.content(1, job.exportId)).rejects.toMatchObject({ code: 'conflict' })
    broken = false
    expect(await exports.retry(1, job.exportId)).toMatchObject({ state: 'queued', endedAt: null })
    await runAll(on)
    expect(await now(job)).toMatchObject({ state: 'done', error: null, rows: 2_000 })
    await expect(exports.retry(1, job.exportId)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('an internal error shows no detail; a busy store is retried; a job without progress fails', async () => {
    const job = await exports.request(ALICE, STATUS)
    const bulk = (error: Error): Engine['bulkRead'] => ({ ...engine.bulkRead, one: () => Promise.reject(error) })
    const failing = (error: Error): Exporter => createExporter({ ...context, engine: { ...engine, bulkRead: bulk(error) } }, RULES)
    const busy = failing(new Fault('store_busy', 'not now'))
    for (let n = 0; n < 6; n++) {
      expect(await now(job)).toMatchObject({ state: 'queued', attempts: n === 6 ? 0 : n })
      await runAll(busy)
      await runAll(busy)
      clock.now += 5_000
    }
    expect(await now(job)).toMatchObject({ state: 'failed', error: expect.stringContaining('started 5 times') })
    await exports.retry(1, job.exportId)
    await runAll(failing(new Error('secret of the wire')))
    expect(await now(job)).toMatchObject({ state: 'failed', error: `internal error; the log describes it under ${job.exportId}` })
  })

  test('a file is removed after its days, and its row after the same time again', async () => {
    await fill(1_100)
    const job = await exported()
    clock.now += 7 * DAY - 1
    await exporter.tick()
    expect((await now(job)).state).toBe('done')
    clock.now += 1
    await exporter.tick()
    expect(await now(job)).toMatchObject({ state: 'expired', chunks: 0, rows: 1_100 })
    await expect(exports.content(1, job.exportId)).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('exports.keepDays'),
    })
    expect(await engine.read.one('select count(*) as n from export_chunks')).toEqual({ n: 0 })
    clock.now += 8 * DAY
    await exporter.tick()
    expect(await exports.find(1, job.exportId)).toBeNull()
  })

  test('a deleted export is gone at once, and its chunks soon after', async () => {
    await fill(1_100)
    const [job, other] = [await exported(), await exported()]
    expect([await exports.remove(2, job.exportId), await exports.remove(1, job.exportId), await exports.remove(1, job.exportId)]).toEqual([
      false,
      true,
      false,
    ])
    expect((await exports.list(1, { after: null, limit: 10 })).map(({ exportId }) => exportId)).toEqual([other.exportId])
    await exporter.tick()
    expect(await engine.read.one('select count(*) as n from exports')).toEqual({ n: 1 })
    expect(await engine.read.one('select count(*) as n from export_chunks')).toEqual({ n: 2 })
  })

  test('an account cannot see or change the exports of another', async () => {
    const job = await exported()
    expect(await exports.find(2, job.exportId)).toBeNull()
    expect(await exports.list(2, { after: null, limit: 10 })).toEqual([])
    await expect(exports.content(2, job.exportId)).rejects.toMatchObject({ code: 'not_found' })
    await expect(exports.retry(2, job.exportId)).rejects.toMatchObject({ code: 'not_found' })
    expect(await exports.remove(2, job.exportId)).toBe(false)
  })

  test('a file with an erased address is removed, and its job says why', async () => {
    const joe = 'joe@example.org'
    await createRegister(context)(ALICE, {
      from: 'news@example.com',
      subject: '',
      label: null,
      broadcast: null,
      emailType: 'batch',
      headers: {},
      recipients: [{ recipient: joe, contactTypes: null }],
    })
    const [mine, his] = [await exported({ to: clock.now + 1 }), await exported({}, BOB)]
    expect((await fileOf(mine)).toString()).toContain(joe)
    await eraseAddress(context, joe, 'operator')
    expect(await now(mine)).toMatchObject({ state: 'expired', error: expect.stringContaining('erased'), chunks: 0 })
    expect((await now(his)).state).toBe('done')
  })

  test('deliveries of the same moment appear once each', async () => {
    const deliveries = Array.from({ length: 2_001 }, (_, n) => sampleDelivery({ n, requestedAt: T0, deliveryId: deliveryIdOf(n) }))
    await engine.tx((db) => saveLedgerState(db, ledgerStateOf({ deliveries })))
    const lines = await linesOf(await exported())
    expect(new Set(lines.map(({ emailId }) => emailId)).size).toBe(2_001)
  })
})
