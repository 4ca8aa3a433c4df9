/**
 * crowd - lanes that wait for one key and never run out of messages, and how often each of them sends
 */
import fc from 'fast-check'
import { BACKOFF_KEYS } from '../../src/queue/backoff/backoff-key.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import type { Dispatch } from '../../src/queue/message.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { createQueue, enqueue, nextDispatchBatch, nextWakeAt } from '../../src/queue/queue.ts'
import { restoreKeyStates } from '../../src/queue/snapshot.ts'
import { mailOf, T0 } from './play.ts'

export type Crowd = {
  /** What all lanes wait for: the rate of each egress IP, the rate of the sender domain, or the connections of each IP to the site. */
  readonly limit: 'ip' | 'sender-domain' | 'connection'
  readonly ips: number
  /** The weights of the egress IPs, repeated; 0: used while no other is open. */
  readonly weights: readonly number[]
  readonly accounts: number
  readonly domains: number
  /** Sender domains of a lane: each has a stream of its own. With one egress IP, the second lane of an account has one more. */
  readonly senders: number
  readonly perMinute: number
  readonly connections: number
  /** The most attempts at once. */
  readonly capacity: number
  readonly attemptMs: number
  /** The classes of each lane; `mixed`: of every third lane transactional, of every third batch, of the others both. */
  readonly classes: 'transactional' | 'both' | 'mixed'
}

/** The attempts of the messages of one class in one lane. */
export type ClassAttempts = { readonly isBatch: boolean; attempts: number }

export const crowds: fc.Arbitrary<Crowd> = fc.record({
  limit: fc.constantFrom('ip', 'sender-domain', 'connection'),
  ips: fc.integer({ min: 1, max: 4 }),
  weights: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  accounts: fc.integer({ min: 1, max: 4 }),
  domains: fc.integer({ min: 1, max: 4 }),
  senders: fc.integer({ min: 1, max: 3 }),
  perMinute: fc.integer({ min: 2, max: 40 }),
  connections: fc.integer({ min: 1, max: 3 }),
  capacity: fc.integer({ min: 1, max: 30 }),
  attemptMs: fc.integer({ min: 50, max: 20_000 }),
  classes: fc.constant('transactional'),
})

function classesOf({ classes }: Crowd, lane: number): readonly boolean[] {
  if (classes === 'transactional') return [false]
  return classes === 'both' || lane % 3 === 0 ? [false, true] : [lane % 3 === 1]
}

/** Attempts of each lane and class. A new message replaces each delivered one, so that none ever runs out. */
export function attemptsOfLanes(crowd: Crowd, forMs: number): ClassAttempts[] {
  const pool = Array.from({ length: crowd.ips }, (_, i) => `192.0.2.${i + 1}`)
  const queue = createQueue({
    policy: BACKOFF_POLICIES.never,
    seed: 3,
    pools: { '*': pool.map((ip, i) => ({ ip, weight: crowd.weights[i % crowd.weights.length] ?? 1 })) },
    ...(crowd.limit === 'connection' ? { connectionsPerSite: crowd.connections } : {}),
  })
  const counts = new Map<string, ClassAttempts>()
  for (let i = 0; i < 40; i++) {
    for (let account = 1; account <= crowd.accounts; account++) {
      for (let d = 0; d < crowd.domains; d++) {
        const classes = classesOf(crowd, account + d)
        for (const isBatch of classes) counts.set(`${account} ${d} ${isBatch}`, { isBatch, attempts: 0 })
        const senders = crowd.limit === 'sender-domain' ? 1 : crowd.senders + (d === 1 && crowd.ips === 1 ? 1 : 0)
        for (let s = 0; s < senders; s++) {
          const to = { account, domain: `d${d}.example`, senderDomain: `s${s}.example`, mxSet: 'mx.example' }
          for (const isBatch of classes) enqueue(queue, mailOf(`${i} ${account} ${d} ${s} ${isBatch}`, T0, classed(to, isBatch)), T0)
        }
      }
    }
  }
  const rate = { start: 1, epoch: 0, halvedAt: T0, from: T0, seen: 0, asked: 0, clean: 0, guessTo: 0 }
  const plain = { key: '', manual: null, limit: null, breadth: null, warming: null, pace: { ...rate, perMinute: crowd.perMinute } }
  const to = mailOf('any', T0, { senderDomain: 's0.example' })
  if (crowd.limit === 'sender-domain') restoreKeyStates(queue, [{ ...plain, key: BACKOFF_KEYS.senderDomain(to) }], T0)
  if (crowd.limit === 'ip')
    restoreKeyStates(
      queue,
      pool.map((egressIp) => ({ ...plain, key: BACKOFF_KEYS.ip({ ...to, egressIp }) })),
      T0,
    )
  const pending: { readonly at: number; readonly dispatch: Dispatch }[] = []
  let now = T0
  let sent = 0
  while (now < T0 + forMs) {
    for (const dispatch of nextDispatchBatch(queue, now, crowd.capacity - pending.length).dispatches) {
      const domain = dispatch.domain.slice(1, dispatch.domain.indexOf('.'))
      const count = counts.get(`${dispatch.account} ${domain} ${isBatchMail(dispatch)}`)
      if (count !== undefined) count.attempts += 1
      // The attempts of a crowd do not all take the same time.
      pending.push({ at: now + Math.ceil((crowd.attemptMs * (1 + (sent++ % 5))) / 3), dispatch })
      pending.sort((a, b) => a.at - b.at)
    }
    const wake = pending.length < crowd.capacity ? nextWakeAt(queue, now) : null
    const next = Math.min(pending[0]?.at ?? Infinity, wake === null ? Infinity : Math.max(wake, now + 1))
    if (next === Infinity) break
    now = next
    for (let first = pending[0]; first !== undefined && first.at <= now; first = pending[0]) {
      pending.shift()
      applyAttemptResult(queue, first.dispatch.number, { kind: 'accepted' }, now)
      const [isBatch, to] = [isBatchMail(first.dispatch), first.dispatch]
      enqueue(queue, classed({ ...to, id: `n${to.number} ${isBatch}`, acceptedAt: now, attempts: 0, dueAt: 0 }, isBatch), now)
    }
  }
  return [...counts.values()]
}

/** The id of a message ends with its class. */
const isBatchMail = ({ mailId }: Dispatch): boolean => mailId.endsWith('true')

const classed = <T extends object>(message: T, isBatch: boolean): T => (isBatch ? { ...message, isBatch: true } : message)

export const BASE: Crowd = {
  limit: 'ip',
  ips: 2,
  weights: [1],
  accounts: 2,
  domains: 1,
  senders: 1,
  perMinute: 10,
  connections: 1,
  capacity: 10,
  attemptMs: 500,
  classes: 'transactional',
}
