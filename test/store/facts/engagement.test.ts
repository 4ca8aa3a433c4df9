/**
 * engagement.test - opens and clicks by time, address, user and label, on both engines
 */
import { engagementData } from '../../ledger/given.ts'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findEngagementRecords, scanEngagement, type EngagementCursor } from '../../../src/store/facts/engagement.ts'
import { appendFacts } from '../../../src/store/facts/facts.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { engines } from '../../support/engines.ts'
import { hashOf, sampleDelivery, sampleFact, T0, ledgerStateOf } from '../sample.ts'

const mails = [sampleDelivery({ n: 1, labelId: 7 }), sampleDelivery({ n: 2, apiUser: 'batch' }), sampleDelivery({ n: 3, account: 2 })]
const touch = (n: number, kind: 'open' | 'click', at: number, account = 1) => {
  const mail = mails[n - 1]
  const of = {
    n,
    kind,
    at,
    account,
    deliveryId: mail?.deliveryId ?? null,
    subject: mail?.deliveryId ?? '',
    deliveryMonth: mail?.month ?? 0,
  }
  const data = engagementData({ requestId: `${n}-${at}`, url: kind === 'click' ? 'https://example.com/' : null, ip: '192.0.2.9' })
  return sampleFact({ ...of, dedupKey: `${kind}:${n}-${at}`, data })
}

const PAGE = { start: 0, after: null, countOn: null }

describe.each(engines)('engagement: $kind', ({ open }) => {
  let engine: Engine
  beforeAll(async () => {
    engine = (await open()).engine
    const facts = [touch(1, 'open', T0 + 1), touch(1, 'click', T0 + 2), touch(2, 'open', T0 + 3), touch(3, 'open', T0 + 4, 2)]
    await engine.tx(async (db) => saveLedgerState(db, ledgerStateOf({ deliveries: mails })))
    await engine.tx(async (db) =>
      appendFacts(db, [...facts, sampleFact({ n: 1, kind: 'stub', data: { tie: { via: 'return-path', proof: 'token' } } })]),
    )
  })

  const cases: readonly (readonly [string, Parameters<typeof findEngagementRecords>[2], readonly number[]])[] = [
    ['all', {}, [3, 2, 1]],
    ['opens', { kind: 'open' }, [3, 1]],
    ['clicks', { kind: 'click' }, [2]],
    ['a window', { from: T0 + 2, to: T0 + 3 }, [2]],
    ['an address', { addressHash: hashOf('r1@example.com') }, [2, 1]],
    ['another’s address', { addressHash: hashOf('r3@example.com') }, []],
    ['a user', { apiUsers: ['batch'] }, [3]],
    ['a label', { labelIds: [7] }, [2, 1]],
    ['no label', { labelIds: [] }, []],
  ]
  test.each(cases)('%s', async (_, filters, want) => {
    const { rows, total } = await findEngagementRecords(engine.read, 1, filters, { ...PAGE, limit: 100, countOn: engine.read })
    expect([rows.map(({ fact }) => fact.at - T0), total]).toEqual([want, want.length])
  })

  test('returns pages', async () => {
    const page = await findEngagementRecords(engine.read, 1, {}, { ...PAGE, start: 1, limit: 1, countOn: engine.read })
    expect(page).toMatchObject({ total: 3, rows: [{ emailId: 'm1x0$r1@example.com', recipient: 'r1@example.com', apiUser: 'sender' }] })
    expect((await findEngagementRecords(engine.read, 1, {}, { ...PAGE, limit: 0 })).rows).toEqual([])
    const [first] = page.rows
    const after = { at: first?.fact.at ?? 0, id: first?.fact.id ?? '' }
    const next = await findEngagementRecords(engine.read, 1, {}, { ...PAGE, limit: 5, after })
    expect([next.total, next.rows.map(({ fact }) => fact.at - T0)]).toEqual([null, [1]])
  })

  test.each([1, 2, 100])('a scan in steps of %i rows reads each row once, with filters on its mail', async (maxRows) => {
    const scan = async (filters: Parameters<typeof scanEngagement>[2], to = T0 + 10): Promise<readonly number[]> => {
      const found: number[] = []
      for (let after: EngagementCursor | null = null, isFirst = true; isFirst || after !== null; isFirst = false) {
        const step: Awaited<ReturnType<typeof scanEngagement>> = await scanEngagement(engine.read, 1, filters, {
          from: T0,
          to,
          after,
          maxRows,
        })
        found.push(...step.rows.map(({ fact }) => fact.at - T0))
        after = step.next
      }
      return found
    }
    expect(
      await Promise.all([scan({}), scan({ kind: 'open' }), scan({ apiUsers: ['batch'] }), scan({}, T0 + 3), scan({ labelIds: [7] })]),
    ).toEqual([[1, 2, 3], [1, 3], [3], [1, 2], [1, 2]])
  })
})
