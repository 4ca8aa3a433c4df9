/**
 * pruning.test - a look-up by ids reads the partitions of their months only
 *
 * The estimated plan may name every partition, so the executed one is read: a partition that was pruned at run time is marked `never executed`.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { formatDeliveryId, dayNumberOf, monthOfDelivery } from '../../../src/correlate/delivery-id.ts'
import type { Database, DatabaseReader, Engine } from '../../../src/store/engine/engine.ts'
import { NO_AUTHENTICATION_RESULTS } from '../../../src/mail-auth/verify-signatures.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import { findPublicNames } from '../../../src/store/facts/fact-feed.ts'
import { findFactKeys, findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { loadLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { DELIVERIES } from '../../../src/store/mail/delivery-columns.ts'
import { findDeliveriesByIds } from '../../../src/store/mail/deliveries.ts'
import { findReportReferencesForOperator } from '../../../src/store/mail/mail-bodies.ts'
import { findReportForOperator, insertReports, saveReportAuthentication } from '../../../src/store/mail/reports.ts'
import { createPartitionsOf } from '../../../src/store/partitions/partitions.ts'
import { engines } from '../../support/engines.ts'
import { DAY, hashOf, openFact, sampleDelivery, sampleReport } from '../sample.ts'
import { FACTS } from '../../../src/store/schema.ts'

const MARCH = Date.UTC(2026, 2, 5)
const ID = formatDeliveryId({ day: dayNumberOf(MARCH), account: 1, sequence: 7 }) ?? ''
const DAY_OF_MARCH = { from: MARCH, to: MARCH + DAY }
const NEXT_DAY = { from: MARCH + DAY, to: MARCH + 2 * DAY }
const DIGEST = hashOf('mail')
const SUBJECT = { account: 1, subject: ID }

const ASKED = [
  ['deliveries that a transaction locks', 'deliveries', (db) => loadLedgerState(db, { deliveries: [{ account: 1, deliveryId: ID }] })],
  ['deliveries by id', 'deliveries', (db) => findDeliveriesByIds(db, 1, [ID])],
  ['the public names of deliveries', 'deliveries', (db) => findPublicNames(db, 1, [ID])],
  ['the facts of a delivery', 'events', (db) => findFactsBySubject(db, [SUBJECT])],
  ['the keys of its facts', 'events', (db) => findFactKeys(db, [SUBJECT])],
  ['statistics of days', 'counters', (db) => sumCounters(db, 1, { windows: [DAY_OF_MARCH, NEXT_DAY] })],
  ['a report by its digest', 'reports', (db) => findReportForOperator(db, DIGEST)],
  ['the bytes of reports', 'reports', (db) => findReportReferencesForOperator(db, [DIGEST])],
  ['the results of a report', 'reports', (db) => saveReportAuthentication(db, 1, DIGEST, NO_AUTHENTICATION_RESULTS)],
] as const satisfies readonly (readonly [string, string, (db: Database) => Promise<unknown>])[]

describe.each(engines.filter(({ kind }) => kind === 'postgres'))('pruning: $kind', ({ open }) => {
  let engine: Engine
  beforeAll(async () => {
    engine = (await open()).engine
    await createPartitionsOf(engine, [202602, 202603, 202604])
    await engine.tx(async (db) => {
      const month = monthOfDelivery(ID)
      await db.insertMany(DELIVERIES, [sampleDelivery({ n: 1, deliveryId: ID, month })])
      await insertReports(db, [sampleReport({ digest: DIGEST, receivedAt: MARCH })])
      await db.insertMany(FACTS, [openFact(1, { subject: ID, deliveryId: ID, deliveryMonth: month })])
    })
  })

  test.each(ASKED)('%s', async (_what, table, ask) => {
    const plans: string[] = []
    await engine.tx(async (db) => {
      // Without rows every plan costs the same; with a million rows a planner does not read a month whole for a few ids.
      for (const way of ['hashjoin', 'mergejoin', 'seqscan']) await db.all(`select set_config('enable_${way}', 'off', true)`)
      const explain = async (rows: ReturnType<DatabaseReader['all']>): ReturnType<DatabaseReader['all']> => {
        plans.push(...(await rows).map((row) => String(row['QUERY PLAN'])))
        return []
      }
      await ask({
        ...db,
        one: async (sql, params) => (await explain(db.all(`explain analyze ${sql}`, params)))[0] ?? null,
        run: async (sql, params) => (await explain(db.all(`explain analyze ${sql}`, params))).length,
        all: (sql, params) => explain(db.all(`explain analyze ${sql}`, params)),
        inKeys: (sql, keys, params) =>
          sql.includes(`join ${table} `) ? explain(db.inKeys(`explain analyze ${sql}`, keys, params)) : db.inKeys(sql, keys, params),
      })
    })
    const read = plans.filter((line) => line.includes(` on ${table}_`) && !line.includes('Update on') && !line.includes('never executed'))
    expect(read.map((line) => /_(\d+|default)\b/.exec(line)?.[1])).toEqual(['202603'])
  })
})
