/** ledger-state.test - saved state is loaded again, and is saved as a whole or not at all */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import {
  addressKey,
  createLedgerState,
  QUARTER_HOUR_MS,
  quarterHourOf,
  factKey,
  siteCounterKey,
  suppressionKey,
} from '../../../src/ledger/project/state.ts'
import type { LedgerState } from '../../../src/ledger/project/state.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import {
  findRawMail,
  findRawMailForOperator,
  removeRawMailForOperator,
  removeOldRawMailsForOperator,
} from '../../../src/store/mail/raw-mail.ts'
import { findKnownDigestsForOperator } from '../../../src/store/mail/report-digests.ts'
import { findReportForOperator } from '../../../src/store/mail/reports.ts'
import { accountScopedKey, loadLedgerState, saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { engines } from '../../support/engines.ts'
import { findDelivery, readTimeline } from '../../support/look.ts'
import {
  DAY,
  deliveryIdOf,
  hashOf,
  idOf,
  openFact,
  sampleDelivery,
  sampleFact,
  sampleInbox,
  sampleReport,
  sampleSuppression,
  T0,
  ledgerStateOf,
} from '../sample.ts'

const DIGEST = hashOf('mail')

function withSites(ledgerState: LedgerState, rows: readonly (readonly [string, number, number])[]): LedgerState {
  for (const [site, quarter, n] of rows)
    ledgerState.dirty.siteCounters.set(siteCounterKey(site, quarter, 'hits'), { site, quarter, metric: 'hits', n })
  return ledgerState
}

describe.each(engines)('ledger state: $kind', ({ open }) => {
  let engine: Engine
  beforeEach(async () => {
    engine = (await open()).engine
  })
  const save = async (ledgerState: LedgerState) => engine.tx(async (db) => saveLedgerState(db, ledgerState))

  test('whatever names them, all deliveries are locked by one statement, in the order of their keys', async () => {
    const rows = [1, 2, 3, 4].map((n) =>
      sampleDelivery({ n, emailId: `e${n}$r@example.com`, messageIdHeader: `m${n}@example.com`, addressHash: hashOf(`a${n}`) }),
    )
    await save(ledgerStateOf({ deliveries: rows }))
    const locking: string[] = []
    const loaded = await engine.tx((db) =>
      loadLedgerState(
        {
          ...db,
          inKeys: (sql, ...rest) => {
            if (sql.includes('{lock d}')) locking.push(sql)
            return db.inKeys(sql, ...rest)
          },
        },
        {
          deliveries: [{ account: 1, deliveryId: rows[3]?.deliveryId ?? '' }],
          emailIds: [{ account: 1, emailId: 'e2$r@example.com' }],
          messageIdHeaders: [{ account: null, messageIdHeader: 'm1@example.com' }],
          recentMails: [{ account: 1, addressHash: hashOf('a3'), at: (rows[2]?.requestedAt ?? 0) + 1 }],
        },
      ),
    )
    expect([...loaded.ledgerState.deliveries.keys()]).toEqual(rows.map(({ deliveryId }) => deliveryId))
    expect([...loaded.byEmailId.values()]).toEqual([rows[1]])
    expect([...loaded.byMessageIdHeader.values()]).toEqual([[rows[0]]])
    expect([...loaded.byRecentMail.values()]).toEqual([[rows[2]]])
    expect(locking).toHaveLength(1)
    expect(locking[0]).toContain('order by d.account_id, d.delivery_id {lock d}')
  })

  test('loads everything that was saved', async () => {
    const delivery = sampleDelivery({ n: 1 })
    const entry = sampleSuppression({ address: delivery.recipient, addressHash: delivery.addressHash ?? '' })
    const inbox = sampleInbox()
    const fact = openFact(1)
    const body = Buffer.from('Subject: hello\r\n\r\nbody')
    await engine.tx(async (db) =>
      saveLedgerState(db, ledgerStateOf({ deliveries: [delivery], suppressions: [entry], inbox: [inbox], facts: [fact] }), {
        reports: [sampleReport({ content: hashOf('body') })],
        rawMails: [{ content: hashOf('body'), kind: 'report', account: 1, digest: DIGEST, receivedAt: T0, body }],
      }),
    )
    const loaded = await engine.tx(async (db) =>
      loadLedgerState(db, {
        deliveries: [{ account: 1, deliveryId: delivery.deliveryId }],
        digests: [DIGEST, hashOf('new')],
        history: true,
      }),
    )
    expect([...loaded.ledgerState.deliveries.values()]).toEqual([delivery])
    expect([...loaded.ledgerState.suppressions.values()]).toEqual([entry])
    expect([...loaded.ledgerState.inbox.values()]).toEqual([inbox])
    expect([...loaded.ledgerState.seenKeys]).toEqual([factKey(fact)])
    expect([...loaded.knownDigests]).toEqual([DIGEST])
    expect(loaded.ledgerState.addressHistory.get(addressKey(1, delivery.addressHash ?? ''))?.get(delivery.deliveryId)).toEqual(delivery)
    expect(loaded.ledgerState.newFacts).toEqual([])
    expect(await readTimeline(engine.read, 1, delivery.deliveryId)).toEqual([fact])
    expect((await findRawMail(engine.read, 1, DIGEST))?.toString()).toBe('Subject: hello\r\n\r\nbody')
  })

  test('finds deliveries by emailId and Message-ID header, within one account', async () => {
    const header = '<same@example.org>'
    const rows = [
      sampleDelivery({ n: 1, messageIdHeader: header }),
      sampleDelivery({ n: 2, messageIdHeader: header }),
      sampleDelivery({ n: 3, account: 2, messageIdHeader: header, emailId: 'm1x0$r1@example.com' }),
    ]
    await save(ledgerStateOf({ deliveries: rows }))
    const needs = {
      emailIds: [{ account: 1, emailId: 'm1x0$r1@example.com' }],
      messageIdHeaders: [{ account: 1, messageIdHeader: header }],
    }
    const loaded = await engine.tx(async (db) => loadLedgerState(db, needs))
    expect(loaded.byEmailId.get(accountScopedKey(1, 'm1x0$r1@example.com'))?.deliveryId).toBe(deliveryIdOf(1))
    expect(loaded.byMessageIdHeader.get(accountScopedKey(1, header))?.map(({ deliveryId }) => deliveryId)).toEqual([1, 2].map(deliveryIdOf))
    expect([...loaded.ledgerState.deliveries.keys()]).toEqual([1, 2].map(deliveryIdOf))
  })

  test('returns one row for a key that is needed twice', async () => {
    await save(ledgerStateOf({ deliveries: [sampleDelivery({ n: 1 })] }))
    const ref = { account: 1, deliveryId: deliveryIdOf(1) }
    const loaded = await engine.tx(async (db) =>
      loadLedgerState(db, { deliveries: [ref, ref], emailIds: [{ account: 1, emailId: 'm1x0$r1@example.com' }] }),
    )
    expect([...loaded.ledgerState.deliveries.keys()]).toEqual([ref.deliveryId])
  })

  test('loads nothing if nothing is needed', async () => {
    const loaded = await engine.tx(async (db) => loadLedgerState(db, {}))
    expect(loaded.ledgerState).toEqual(createLedgerState())
  })

  test('loads all facts on request and for reclassified rows', async () => {
    await save(
      ledgerStateOf({
        deliveries: [sampleDelivery({ n: 1, reclassified: true }), sampleDelivery({ n: 2 }), sampleDelivery({ n: 3 })],
        facts: [1, 2, 3].map((n) => openFact(n)),
      }),
    )
    const refs = [1, 2, 3, 4].map((n) => ({ account: 1, deliveryId: deliveryIdOf(n) }))
    const loaded = await engine.tx(async (db) => loadLedgerState(db, { deliveries: refs, facts: refs.slice(1, 2) }))
    expect(Object.fromEntries([...loaded.ledgerState.facts].map(([id, facts]) => [id, facts.length]))).toEqual({
      [deliveryIdOf(1)]: 1,
      [deliveryIdOf(2)]: 1,
    })
    expect(loaded.ledgerState.seenKeys.size).toBe(3)
  })

  test('loads the fact keys of a mail or an address', async () => {
    const fact = sampleFact<'alarm'>({
      n: 0,
      kind: 'alarm',
      data: { alarm: 'brake', text: 'x', detail: {} },
      deliveryId: null,
      deliveryMonth: 0,
      subject: `mail:${DIGEST}`,
    })
    await save(ledgerStateOf({ facts: [fact] }))
    const subject = fact.subject
    const loaded = await engine.tx(async (db) =>
      loadLedgerState(db, {
        subjects: [
          { account: 1, subject },
          { account: 2, subject },
        ],
      }),
    )
    expect([...loaded.ledgerState.seenKeys]).toEqual([factKey(fact)])
  })

  test('loads the lists of the account, and the shared list only on request', async () => {
    const hash = hashOf('gone@example.com')
    const entries = [0, 1, 2].map((account) => sampleSuppression({ account }))
    await save(ledgerStateOf({ suppressions: entries }))
    const ask = async (shared: boolean) =>
      [
        ...(
          await engine.tx(async (db) => loadLedgerState(db, { addresses: [{ account: 1, addressHash: hash }], sharedList: shared }))
        ).ledgerState.suppressions.keys(),
      ].toSorted()
    const keys = entries.map(suppressionKey)
    expect(await ask(false)).toEqual([keys[1]])
    expect(await ask(true)).toEqual([keys[0], keys[1]])
  })

  test('limits the history of an address', async () => {
    await save(
      ledgerStateOf({
        deliveries: Array.from({ length: 52 }, (_, n) =>
          sampleDelivery({ n, recipient: 'test@example.com', addressHash: hashOf('test@example.com') }),
        ),
      }),
    )
    const addressHash = hashOf('test@example.com')
    const loaded = await engine.tx(async (db) => loadLedgerState(db, { addresses: [{ account: 1, addressHash }], history: true }))
    const history = [...(loaded.ledgerState.addressHistory.get(addressKey(1, addressHash))?.keys() ?? [])]
    expect(history).toHaveLength(32)
    expect(history).toContain(deliveryIdOf(51))
  })

  test('adds counters over batches, and sums the week of a site', async () => {
    const now = quarterHourOf(T0)
    const rows = [
      ['a', now, 2],
      ['a', now - QUARTER_HOUR_MS, 3],
      ['a', now - 3 * DAY, 5],
      ['a', now - 6 * DAY, 7],
      ['a', now - 8 * DAY, 100],
      ['b', now, 50],
    ] as const
    for (let i = 0; i < 2; i++) await save(withSites(createLedgerState(), rows))
    const { ledgerState } = await engine.tx(async (db) => loadLedgerState(db, { sites: [{ site: 'a', at: T0 }] }))
    expect(ledgerState.siteCounts.get(siteCounterKey('a', now, 'hits'))).toBe(4)
    expect(ledgerState.siteCounts.get(siteCounterKey('a', now - QUARTER_HOUR_MS, 'hits'))).toBe(6)
    expect([...ledgerState.siteCounts.values()].reduce((sum, n) => sum + n, 0)).toBe(34)
    expect([...ledgerState.siteCounts.keys()].every((key) => key.startsWith('a/'))).toBe(true)
  })

  test('keeps every quarter-hour separate for moments far apart, as in a replay', async () => {
    const now = quarterHourOf(T0)
    const rows = [0, 1, 100, 300].map((ago) => ['a', now - ago * QUARTER_HOUR_MS, ago + 1] as const)
    await save(withSites(createLedgerState(), rows))
    const sites = [0, 100, 200].map((ago) => ({ site: 'a', at: T0 - ago * QUARTER_HOUR_MS }))
    const { ledgerState } = await engine.tx(async (db) => loadLedgerState(db, { sites }))
    expect(Object.fromEntries(ledgerState.siteCounts)).toEqual(
      Object.fromEntries(rows.map(([site, quarter, n]) => [siteCounterKey(site, quarter, 'hits'), n])),
    )
  })

  test('loads a site that is held', async () => {
    const ledgerState = createLedgerState()
    const state = { site: 'a', held: true, change: 3, at: T0, factId: idOf('brake') }
    ledgerState.sites.set('a', state)
    ledgerState.dirty.sites.add('a')
    await save(ledgerState)
    const loaded = await engine.tx(async (db) =>
      loadLedgerState(db, {
        sites: [
          { site: 'a', at: T0 },
          { site: 'b', at: T0 },
        ],
      }),
    )
    expect([...loaded.ledgerState.sites]).toEqual([['a', state]])
  })

  test('a report leaves the registered columns alone; a request writes the whole row', async () => {
    const row = sampleDelivery({ n: 1 })
    await save(ledgerStateOf({ deliveries: [row] }))
    const moved = { ...row, status: 4, subStatus: 406, egressIp: '192.0.2.7' } as const
    await save(ledgerStateOf({ deliveries: [{ ...moved, recipient: 'other@example.com', apiUser: 'other' }], facts: [openFact(1)] }))
    expect(await findDelivery(engine.read, 1, row.deliveryId)).toEqual(moved)
    const whole = { ...moved, apiUser: 'other', label: 'x' }
    const request = sampleFact<'audit'>({ n: 1, kind: 'audit', data: { actor: 'test', what: 'request', detail: {} } })
    await save(ledgerStateOf({ deliveries: [whole], facts: [{ ...request, kind: 'request' } as Fact] }))
    expect(await findDelivery(engine.read, 1, row.deliveryId)).toEqual(whole)
  })

  test('an existing fact voids the transaction', async () => {
    await save(ledgerStateOf({ facts: [openFact(1)] }))
    const again = ledgerStateOf({ deliveries: [sampleDelivery({ n: 1 })], facts: [openFact(1, { id: idOf('other') })] })
    await expect(save(again)).rejects.toMatchObject({ code: 'conflict' })
    expect(await findDelivery(engine.read, 1, deliveryIdOf(1))).toBeNull()
  })

  test('a mail that was received before voids the transaction', async () => {
    await engine.tx(async (db) => saveLedgerState(db, createLedgerState(), { reports: [sampleReport()] }))
    const again = engine.tx(async (db) => saveLedgerState(db, ledgerStateOf({ inbox: [sampleInbox()] }), { reports: [sampleReport()] }))
    await expect(again).rejects.toMatchObject({ code: 'conflict' })
    expect(await engine.read.one('select count(*) as n from inbox')).toEqual({ n: 0 })
  })

  test('two nodes that save the same delivery at once lose nothing', async () => {
    await save(ledgerStateOf({ deliveries: [sampleDelivery({ n: 1 })] }))
    const bump = async (i: number) =>
      engine.tx(async (db) => {
        const { ledgerState } = await loadLedgerState(db, { deliveries: [{ account: 1, deliveryId: deliveryIdOf(1) }] })
        const row = ledgerState.deliveries.get(deliveryIdOf(1)) ?? sampleDelivery({ n: 1 })
        await sleep(3)
        ledgerState.newFacts.push(openFact(1, { id: idOf(`open ${i}`), dedupKey: `open ${i}` }))
        ledgerState.deliveries.set(row.deliveryId, { ...row, opens: row.opens + 1 })
        ledgerState.dirty.deliveries.add(row.deliveryId)
        await saveLedgerState(db, ledgerState)
      })
    await Promise.all([0, 1, 2, 3].map(bump))
    expect((await findDelivery(engine.read, 1, deliveryIdOf(1)))?.opens).toBe(4)
    expect(await readTimeline(engine.read, 1, deliveryIdOf(1))).toHaveLength(4)
  })

  test('two nodes that receive the same mail at once store it once', async () => {
    const receive = async () =>
      engine.tx(async (db) => {
        const { knownDigests, ledgerState } = await loadLedgerState(db, { digests: [DIGEST] })
        await sleep(10)
        if (knownDigests.has(DIGEST)) return 'again'
        await saveLedgerState(db, ledgerState, { reports: [sampleReport()] })
        return 'new'
      })
    expect((await Promise.all([receive(), receive()])).toSorted()).toEqual(['again', 'new'])
  })

  test('raw mail: hidden from other accounts, expires, can be erased', async () => {
    const raw = Buffer.from(`${'x'.repeat(70_000)}\0\xff`, 'latin1')
    const mails = await Promise.all(
      ['one', 'two', 'three'].map(async (name, i) => ({
        content: hashOf('body'),
        kind: 'report' as const,
        account: 1,
        digest: hashOf(name),
        receivedAt: T0 + i * DAY,
        body: raw,
      })),
    )
    const reports = mails.map(({ digest, receivedAt, content }) => sampleReport({ digest, receivedAt, content }))
    await engine.tx(async (db) => saveLedgerState(db, createLedgerState(), { reports, rawMails: mails }))
    expect((await findRawMail(engine.read, 1, hashOf('one')))?.equals(raw)).toBe(true)
    expect(await findRawMail(engine.read, 2, hashOf('one'))).toBeNull()
    expect(await findReportForOperator(engine.read, hashOf('one'))).toEqual(reports[0])
    expect((await findRawMailForOperator(engine.read, hashOf('two')))?.length).toBe(raw.length)
    expect(await engine.tx(async (db) => removeOldRawMailsForOperator(db, T0 + DAY, 10))).toBe(1)
    expect(await engine.tx(async (db) => removeRawMailForOperator(db, hashOf('two')))).toBe(true)
    expect(await engine.tx(async (db) => removeRawMailForOperator(db, hashOf('two')))).toBe(false)
    expect(await findRawMail(engine.read, 1, hashOf('one'))).toBeNull()
    expect(await findRawMail(engine.read, 1, hashOf('three'))).not.toBeNull()
    expect((await findKnownDigestsForOperator(engine.read, [hashOf('one'), hashOf('four')])).size).toBe(1)
  })
})
