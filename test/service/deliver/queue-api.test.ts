/** queue-api.test - lane snapshots and queue commands, through the store */
import { describe, expect, test } from 'vitest'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { holdAllGroups } from '../../support/delivery.ts'
import { applyAttemptResult } from '../../../src/queue/schedule/attempt-result.ts'
import type { AttemptResult } from '../../../src/queue/message.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { sharedKeys } from '../../../src/queue/schedule/operator-commands.ts'
import { createQueue, nextDispatchBatch, enqueue, applyCommand, type Queue } from '../../../src/queue/queue.ts'
import {
  addQueueCommand,
  removeSettledQueueCommandsForOperator,
  findQueueCommand,
  saveQueueCommandResultsForOperator,
  settleQueueCommandsForOperator,
  type QueueCommandResult,
  type QueueCommand,
} from '../../../src/store/queue/commands.ts'
import {
  listLaneSnapshotsForOperator,
  listLaneSnapshots,
  readHeartbeatForOperator,
  listThroughputForOperator,
} from '../../../src/store/queue/lane-snapshots.ts'
import { createLaneSnapshots } from '../../../src/service/deliver/lane-snapshots.ts'
import { ensureLabels, removeLabel } from '../../../src/store/account/labels.ts'
import { runCommands } from '../../../src/service/deliver/pending-commands.ts'
import { createQueueApi } from '../../../src/service/deliver/queue-api.ts'
import { mailOf, T0 } from '../../queue/play.ts'
import { engines } from '../../support/engines.ts'
import { makeContext } from '../../support/context.ts'

const SECOND = 1_000

const BLOCKLISTED: AttemptResult = {
  kind: 'refused',
  code: 550,
  text: '550 <joe@example.com> listed',
  reason: 'ip-blocked',
  pause: 'ip-blocklist',
  deferral: true,
  statedDelayMs: null,
  zone: null,
}
const uuid = (n: number): string => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`

function queueOf(): Queue {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (const account of [1, 2])
    for (const domain of ['a.example', 'b.example'])
      for (let i = 0; i < 5; i++) enqueue(queue, mailOf(`${account}${domain}${i}`, T0, { account, domain }), T0)
  return queue
}

const commandOf = (n: number, command: QueueCommand['command'], account = 1): QueueCommand => ({
  account,
  commandId: uuid(n),
  command,
  actor: 'user',
  state: 'waiting',
  createdAt: T0 + n,
  settledAt: null,
  moved: 0,
  deleted: 0,
  said: null,
})

const RUNNER = { node: 'test', isRecorded: () => true }

const settle = (engine: Engine, results: readonly QueueCommandResult[]): Promise<void> =>
  engine.tx(async (db) => {
    await saveQueueCommandResultsForOperator(db, results)
    await settleQueueCommandsForOperator(db, T0)
  })

describe.each(engines)('snapshots and commands: $kind', ({ open }) => {
  test('the first save replaces the lanes of its node, the next writes what has changed; lanes that are gone are removed', async () => {
    const { engine } = await open()
    const queue = queueOf()
    const laneSnapshots = createLaneSnapshots('node-1')
    expect(await readHeartbeatForOperator(engine.read)).toBeNull()
    await laneSnapshots.save(engine, queue, T0)
    expect(await readHeartbeatForOperator(engine.read)).toEqual({ at: T0, node: 'node-1' })
    const all = await listLaneSnapshotsForOperator(engine.read, { domain: null, after: null, limit: 3 })
    expect(all.map(({ account, domain }) => [account, domain])).toEqual([
      [1, 'a.example'],
      [1, 'b.example'],
      [2, 'a.example'],
    ])
    const nextPage = await listLaneSnapshotsForOperator(engine.read, { domain: null, after: all.at(-1) ?? null, limit: 3 })
    expect(nextPage.map(({ account, domain }) => [account, domain])).toEqual([[2, 'b.example']])
    const [first] = nextDispatchBatch(queue, T0, 1).dispatches
    applyAttemptResult(queue, first?.number ?? 0, BLOCKLISTED, T0)
    for (const [id, lane] of queue.lanes) if (lane.domain === 'b.example' && lane.account === 2) queue.lanes.delete(id)
    await laneSnapshots.save(engine, queue, T0 + 5 * SECOND)
    const mine = await listLaneSnapshots(engine.read, 2, { domain: null, after: null, limit: 10 })
    expect(mine.map(({ domain, status }) => [domain, status.state, status.reason, status.evidence[0]?.text])).toEqual([
      ['a.example', 'paused', 'IP reputation', '550 <*@example.com> listed'],
    ])
    await createLaneSnapshots('node-2').save(engine, createQueue({ policy: BACKOFF_POLICIES.default, seed: 1, pools: {} }), T0 + 7 * SECOND)
    expect(await listLaneSnapshotsForOperator(engine.read, { domain: null, after: null, limit: 9 })).toHaveLength(3)
    await createLaneSnapshots('node-1').save(engine, createQueue({ policy: BACKOFF_POLICIES.default, seed: 1, pools: {} }), T0 + 9 * SECOND)
    expect(await listLaneSnapshotsForOperator(engine.read, { domain: null, after: null, limit: 9 })).toEqual([])
  })

  test('throughput intervals are written as they grow, summed on request, and dropped when they are too old for a chart', async () => {
    const { engine } = await open()
    const queue = queueOf()
    const laneSnapshots = createLaneSnapshots('node')
    await laneSnapshots.save(engine, queue, T0)
    enqueue(queue, mailOf('late', T0 + SECOND, { account: 1, domain: 'a.example' }), T0 + SECOND)
    await laneSnapshots.save(engine, queue, T0 + SECOND)
    const now = T0 + SECOND
    const series = { domain: null, width: 'fives', now } as const
    expect(await listThroughputForOperator(engine.read, { ...series, account: 1 })).toEqual([{ at: T0, ins: 11, tries: 0, outs: 0 }])
    expect(await listThroughputForOperator(engine.read, { ...series, account: 1, domain: 'a.example' })).toMatchObject([{ ins: 6 }])
    expect(await listThroughputForOperator(engine.read, { ...series, account: null, width: 'minutes' })).toMatchObject([{ ins: 21 }])
    await laneSnapshots.save(engine, queue, T0 + 3_700 * SECOND)
    expect(await engine.read.one('select count(*) as n from queue_steps where width = 5000')).toEqual({ n: 0 })
    expect(await engine.read.one('select count(*) as n from queue_steps where width = 60000')).toEqual({ n: 4 })
  })

  test('commands run in their order and are settled; a refused one says why; an unsettled one runs again', async () => {
    const { engine } = await open()
    const queue = queueOf()
    const commands = [
      commandOf(1, { kind: 'pause', account: 1, domain: 'new.example', until: T0 + 60 * SECOND, after15Days: 'keep' }),
      commandOf(2, { kind: 'delete', account: 1, domain: null, from: 0, until: T0 + 1 }),
      commandOf(3, { kind: 'pause', account: 1, domain: null, until: T0 - 1, after15Days: 'keep' }),
      commandOf(4, { kind: 'recover-key', key: 'ip|192.0.2.99|nowhere', how: 'immediate' }),
    ]
    await engine.tx(async (db) => {
      for (const command of commands) await addQueueCommand(db, command)
    })
    await holdAllGroups(engine, 'test')
    const { events, results } = await runCommands(engine.read, queue, RUNNER, T0)
    expect(events).toHaveLength(11)
    expect((await runCommands(engine.read, queueOf(), RUNNER, T0)).results).toHaveLength(4)
    await settle(engine, results)
    expect((await runCommands(engine.read, queue, RUNNER, T0)).results).toEqual([])
    const found = await Promise.all(commands.map(({ commandId }) => findQueueCommand(engine.read, 1, commandId)))
    expect(found.map((each) => [each?.state, each?.moved, each?.deleted])).toEqual([
      ['done', 1, 0],
      ['done', 0, 10],
      ['refused', 0, 0],
      ['refused', 0, 0],
    ])
    expect(found[2]?.said).toMatch(/before it starts/)
    expect(found[3]?.said).toMatch(/no such backoff key/)
    expect(await engine.tx((db) => removeSettledQueueCommandsForOperator(db, T0))).toBe(0)
    expect(await findQueueCommand(engine.read, 2, uuid(1))).toBeNull()
    expect([...queue.lanes.values()].some(({ domain }) => domain === 'new.example')).toBe(true)
    expect(await engine.tx((db) => removeSettledQueueCommandsForOperator(db, T0 + 1))).toBe(4)
  })
})

describe.each(engines)('queue API: $kind', ({ open }) => {
  test('a command is refused if no node ever delivered, waits if none does now, and is returned when it is settled', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    const api = createQueueApi(context, 2_000)
    const command = { kind: 'recover', account: 1, domain: null, how: 'immediate', onlyOwn: true } as const
    const request = { account: 1, actor: 'api:alice', command }
    await expect(api.submitCommand(request)).rejects.toMatchObject({ code: 'conflict' })
    const laneSnapshots = createLaneSnapshots('node')
    await laneSnapshots.save(engine, queueOf(), context.now() - 20_000)
    expect(await api.deliveryStatus()).toMatchObject({ delivering: false })
    expect(await api.submitCommand(request)).toMatchObject({ state: 'waiting', settledAt: null })
    await laneSnapshots.save(engine, queueOf(), context.now())
    const submitted = api.submitCommand(request)
    await holdAllGroups(engine, 'test')
    for (let settled = 0; settled < 2;) {
      const { results } = await runCommands(engine.read, queueOf(), RUNNER, context.now())
      await settle(engine, results)
      settled += results.length
    }
    expect(await submitted).toMatchObject({ state: 'done', moved: 0, said: null })
    const audits = await engine.read.all("select data from events where account_id = 1 and kind = 'audit' order by id")
    expect(audits.map(({ data }) => JSON.parse(String(data)))).toMatchObject([
      { actor: 'api:alice', what: 'queue.recover', detail: { account: 1, domain: null, onlyOwn: true } },
      { what: 'queue.recover' },
    ])
  })

  test('a command names a label of the account, also one that was removed; its audit has the label and the times', async () => {
    const { engine } = await open()
    const context = await makeContext(engine, { now: T0 })
    await createLaneSnapshots('node').save(engine, queueOf(), T0 - 60 * SECOND)
    const api = createQueueApi(context, 0)
    const label = (await engine.tx((db) => ensureLabels(db, 1, ['spring'], T0))).get('spring') ?? 0
    await engine.tx((db) => removeLabel(db, 1, label, T0))
    const order = { kind: 'delete', domain: null, label, accepted: { from: 0, until: T0 } } as const
    const submit = (account: number) => api.submitCommand({ account, actor: 'user', command: { ...order, account } })
    expect(await submit(1)).toMatchObject({ state: 'waiting', command: { label } })
    await expect(submit(2)).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('GET /v1/account/labels') })
    const audits = await engine.read.all("select data from events where kind = 'audit'")
    expect(audits.map(({ data }) => JSON.parse(String(data)))).toMatchObject([
      { what: 'queue.delete', detail: { label, from: 0, until: T0 } },
    ])
  })
})

test('an account recovers its own keys only, not those that protect others too', async () => {
  const queue = queueOf()
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  applyAttemptResult(queue, first?.number ?? 0, BLOCKLISTED, T0)
  const recover = { kind: 'recover', account: 1, domain: null, how: 'immediate' } as const
  expect(applyCommand(queue, { ...recover, onlyOwn: true }, T0 + 1)).toEqual([])
  expect(sharedKeys(queue, recover)).toEqual(['ip|192.0.2.1|big'])
  applyCommand(queue, { kind: 'delete', account: 2, domain: null, from: 0, until: T0 + 1 }, T0 + 1)
  expect(applyCommand(queue, { ...recover, onlyOwn: true }, T0 + 2)).toMatchObject([{ kind: 'queue.recovered', by: 'operator' }])
})
