/** rebuild.test - pages of facts split no subject, pages of rows lose nothing; and the state after a crash */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Fact } from '../../../src/ledger/facts/fact.ts'
import type { DeliveryRow } from '../../../src/ledger/project/state.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { countFactsForOperator, BEFORE_FIRST_SUBJECT, listFactsForOperator, listRowsForOperator } from '../../../src/store/facts/rebuild.ts'
import type { SubjectRef } from '../../../src/store/facts/facts.ts'
import { DELIVERIES } from '../../../src/store/mail/delivery-columns.ts'
import { SUPPRESSIONS } from '../../../src/store/schema.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { engines } from '../../support/engines.ts'
import { deliveryIdOf, hashOf, idOf, openFact, sampleDelivery, sampleSuppression, ledgerStateOf } from '../sample.ts'

/** Subjects with 3, 1, 7 and 2 facts, one of another account. */
const facts = [3, 1, 7, 2, 2].flatMap((size, n) =>
  Array.from({ length: size }, (_, i) => openFact(n, { account: n === 4 ? 2 : 1, id: idOf(`${n}/${i}`), dedupKey: `open ${i}` })),
)

async function pages(engine: Engine, limit: number): Promise<readonly (readonly Fact[])[]> {
  const found: (readonly Fact[])[] = []
  for (let after: SubjectRef | null = BEFORE_FIRST_SUBJECT; after !== null;) {
    const page = await listFactsForOperator(engine.read, 'events', after, limit)
    found.push(page.facts)
    after = page.next
  }
  return found
}

describe.each(engines)('rebuild: $kind', ({ open, url }) => {
  test.each([1, 2, 3, 4, 5, 8, 15, 16, 100])('pages of %i facts contain whole subjects and every fact once', async (limit) => {
    const { engine } = await open()
    await engine.tx(async (db) => saveLedgerState(db, ledgerStateOf({ facts })))
    const found = await pages(engine, limit)
    const ids = found.flat().map(({ id }) => id)
    expect(new Set(ids)).toEqual(new Set(facts.map(({ id }) => id)))
    expect(ids).toHaveLength(facts.length)
    for (const page of found) {
      for (const { account, subject } of page) {
        const whole = facts.filter((fact) => fact.account === account && fact.subject === subject)
        expect(page.filter((fact) => fact.account === account && fact.subject === subject)).toHaveLength(whole.length)
      }
    }
    expect(await countFactsForOperator(engine.read)).toBe(facts.length)
  })

  test('lists rows by page', async () => {
    const { engine } = await open()
    const deliveries = Array.from({ length: 25 }, (_, n) => sampleDelivery({ n, account: 1 + (n % 2) }))
    const suppressions = ['a', 'b', 'c'].map((name) => sampleSuppression({ address: `${name}@example.com` }))
    await engine.tx(async (db) => saveLedgerState(db, ledgerStateOf({ deliveries, suppressions })))
    const seen: DeliveryRow[] = []
    for (let size = 1; size > 0;) {
      const page: readonly DeliveryRow[] = await listRowsForOperator(engine.read, DELIVERIES, seen.at(-1) ?? null, 10)
      seen.push(...page)
      size = page.length
    }
    expect(seen.map(({ deliveryId }) => deliveryId)).toEqual(
      [...deliveries.filter(({ account }) => account === 1), ...deliveries.filter(({ account }) => account === 2)].map(
        ({ deliveryId }) => deliveryId,
      ),
    )
    expect(await listRowsForOperator(engine.read, SUPPRESSIONS, null, 2)).toHaveLength(2)
  })

  test('a killed process leaves whole transactions, and every one that it acknowledged', async () => {
    const where = await url()
    const child = fork(join(import.meta.dirname, 'crasher.ts'), [where], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    let told = -1
    await new Promise<void>((resolve, reject) => {
      child.on('message', (n) => {
        told = Number(n)
        if (told === 25) child.kill('SIGKILL')
      })
      child.on('exit', () => resolve())
      child.on('error', reject)
    })
    expect(told).toBeGreaterThanOrEqual(25)
    const engine = await openEngine(where)
    const rows = await listRowsForOperator(engine.read, DELIVERIES, null, 10_000)
    const stored = new Set(rows.map(({ deliveryId }) => deliveryId))
    expect(rows.length % 20).toBe(0)
    for (let n = 0; n < (told + 1) * 20; n++) expect(stored.has(deliveryIdOf(n))).toBe(true)
    expect(await countFactsForOperator(engine.read)).toBe(rows.length)
    await engine.tx(async (db) =>
      saveLedgerState(db, ledgerStateOf({ suppressions: [sampleSuppression({ addressHash: hashOf('after') })] })),
    )
    await engine.close()
  })
})
