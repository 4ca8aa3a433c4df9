/**
 * plans.test - the query plans of SQLite for frequent queries: an index, no table scan, and no sort of more than the named rows
 *
 * A duration shows the speed of a machine; a plan shows what grows with the data. PostgreSQL chooses a plan by statistics, so an empty
 * store proves nothing there.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { findDeliveriesByEmailIds, listDeliveries, type DeliveryFilters } from '../../src/store/mail/deliveries.ts'
import { findDeliveriesByMessageIdForOperator } from '../../src/store/mail/message-id-lookup.ts'
import type { Engine, DatabaseReader } from '../../src/store/engine/engine.ts'
import { readTimelineByEmailId } from '../../src/store/facts/facts.ts'
import { listOldDeliveryIds } from '../../src/store/facts/retention.ts'
import { findSuppressionsInForce, listSuppressions } from '../../src/store/lists/suppressions.ts'
import { scanDeliveries, scanSuppressions } from '../../src/store/facts/scan.ts'
import { engines } from '../support/engines.ts'
import { hashOf, T0 } from './sample.ts'

const DAY = { from: T0, to: T0 + 86_400_000 }
const PAGE = { limit: 100, after: { requestedAt: T0, deliveryId: 'a' } }
const found = (filters: DeliveryFilters) => (reader: DatabaseReader) => listDeliveries(reader, 1, filters, PAGE)

/** A query, and the index that serves it. */
/** `isSorted`: the few named rows are sorted after the lookup. */
type Asked = readonly [what: string, ask: (reader: DatabaseReader) => Promise<unknown>, index: string, isSorted: boolean]

const ASKED: readonly Asked[] = [
  ['a mail by its emailId', (reader) => findDeliveriesByEmailIds(reader, 1, ['m1']), 'deliveries_by_email', false],
  ['its story', (reader) => readTimelineByEmailId(reader, 1, 'm1'), 'events_by_subject', false],
  ['mails of a day', found(DAY), 'deliveries_by_time', false],
  ['mails to an address', found({ addressHash: hashOf('a') }), 'deliveries_by_address', false],
  ['mails by their emailIds', found({ emailIds: ['m1', 'm2'] }), 'deliveries_by_email', true],
  ['mails by their emailIds, of a day', found({ ...DAY, emailIds: ['m1', 'm2'] }), 'deliveries_by_email', true],
  ['mails of a request', found({ messageId: 'm1' }), 'deliveries_by_email', true],
  ['invalid mails of a day', found({ ...DAY, status: 4 }), 'deliveries_bounced', false],
  ['soft bounces of a kind', found({ ...DAY, status: 5, subStatuses: [508] }), 'deliveries_bounced', false],
  ['mails asked for from an IP', found({ ...DAY, requestIp: '192.0.2.1' }), 'deliveries_by_request_ip', false],
  ['mails sent from an IP', found({ ...DAY, egressIp: '192.0.2.1' }), 'deliveries_by_egress_ip', false],
  [
    'whether addresses are held',
    (reader) => findSuppressionsInForce(reader, 1, { hashes: [hashOf('a')], at: T0, shared: true }),
    'autoindex_suppressions',
    false,
  ],
  ['a list by time', (reader) => listSuppressions(reader, 1, { list: 'bounce', ...DAY }, { limit: 100 }), 'suppressions_by_time', false],
  [
    'a step through mails',
    (reader) => scanDeliveries(reader, 1, { fault: 'recipient' }, { ...DAY, after: null, maxRows: 10 }),
    'deliveries_by_time',
    false,
  ],
  [
    'a step through a list',
    (reader) => scanSuppressions(reader, 1, { list: 'bounce' }, { ...DAY, after: null, maxRows: 10 }),
    'suppressions_by_time',
    false,
  ],
  [
    'mails by a Message-ID, of any account',
    (reader) => findDeliveriesByMessageIdForOperator(reader, [{ account: null, messageIdHeader: 'a@example.com' }]),
    'deliveries_by_message_id',
    false,
  ],
  [
    'mails by a Message-ID, of one account',
    (reader) => findDeliveriesByMessageIdForOperator(reader, [{ account: 1, messageIdHeader: 'a@example.com' }]),
    'deliveries_by_message_id',
    false,
  ],
  ['what is to be retired', (reader) => listOldDeliveryIds(reader, 1, T0, 10), 'deliveries_by_time', false],
]

describe.each(engines.filter(({ kind }) => kind === 'sqlite'))('plans: $kind', ({ open }) => {
  let engine: Engine
  const plans: string[] = []
  /** Runs `explain query plan` instead of the query. */
  const explaining = (): DatabaseReader => {
    const keep = (rows: Awaited<ReturnType<DatabaseReader['all']>>): Awaited<ReturnType<DatabaseReader['all']>> => {
      plans.push(...rows.map(({ detail }) => String(detail)))
      return []
    }
    const { read } = engine
    return {
      kind: 'sqlite',
      all: async (sql, params) => keep(await read.all(`explain query plan ${sql}`, params)),
      one: async (sql, params) => keep(await read.all(`explain query plan ${sql}`, params))[0] ?? null,
      inKeys: async (sql, keys, params) => keep(await read.inKeys(`explain query plan ${sql}`, keys, params)),
    }
  }
  beforeAll(async () => {
    engine = (await open()).engine
  })

  test.each(ASKED)('%s', async (_what, ask, index, mustSort) => {
    plans.length = 0
    await ask(explaining())
    expect(plans.some((plan) => plan.includes(index))).toBe(true)
    // The list of keys and a few found rows may be scanned; tables never.
    expect(plans.filter((plan) => /^SCAN (?!k\b|found\b|json_each)/.test(plan))).toEqual([])
    const isSorted = plans.some((plan) => plan.includes('TEMP B-TREE FOR ORDER BY'))
    expect(isSorted).toBe(mustSort)
  })
})
