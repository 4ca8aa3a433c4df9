/**
 * response-cache.test - the same question hears the same answer: for how long, whose, and until what
 */
import { describe, expect, test } from 'vitest'
import { readCommitStamp } from '../../../src/store/engine/commit-stamp.ts'
import { writeMetadataForOperator } from '../../../src/store/engine/metadata.ts'
import { createResponseCache } from '../../../src/http/sendcloud/response-cache.ts'
import type { ResponseCacheMode, ResponseCache } from '../../../src/http/sendcloud/response-cache.ts'
import { createEnvelope } from '../../../src/http/sendcloud/envelope.ts'
import { engines } from '../../support/engines.ts'
import { makeBench } from '../bench.ts'
import { NOW } from '../sample-rows.ts'

const TEN_MINUTES_MS = 600_000

type World = { now: number; stamp: string; asked: number }

function play(rule: ResponseCacheMode): { world: World; ask: (account?: number, part?: string, code?: 200 | 40006) => Promise<number> } {
  const world: World = { now: 0, stamp: 'a', asked: 0 }
  const answers: ResponseCache = createResponseCache({
    mode: rule,
    now: () => world.now,
    readCommitStamp: () => Promise.resolve(world.stamp),
  })
  const ask = async (account = 1, part = 'x', code: 200 | 40006 = 200): Promise<number> => {
    await answers.getOrLoad({ account, parts: [part] }, () => {
      world.asked += 1
      return Promise.resolve(createEnvelope(code))
    })
    return world.asked
  }
  return { world, ask }
}

const RULES = [
  // rule: how often the store was asked after the same again, after a commit, 10 minutes later, for another question, for another account
  ['fresh', [1, 2, 3, 4, 5]],
  ['vendor', [1, 1, 2, 3, 4]],
  ['off', [2, 3, 4, 5, 6]],
] as const

test.each(RULES)('%s', async (rule, want) => {
  const { world, ask } = play(rule)
  await ask()
  const again = await ask()
  world.stamp = 'b'
  const changed = await ask()
  world.now = TEN_MINUTES_MS
  const late = await ask()
  expect([again, changed, late, await ask(1, 'y'), await ask(2, 'x')]).toEqual(want)
})

test('a refusal is not kept', async () => {
  const { ask } = play('vendor')
  expect([await ask(1, 'x', 40006), await ask(1, 'x')]).toEqual([1, 2])
})

test('who signs in how, by which prefix and in which order, is the same question; a day that has passed is another', async () => {
  let now = NOW
  const { send, calls } = await makeBench({ now: () => now }, { responseCacheMode: 'vendor' })
  const questions = (): number => calls.filter(({ name }) => name === 'messages.list').length
  await send({ url: '/api/data/emailStatus?apiUser=alice&apiKey=secret-of-alice&days=1&limit=5', auth: null })
  await send({ url: '/apiv2/data/emailStatus?limit=5&days=1&api_user=alice&api_key=secret-of-alice', auth: null })
  expect(questions()).toBe(1)
  await send({ url: '/api/data/emailStatus?apiUser=alice&apiKey=secret-of-alice&days=1&limit=6', auth: null })
  await send({ url: '/api/data/emailStatus?apiUser=bob&apiKey=secret-of-bob&days=1&limit=5', auth: null })
  expect(questions()).toBe(3)
  now += 86_400_000
  await send({ url: '/api/data/emailStatus?apiUser=alice&apiKey=secret-of-alice&days=1&limit=5', auth: null })
  expect(questions()).toBe(4)
})

describe.each(engines)('stamps: $kind', ({ open }) => {
  test('a commit changes the stamp, a look does not', async () => {
    const { engine } = await open()
    const first = await readCommitStamp(engine.read)
    expect(first).not.toBe('')
    await engine.read.one('select 1 as one')
    // Other databases of one PostgreSQL change its stamp too: there it only must not stay.
    expect([first, await readCommitStamp(engine.read)]).toContain(engine.kind === 'sqlite' ? await readCommitStamp(engine.read) : first)
    await engine.tx((db) => writeMetadataForOperator(db, 'answers.test', 'x'))
    expect(await readCommitStamp(engine.read)).not.toBe(first)
  })
})
