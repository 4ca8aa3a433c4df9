/**
 * response-cache.test - how long a response is reused, for which account, and until which commit
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

type State = { now: number; stamp: string; loads: number; generation: number; switchesAtLoad: boolean }

function createProbe(mode: ResponseCacheMode): {
  state: State
  load: (account?: number, part?: string, code?: 200 | 40006) => Promise<number>
} {
  const state: State = { now: 0, stamp: 'a', loads: 0, generation: 0, switchesAtLoad: false }
  const cache: ResponseCache = createResponseCache({
    mode,
    now: () => state.now,
    readGeneration: () => state.generation,
    readCommitStamp: () => Promise.resolve(state.stamp),
  })
  const load = async (account = 1, part = 'x', code: 200 | 40006 = 200): Promise<number> => {
    await cache.getOrLoad({ account, parts: [part] }, () => {
      state.loads += 1
      if (state.switchesAtLoad) state.generation += 1
      return Promise.resolve(createEnvelope(code))
    })
    return state.loads
  }
  return { state, load }
}

const MODES = [
  // mode: number of loads after the same request again, after a commit, 10 minutes later, with other parameters, for another account
  ['fresh', [1, 2, 3, 4, 5]],
  ['vendor', [1, 1, 2, 3, 4]],
  ['off', [2, 3, 4, 5, 6]],
] as const

test.each(MODES)('%s', async (mode, want) => {
  const { state, load } = createProbe(mode)
  await load()
  const again = await load()
  state.stamp = 'b'
  const changed = await load()
  state.now = TEN_MINUTES_MS
  const late = await load()
  expect([again, changed, late, await load(1, 'y'), await load(2, 'x')]).toEqual(want)
})

test('what another server than that of the stamp has answered is not cached, and a stamp of one server is none of another', async () => {
  const { state, load } = createProbe('fresh')
  state.switchesAtLoad = true
  expect([await load(), await load()]).toEqual([1, 2])
  state.switchesAtLoad = false
  expect([await load(), await load()]).toEqual([3, 3])
  state.generation += 1
  expect(await load()).toBe(4)
})

test('an error is not cached', async () => {
  const { load } = createProbe('vendor')
  expect([await load(1, 'x', 40006), await load(1, 'x')]).toEqual([1, 2])
})

test('the cache key ignores sign-in, prefix and order of parameters; it contains the day', async () => {
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
  test('a commit changes the stamp, and reading does not', async () => {
    const { engine } = await open()
    const first = await readCommitStamp(engine.read)
    expect(first).not.toBe('')
    await engine.read.one('select 1 as one')
    // Other databases of one PostgreSQL change its stamp too: there it only must not stay.
    expect([first, await readCommitStamp(engine.read)]).toContain(engine.kind === 'sqlite' ? await readCommitStamp(engine.read) : first)
    await engine.tx((db) => writeMetadataForOperator(db, 'responses.test', 'x'))
    expect(await readCommitStamp(engine.read)).not.toBe(first)
  })
})
