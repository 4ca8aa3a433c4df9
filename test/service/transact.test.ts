/**
 * transact.test - one transaction from load to commit: rollback, retry after a serialization failure, alarms only after the commit
 */
import { beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { createAuditFact } from '../../src/ledger/decide/operator-action.ts'
import { createFactBatch } from '../../src/ledger/facts/fact-batch.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { aboutEndpoint, createFact, type FactMoment } from '../../src/ledger/facts/new-fact.ts'
import type { Context } from '../../src/service/context.ts'
import { transact } from '../../src/service/transact.ts'
import type { Database, Engine } from '../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../src/store/facts/facts.ts'
import { addLabel, listLabels } from '../../src/store/account/labels.ts'
import { makeContext } from '../support/context.ts'
import { engines } from '../support/engines.ts'

const T0 = Date.UTC(2026, 10, 20, 12)
const ENDPOINT = aboutEndpoint(1, 7)
const SUBJECT = { account: 1, subject: ENDPOINT.subject }

const alarmOf = (moment: FactMoment): Fact =>
  createFact('alarm', ENDPOINT, moment, { alarm: 'webhook', text: 'gone', detail: { endpointId: 7, since: T0 } })

describe.each(engines)('transact: $kind', ({ kind, open }) => {
  let engine: Engine
  let context: Context
  /** Each log line and each metric, in their order; `commit` when the engine has committed. */
  let effects: string[]
  const clock = { now: T0 }

  beforeEach(async () => {
    engine = (await open()).engine
    effects = []
    const made = await makeContext(engine, clock)
    const log = Object.assign(Object.create(made.telemetry.log), {
      isLevelEnabled: () => true,
      warn: (_fields: object, message: string) => void effects.push(`warn ${message}`),
      debug: (fields: { readonly runs?: number }, message: string) => void effects.push(`${message}, run ${fields.runs ?? 0}`),
    })
    const tx: Engine['tx'] = async (work, options) => {
      const result = await engine.tx(work, options)
      effects.push('commit')
      return result
    }
    const count = (name: string): void => void effects.push(`count ${name}`)
    context = { ...made, engine: { ...engine, tx }, telemetry: { ...made.telemetry, log, count } }
  })

  const alarms = (): Promise<readonly Fact[]> => findFactsBySubject(engine.read, [SUBJECT])
  const labels = async (): Promise<readonly string[]> =>
    (await listLabels(engine.read, 1, { start: 0, limit: 10 })).rows.map(({ name }) => name)

  test('stores facts and rows together, then logs and counts alarms', async () => {
    const result = await transact(context, { subjects: [SUBJECT] }, async ({ db, moment }) => {
      await addLabel(db, 1, 'news', moment.at)
      effects.push('decided')
      return { result: 'done', facts: [alarmOf(moment)] }
    })
    expect([result, (await alarms()).length, await labels()]).toEqual(['done', 1, ['news']])
    expect(effects).toEqual(['decided', 'commit', 'transaction committed, run 1', 'count bounced_alarms_total', 'warn alarm raised'])
  })

  test('later decisions see applied facts; facts that are stored already are not stored again', async () => {
    const raise = (): Promise<readonly boolean[]> =>
      transact(context, { subjects: [SUBJECT] }, ({ ledgerState, moment, apply }) => {
        const first = apply([alarmOf(moment)])
        const isNew = createFactBatch(ledgerState).add(alarmOf(moment))
        return { result: [first > 0, isNew] }
      })
    expect([await raise(), await raise()]).toEqual([
      [true, false],
      [false, false],
    ])
    expect((await alarms()).length).toBe(1)
  })

  test('loads what a function names within the transaction', async () => {
    await transact(context, {}, ({ moment }) => ({ result: null, facts: [alarmOf(moment)] }))
    const isKnown = await transact(
      context,
      async (db) => ({ subjects: (await listLabels(db, 1, { start: 0, limit: 1 })).total === 0 ? [SUBJECT] : [] }),
      ({ ledgerState, moment }) => ({ result: !createFactBatch(ledgerState).add(alarmOf(moment)) }),
    )
    expect(isKnown).toBe(true)
  })

  test('a decision that throws leaves nothing behind: no row, no fact, no alarm', async () => {
    const failing = transact(context, {}, async ({ db, moment, apply }) => {
      await addLabel(db, 1, 'news', moment.at)
      apply([alarmOf(moment)])
      throw new Fault('conflict', 'no')
    })
    await expect(failing).rejects.toMatchObject({ code: 'conflict' })
    expect([await alarms(), await labels(), effects]).toEqual([[], [], []])
  })

  test('a transaction that runs again decides anew, and raises its alarms once', async () => {
    let runs = 0
    const again: Engine['tx'] = async (work, options) => {
      const interrupted = new Error('interrupted')
      const first = context.engine.tx(async (db: Database) => {
        await work(db)
        throw interrupted
      }, options)
      await expect(first).rejects.toBe(interrupted)
      return context.engine.tx(work, options)
    }
    const result = await transact({ ...context, engine: { ...context.engine, tx: again } }, { subjects: [SUBJECT] }, ({ moment }) => {
      runs += 1
      return { result: runs, facts: [alarmOf(moment)] }
    })
    expect([result, (await alarms()).length]).toEqual([2, 1])
    expect(effects).toEqual(['commit', 'transaction committed, run 2', 'count bounced_alarms_total', 'warn alarm raised'])
  })

  test.runIf(kind === 'postgres')('a serialization failure runs the transaction again with the new state', async () => {
    let runs = 0
    const rename = (db: Database, name: string): Promise<number> => db.run('update accounts set name = $1 where account_id = 1', [name])
    const seen = await transact(context, {}, async ({ db, moment }) => {
      runs += 1
      const name = String((await db.one('select name from accounts where account_id = 1'))?.['name'])
      if (runs === 1) await engine.tx((other) => rename(other, 'changed meanwhile'))
      await rename(db, `${name}!`)
      return { result: name, facts: [createAuditFact(1, 'test', {}, { actor: 'test', moment }), alarmOf(moment)] }
    })
    expect([runs, seen, (await alarms()).length]).toEqual([2, 'changed meanwhile', 1])
    expect(effects.filter((effect) => effect.startsWith('warn'))).toEqual(['warn alarm raised'])
  })
})
