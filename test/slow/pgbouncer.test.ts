/** pgbouncer.test - a node behind a real pgbouncer: session mode works, the other modes stop the start with the reason */
import { describe, expect, test } from 'vitest'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import { engines } from '../support/engines.ts'
import { findPgbouncer, startPgbouncer } from '../support/pgbouncer.ts'

const servers = engines.filter(({ kind }) => kind === 'postgres')
const program = servers.length === 0 ? null : findPgbouncer()

describe.skipIf(program === null).each(servers)('pgbouncer before $kind', ({ url }) => {
  test('session mode: transactions have their limits, and locks and prepared statements work', async () => {
    if (program === null) return
    const pooler = await startPgbouncer(program, await url(), 'session')
    const engine = await openEngine(pooler.url, { connections: 4 })
    const limit = { statement_timeout: '15s' }
    expect(await engine.tx((db) => db.one("select current_setting('statement_timeout') as statement_timeout"))).toEqual(limit)
    expect(await engine.read.one("select current_setting('statement_timeout') as statement_timeout")).toEqual(limit)
    const counts = await Promise.all(
      Array.from({ length: 20 }, (_, n) => engine.tx((db) => db.one('select $1::bigint + 1 as n', [n]), { lockName: 'one' })),
    )
    expect(counts.map((row) => row?.['n'])).toEqual(counts.map((_, n) => n + 1))
    await engine.close()
    await pooler.stop()
  })

  test.each(['transaction', 'statement'] as const)('%s mode stops the start, and the message says what to set', async (mode) => {
    if (program === null) return
    const pooler = await startPgbouncer(program, await url(), mode)
    await expect(openEngine(pooler.url)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/pool_mode = session/),
    })
    await pooler.stop()
  })
})
