/** delivery-batch.test - a command is reported as done in the transaction that stores the last of its effects */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue } from '../../../src/queue/queue.ts'
import { collectBatch } from '../../../src/service/deliver/delivery-batch.ts'
import { createSession, dropWritten } from '../../../src/service/deliver/delivery-session.ts'
import { T0 } from '../../queue/play.ts'

test('the result of a command that ends more messages than a transaction takes is in the last one', () => {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  const session = createSession({ name: 'deliver/test', holder: 'test', term: 1, untilAt: T0 }, queue, T0)
  for (let n = 0; n < 1_200; n++) {
    const ref = { account: 1, deliveryMonth: 202_603, deliveryId: `m${n}` }
    session.endedUpdates.push({ kind: 'ended', ref, end: 'deleted', at: T0, blockingKey: null })
  }
  session.commandResults.push({ account: 1, commandId: 'c', node: 'test', state: 'done', moved: 0, deleted: 1_200, said: null })
  const seen: (readonly [number, number])[] = []
  while (session.endedUpdates.length > 0) {
    const batch = collectBatch(session, { keyChanges: { rows: [], removed: [] }, giveUpDays: 4, now: T0 })
    seen.push([batch.updates.length, batch.commandResults.length])
    dropWritten(session, batch)
  }
  expect(seen).toEqual([
    [500, 0],
    [500, 0],
    [200, 1],
  ])
})
