/** due-times.test - work whose due time was written under a wrong clock is due now; other work waits for its time */
import { describe, expect, test } from 'vitest'
import { bringForwardForOperator } from '../../src/store/due-times.ts'
import { engines } from '../support/engines.ts'
import { T0 } from './sample.ts'

const [MINUTE, HOUR, YEAR] = [60_000, 3_600_000, 31_536_000_000]

describe.each(engines)('$kind', ({ open }) => {
  test('pending verifications: a year ahead is due now, an hour ahead waits', async () => {
    const { engine } = await open()
    const digest = (n: number): Uint8Array => Buffer.alloc(32, n)
    await engine.tx(async (db) => {
      for (const [n, dueAt] of [T0 + YEAR, T0 + HOUR, T0 - MINUTE].entries())
        await db.run('insert into pending_verifications (account_id, digest, received_at, tries, due_at) values (1, $1, $2, 0, $3)', [
          digest(n),
          T0,
          dueAt,
        ])
    })
    expect(await engine.tx((db) => bringForwardForOperator(db, T0))).toBe(1)
    expect(await engine.tx((db) => bringForwardForOperator(db, T0))).toBe(0)
    const rows = await engine.read.all('select due_at from pending_verifications order by digest')
    expect(rows.map((row) => Number(row['due_at']))).toEqual([T0, T0 + HOUR, T0 - MINUTE])
  })
})
