/** late-result.test - what a result of another node's attempt changes, and what it must leave alone */
import { describe, expect, test } from 'vitest'
import { applyLateResult } from '../../../src/queue/backoff/late-result.ts'
import { BACKOFF_KEYS } from '../../../src/queue/backoff/backoff-key.ts'
import { standForKey } from '../../../src/queue/clean-attempts.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue, type Queue } from '../../../src/queue/queue.ts'
import { snapshotEpisodes } from '../../../src/queue/snapshot.ts'
import { T0 } from '../play.ts'

const MINUTE = 60_000
const to = {
  account: 7,
  domain: 'example.net',
  senderDomain: 'example.org',
  site: 'example.net',
  gateway: false,
  mxSet: 'mx.example.net',
  egressIp: '192.0.2.1',
} as const
const BLOCKED = {
  kind: 'refused',
  code: 550,
  text: '550 5.7.1 listed',
  reason: 'ip-blocked',
  pause: 'ip-blocklist',
  deferral: true,
  statedDelayMs: null,
  zone: null,
} as const

const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
const apply = (queue: Queue, result: Parameters<typeof applyLateResult>[1]['result'], dispatchedAt: number, now: number) =>
  applyLateResult(queue, { mailId: 'm1', to, result, dispatchedAt }, now)

describe('a late result', () => {
  test('pauses the key that it trips, with its reply as evidence', () => {
    const queue = newQueue()
    const events = apply(queue, BLOCKED, T0, T0 + MINUTE)
    expect(events).toMatchObject([{ kind: 'queue.paused', key: BACKOFF_KEYS.ip(to), class: 'ip-blocklist' }])
    expect(snapshotEpisodes(queue)[0]?.evidence).toMatchObject([{ mailId: 'm1', code: 550 }])
  })

  test('changes nothing where the key has paused since the attempt began', () => {
    const queue = newQueue()
    apply(queue, BLOCKED, T0, T0 + MINUTE)
    const before = snapshotEpisodes(queue)
    expect(apply(queue, BLOCKED, T0 + 1, T0 + 2 * MINUTE)).toEqual([])
    expect(snapshotEpisodes(queue)).toEqual(before)
  })

  test('changes nothing after an hour', () => {
    const queue = newQueue()
    expect(apply(queue, BLOCKED, T0, T0 + 61 * MINUTE)).toEqual([])
    expect(queue.keyStates.size).toBe(0)
  })

  test('leaves the account alone, which the other node has counted', () => {
    const queue = newQueue()
    apply(queue, { kind: 'accepted' }, T0, T0 + MINUTE)
    expect(queue.keyStates.has(BACKOFF_KEYS.account(to))).toBe(false)
    expect(standForKey(queue, BACKOFF_KEYS.ip(to))).toBe(true)
  })

  test('of a failed connection pauses the hosts', () => {
    const queue = newQueue()
    const events = apply(queue, { kind: 'unreachable', how: 'connect', text: 'ECONNREFUSED' }, T0, T0 + MINUTE)
    expect(events).toMatchObject([{ kind: 'queue.paused', key: BACKOFF_KEYS.networkHosts(to) }])
  })
})
