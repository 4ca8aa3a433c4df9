/** other-site.test - a reply of another site than the dispatched one counts at its own keys, and gives a probe back to those that covered the dispatch */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, enqueue, nextDispatchBatch, type Queue } from '../../src/queue/queue.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { isSiteOpen, recordAnsweringSite } from '../../src/queue/schedule/other-site.ts'
import { HOUR, mailOf, refusal, T0, transitionsOf } from './play.ts'

const IP = '192.0.2.1'
const OTHER = { site: '(mx1,mx2).backup.example', gateway: true, isCounted: true }

const queueOf = (mails: number): Queue => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 3, pools: { '*': [IP] } })
  for (let i = 0; i < mails; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  return queue
}

test('a block of the other site pauses that site, and not the one of the dispatch', () => {
  const queue = queueOf(2)
  const { dispatches } = nextDispatchBatch(queue, T0, 1)
  const [first] = dispatches
  if (first === undefined) throw new Error('nothing was dispatched')
  recordAnsweringSite(queue, first.number, OTHER)
  const events = applyAttemptResult(queue, first.number, refusal('ip-blocklist'), T0)
  expect(transitionsOf(events).map(({ key, to }) => [key, to])).toEqual([[`ip|${IP}|${OTHER.site}`, 'paused']])
  expect(isSiteOpen(queue, { ...first, ...OTHER }, T0)).toBe(false)
  expect(isSiteOpen(queue, first, T0)).toBe(true)
  expect(nextDispatchBatch(queue, T0, 1).dispatches).toHaveLength(1)
})

test('a reply that another node counts changes no key of the other site here', () => {
  const queue = queueOf(1)
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  if (first === undefined) throw new Error('nothing was dispatched')
  recordAnsweringSite(queue, first.number, { ...OTHER, isCounted: false })
  expect(transitionsOf(applyAttemptResult(queue, first.number, refusal('ip-blocklist'), T0))).toEqual([])
  expect([...queue.keyStates.keys()].filter((key) => key.includes('backup'))).toEqual([])
})

test('a probe that another site answered is sent again, and does not end the probing', () => {
  const queue = queueOf(3)
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  if (first === undefined) throw new Error('nothing was dispatched')
  applyAttemptResult(queue, first.number, refusal('ip-blocklist'), T0)
  const key = `ip|${IP}|big`
  const at = T0 + 8 * HOUR
  const [probe] = nextDispatchBatch(queue, at, 1).dispatches
  if (probe === undefined) throw new Error('nothing was probed')
  expect(probe.probe).toBe(true)
  recordAnsweringSite(queue, probe.number, OTHER)
  applyAttemptResult(queue, probe.number, { kind: 'accepted' }, at)
  expect([...(queue.keyStates.get(key)?.episodes.values() ?? [])].map(({ state, sent }) => [state, sent])).toEqual([['probing', 0]])
  expect(nextDispatchBatch(queue, at, 1).dispatches.map(({ probe: isProbe }) => isProbe)).toEqual([true])
})

test('the result of an attempt that nobody made changes nothing', () => {
  const queue = queueOf(1)
  recordAnsweringSite(queue, 99, OTHER)
  expect(queue.inFlightAttempts.size).toBe(0)
})
