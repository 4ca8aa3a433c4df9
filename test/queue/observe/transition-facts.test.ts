/** transition-facts.test - which accounts are notified of a transition, and what they may read */
import { expect, test } from 'vitest'
import { formatDeliveryId } from '../../../src/correlate/delivery-id.ts'
import { buildPayload, webhookEventOf } from '../../../src/webhook/payload.ts'
import { applyAttemptResult } from '../../../src/queue/schedule/attempt-result.ts'
import {
  findAffectedAccounts,
  isQueueNotification,
  type Subscribers,
  findAccountsToNotify,
} from '../../../src/queue/observe/affected-accounts.ts'
import type { AttemptResult, KeyTransition } from '../../../src/queue/message.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue, nextDispatchBatch, enqueue, applyCommand, type Queue } from '../../../src/queue/queue.ts'
import { decideTransition, evidenceFor } from '../../../src/queue/observe/transition-facts.ts'
import { redactLocalParts } from '../../../src/mail/redact-local-parts.ts'
import { mailOf, T0, transitionsOf } from '../play.ts'

const moment = { at: T0, receivedAt: T0, ids: { next: () => 'id' } }
const idOf = (account: number, sequence: number): string => formatDeliveryId({ day: 2_000, account, sequence }) ?? ''
const KEY = 'ip|192.0.2.1|big'

const LISTED: AttemptResult = {
  kind: 'refused',
  code: 550,
  text: '550 <joe@example.com> blocked',
  reason: 'ip-blocked',
  pause: 'ip-blocklist',
  deferral: true,
  statedDelayMs: null,
  zone: null,
}

function queueOf(accounts: readonly number[]): Queue {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (const account of accounts)
    for (let i = 0; i < 3; i++) enqueue(queue, mailOf(idOf(account, i), T0, { account, domain: `d${account}.example` }), T0)
  return queue
}

function blocked(queue: Queue): KeyTransition {
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  const events = applyAttemptResult(queue, first?.number ?? 0, LISTED, T0)
  const [transition] = transitionsOf(events)
  if (transition === undefined) throw new Error('a blocklisted IP pauses')
  return transition
}

test('a shared key gives a fact for the operator and for each affected account, with the replies to its own messages only', () => {
  const queue = queueOf([7, 8])
  const event = blocked(queue)
  const facts = decideTransition(event, findAffectedAccounts(queue, KEY), moment)
  const notified = facts.map(({ account, data }) => ('move' in data ? { account, ...data } : null))
  expect(notified).toMatchObject([
    { account: 0, move: 'paused', key: KEY, reason: 'IP reputation', class: 'ip-blocklist', n: 1, waiting: 6, domains: [] },
    { account: 7, waiting: 3, domains: ['d7.example'], evidence: [{ text: '550 <*@example.com> blocked' }] },
    { account: 8, waiting: 3, domains: ['d8.example'], evidence: [{ text: null }] },
  ])
  expect(new Set(facts.map(({ subject }) => subject))).toEqual(new Set([`queue:${KEY}`]))
})

test('an account that was notified of a pause is notified of its end, with nothing waiting any more', () => {
  const queue = queueOf([7, 8])
  const subscribers: Subscribers = new Map()
  const notified: number[][] = [findAccountsToNotify(subscribers, queue, blocked(queue)).map(({ account }) => account)]
  applyCommand(queue, { kind: 'delete', account: 8, domain: null, from: 0, until: T0 + 1 }, T0)
  for (const event of applyCommand(queue, { kind: 'recover-key', key: KEY, how: 'immediate' }, T0 + 1))
    if (isQueueNotification(event)) notified.push(findAccountsToNotify(subscribers, queue, event).map(({ account }) => account))
  expect({ notified, left: subscribers.size }).toEqual({
    notified: [
      [7, 8],
      [7, 8],
    ],
    left: 0,
  })
})

test('a manual pause concerns its account alone', () => {
  const queue = queueOf([7, 8])
  const command = { kind: 'pause', account: 7, domain: null, until: null, after15Days: 'keep' } as const
  const facts = applyCommand(queue, command, T0)
    .filter(isQueueNotification)
    .flatMap((event) => decideTransition(event, findAccountsToNotify(new Map(), queue, event), moment))
  expect(facts).toMatchObject([{ account: 7, data: { move: 'manual-paused', reason: 'Paused by user', waiting: 3 } }])
})

test('a transition that needs a person also gives an alarm', () => {
  const event = { ...blocked(queueOf([7])), alarm: true }
  const facts = decideTransition(event, [{ account: 7, domains: [], waiting: 1 }], moment)
  expect(facts.map(({ account, kind }) => [account, kind])).toEqual([
    [0, 'queue'],
    [0, 'alarm'],
    [7, 'queue'],
    [7, 'alarm'],
  ])
})

test('the same transition is one fact; a later one with the same n is another', () => {
  const event = blocked(queueOf([7]))
  const keyOf = (at: number): string | undefined => decideTransition({ ...event, at }, [], moment)[0]?.dedupKey
  expect([keyOf(1) === keyOf(1), keyOf(1) === keyOf(2)]).toEqual([true, false])
})

test.each([
  ['queue.throttled', 'queue.throttled'],
  ['queue.paused', 'queue.paused'],
  ['queue.probing', 'queue.probing'],
  ['queue.recovering', 'queue.recovering'],
  ['queue.recovered', 'queue.recovered'],
] as const)('%s is the webhook event %s', (kind, name) => {
  const [fact] = decideTransition({ ...blocked(queueOf([7])), kind }, [], moment)
  if (fact === undefined) throw new Error('the operator is notified')
  expect(webhookEventOf(fact)).toBe(name)
  expect(buildPayload(name, fact, null, { timestamp: T0, token: '', signature: '' })).toMatchObject({
    event: name,
    key: KEY,
    n: 1,
    evidence: [{}],
  })
})

test.each([
  ['550 <joe@example.com>: no', '550 <*@example.com>: no'],
  ['to=joe+x@a.example,ann@b.example', 'to=*@a.example,*@b.example'],
  ['nobody named', 'nobody named'],
  ['@', '@'],
] as const)('local parts are left out of %j', (text, want) => expect(redactLocalParts(text)).toBe(want))

test('the operator reads all evidence', () => {
  expect(evidenceFor(0, [{ at: 1, mailId: idOf(9, 1), code: 421, text: 'x' }])).toEqual([{ at: 1, code: 421, text: 'x' }])
})
