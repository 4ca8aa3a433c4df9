/** snapshot.test - rows of released stores open, and are written again as the same JSON */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, type Queue } from '../../src/queue/queue.ts'
import { restoreEpisodes, restoreKeyStates, snapshotEpisodes, snapshotKeyStates } from '../../src/queue/snapshot.ts'
import { T0 } from './play.ts'

const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })

const KEY_ROWS = [
  `{"key":"manual|7|*","manual":{"from":${T0},"until":${T0 + 1_000},"onEnd":"keep"},"spans":[{"from":1,"until":2}],"limit":null,"pace":null,"breadth":null,"warming":null}`,
  `{"key":"manual|7|*|12","manual":{"from":${T0},"until":${T0 + 1_000},"onEnd":"delete"},"spans":[],"limit":null,"pace":null,"breadth":null,"warming":null}`,
  `{"key":"lane|7|example.org","manual":null,"spans":[],"limit":6,"pace":null,"breadth":null,"warming":null}`,
  `{"key":"ip|192.0.2.1|google","manual":null,"spans":[],"limit":null,"pace":{"perMinute":60,"start":120,"epoch":0,"halvedAt":1,"from":1,"seen":0,"asked":0,"clean":0,"guessTo":0},"breadth":null,"warming":null}`,
  `{"key":"connection|192.0.2.1|google","manual":null,"spans":[],"limit":null,"pace":null,"breadth":{"most":12.5,"epoch":0,"halvedAt":1},"warming":null}`,
  `{"key":"warmup|192.0.2.1|google","manual":null,"spans":[],"limit":null,"pace":null,"breadth":null,"warming":{"startedAt":1,"day":0,"sent":9}}`,
]

test('what is known about keys', () => {
  const queue = newQueue()
  restoreKeyStates(
    queue,
    KEY_ROWS.map((row) => JSON.parse(row)),
    T0,
  )
  expect(snapshotKeyStates(queue).map((row) => JSON.stringify(row))).toEqual(KEY_ROWS)
})

test('a row of the first release has no hold periods', () => {
  const queue = newQueue()
  restoreKeyStates(queue, [{ key: 'lane|7|a.example', manual: null, limit: 6, pace: null, breadth: null, warming: null }], T0)
  expect(snapshotKeyStates(queue)).toMatchObject([{ spans: [], limit: 6 }])
})

const EPISODE_ROW = `{"key":"ip|192.0.2.1|google","class":"ip-rate","state":"paused","n":2,"epoch":40,"since":1,"until":${T0 + 1_000},"pausedMs":1000,"troubleAt":1,"counts":[{"hits":{"windowMs":3600000,"slot":0,"counts":[]},"of":{"windowMs":3600000,"slot":0,"counts":[]}}],"inARow":0,"rateBefore":60,"connectionsBefore":1,"batch":0,"sent":0,"answered":0,"movedAt":1,"rung":null,"rungAt":1,"clean":0,"evidence":[{"at":1,"mailId":"m","code":421,"text":"421 no"}]}`

test('episodes', () => {
  const queue = newQueue()
  restoreEpisodes(queue, [JSON.parse(EPISODE_ROW)], T0)
  expect(snapshotEpisodes(queue).map((row) => JSON.stringify(row))).toEqual([EPISODE_ROW])
})

test('an episode that was stored while the clock was a year ahead pauses for as long as it was meant to, and forgets like any other', () => {
  const [queue, year] = [newQueue(), 365 * 86_400_000]
  const future = T0 + year
  const count = { windowMs: 3_600_000, slot: Math.floor((future * 12) / 3_600_000), counts: [3] }
  const episode = {
    ...JSON.parse(EPISODE_ROW),
    since: future,
    until: future + 60_000,
    pausedMs: 60_000,
    troubleAt: future,
    movedAt: future,
    rungAt: future,
  }
  restoreEpisodes(queue, [{ ...episode, counts: [{ hits: count, of: count }] }], T0)
  const [restored] = snapshotEpisodes(queue)
  expect(restored).toMatchObject({ since: T0, until: T0 + 60_000, troubleAt: T0, movedAt: T0, rungAt: T0 })
  expect(restored?.counts[0]?.hits).toEqual({ ...count, slot: Math.floor((T0 * 12) / 3_600_000) })
})
