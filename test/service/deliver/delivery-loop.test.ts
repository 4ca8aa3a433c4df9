/**
 * delivery-loop.test - random replies, kills, restarts, store failures, lost answers, and nodes that join and freeze, on a virtual clock: nothing is lost, nothing is sent
 * again after its outcome is written down, unless a node that was frozen may have sent it, and each message ends with a status
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SmtpOutcome, OutgoingMail } from '../../../src/smtp-client/transport.ts'
import { Fault } from '../../../src/errors.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { createQueue } from '../../../src/queue/queue.ts'
import { RETRY_SCHEDULES } from '../../../src/queue/schedule/retry.ts'
import { findDeliveriesByIds } from '../../../src/store/mail/deliveries.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { findFactsBySubject } from '../../../src/store/facts/facts.ts'
import { countInWindow } from '../../../src/queue/backoff/sliding-count.ts'
import { addQueuedFeedbackForOperator } from '../../../src/store/queue/backoff-keys.ts'
import { addQueueCommand, findQueueCommand } from '../../../src/store/queue/commands.ts'
import { createMailSender } from '../../../src/service/deliver/sender.ts'
import { acquireLease } from '../../../src/service/deliver/lease.ts'
import { createGroupSpread } from '../../../src/service/deliver/groups/group-spread.ts'
import { createKeyPersistence } from '../../../src/service/deliver/key-persistence.ts'
import type { Context } from '../../../src/service/context.ts'
import { createDeliveryLoop, type DeliveryLoop } from '../../../src/service/deliver/delivery-loop.ts'
import { createQueueLoader, type ResolveDestination } from '../../../src/service/deliver/queue-loader.ts'
import { createFunctionTransport, ACCEPTED, renderPlain, queueMails, refusedOutcome, UNREACHABLE } from '../../support/delivery.ts'
import { engines } from '../../support/engines.ts'
import { countQueued } from '../../support/look.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { makeContext, type Clock } from '../../support/context.ts'
import { createUnansweredStore, type UnansweredStore } from '../../support/unanswered.ts'

const MINUTE = 60_000
/** Virtual time, which a script moves by minutes. */
const UNCERTAIN_MS = 5 * MINUTE
const T0 = Date.UTC(2026, 10, 20, 12)

/** One step of a run. */
type Step =
  | { readonly do: 'mail'; readonly n: number }
  | { readonly do: 'tick'; readonly node?: number }
  | { readonly do: 'wait'; readonly minutes: number }
  | { readonly do: 'reply'; readonly node?: number; readonly which: number; readonly how: number }
  /** `inTick`: the node dies after a commit, before any attempt that the commit allows has begun. */
  | { readonly do: 'kill'; readonly node?: number; readonly inTick: boolean }
  | { readonly do: 'store'; readonly isUnreachable: boolean }
  /** The node ticks, and each of its commits takes effect, but the answer is lost. */
  | { readonly do: 'unanswered'; readonly node?: number }
  /** The node falls silent in the middle of its attempts, and its lease expires. */
  | { readonly do: 'freeze'; readonly node?: number }
  /** Another node begins to deliver. */
  | { readonly do: 'join' }
  /** A node that was frozen goes on: it reads replies that have waited for it, and ticks. */
  | { readonly do: 'thaw'; readonly how: number }

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: fc.constant('mail' as const), n: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('tick' as const), node: fc.nat(9) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), minutes: fc.integer({ min: 1, max: 90 }) }) },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('reply' as const), node: fc.nat(9), which: fc.nat(9), how: fc.nat(99) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), node: fc.nat(9), inTick: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('store' as const), isUnreachable: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('unanswered' as const), node: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('freeze' as const), node: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'join' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('thaw' as const), how: fc.nat(99) }) },
  ),
  { minLength: 30, maxLength: 90 },
)

const OUTCOMES: readonly SmtpOutcome[] = [
  ACCEPTED,
  ACCEPTED,
  ACCEPTED,
  refusedOutcome(550, '5.1.1 The email account that you tried to reach does not exist'),
  refusedOutcome(452, '4.2.2 The email account that you tried to reach is over quota'),
  refusedOutcome(421, '4.7.0 Too many connections from your IP'),
  refusedOutcome(550, '5.7.1 [192.0.2.1] is listed at zen.spamhaus.org'),
  UNREACHABLE,
]

type Sent = { readonly mail: OutgoingMail; readonly resolve: (outcome: SmtpOutcome) => void }
type Node = { readonly name: string; readonly loop: DeliveryLoop; readonly pending: Sent[]; readonly die: () => void }
type Run = {
  readonly context: Context
  readonly clock: Clock
  readonly faults: string[]
  /** How often a server accepted each message, and a living node read that. */
  readonly accepted: Map<string, number>
  readonly frozen: Node[]
  /** The nodes that deliver. */
  readonly nodes: Node[]
  /** All nodes that have ever begun, for their names. */
  started: number
  isUnreachable: boolean
  readonly withoutAnswers: UnansweredStore['withoutAnswers']
}

const nodeOf = ({ nodes }: Run, which = 0): Node => {
  const node = nodes[which % nodes.length]
  if (node === undefined) throw new Error('no node delivers')
  return node
}

const idOf = ({ mailFrom: from }: OutgoingMail): string => from.slice(0, from.indexOf('@'))

/** Lets resolved promises take effect. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1))

/** Whether the timeline says that nobody knew the fate of an attempt. */
async function isUncertain(context: Context, id: string): Promise<boolean> {
  const facts = await findFactsBySubject(context.engine.read, [{ account: 1, subject: id }])
  return facts.some((fact) => fact.kind === 'attempt' && fact.data.error === 'unknown')
}

/** The server replies to an attempt of this node. */
function reply(run: Run, node: Node, which: number, outcome: SmtpOutcome): void {
  const [sent] = node.pending.splice(which % Math.max(1, node.pending.length), 1)
  if (sent === undefined) return
  if (outcome === ACCEPTED) run.accepted.set(idOf(sent.mail), (run.accepted.get(idOf(sent.mail)) ?? 0) + 1)
  sent.resolve(outcome)
}

/** What a node had not committed when it died is lost with it, unless it was committed without an answer. */
async function forgetUnwritten({ accepted, context }: Run, { loop }: Node): Promise<void> {
  for (const update of loop.session.updates) {
    const { deliveryId } = update.ref
    if (update.kind !== 'attempted' || update.attemptReading.attempt.code !== 250) continue
    const { n } = update.attemptReading.attempt
    const facts = await findFactsBySubject(context.engine.read, [{ account: 1, subject: deliveryId }])
    if (!facts.some((fact) => fact.kind === 'attempt' && fact.data.code === 250 && fact.data.n === n))
      accepted.set(deliveryId, (accepted.get(deliveryId) ?? 0) - 1)
  }
}

/** One tick, and the load of the groups that it acquired. The clock moves on, so that each tick polls the store. */
async function tickNode({ context, clock }: Run, { loop }: Node): Promise<void> {
  clock.now += 1_000
  await renewLeases(context.engine, clock)
  await loop.tick()
  if (loop.session.groupsToLoad.size > 0) await loop.load()
  await settle()
}

/** A frozen node goes on until its attempts have ended. It delivers again if nobody has taken its groups. */
async function thaw(run: Run, node: Node, how: number): Promise<void> {
  while (node.pending.length > 0) reply(run, node, 0, OUTCOMES[(how + node.pending.length) % OUTCOMES.length] ?? ACCEPTED)
  await settle()
  const sql = 'update queue_lease set until_at = $3 where name = $1 and term = $2 returning term'
  const until = (run.context.engine.kind === 'postgres' ? Date.now() : run.clock.now) + 30 * MINUTE
  const [renewed] = await run.context.engine.tx((db) => db.all(sql, [`deliver/${node.name}`, node.loop.session.lease.term, until]))
  if (renewed === undefined) node.loop.stop()
  else run.nodes.push(node)
  for (let ticks = 0; ticks < 3; ticks++) await tickNode(run, node)
}

const SITES: Readonly<Record<string, string>> = { 'd1.example.net': 'provider', 'd2.example.net': 'other-provider' }

/** Nodes renew their leases in time, unless they are frozen. The clock of PostgreSQL is not virtual. */
const renewLeases = async (engine: Engine, { now }: Clock): Promise<unknown> =>
  engine.kind === 'postgres'
    ? null
    : engine.tx((db) => db.run('update queue_lease set until_at = $1 where until_at > 0', [now + 30 * MINUTE])).catch(() => null)

/** The site of one domain changes every two hours. */
const siteOf = (domain: string, now: number): string =>
  domain === 'd2.example.net' && Math.floor(now / (120 * MINUTE)) % 2 === 0 ? domain : (SITES[domain] ?? domain)

/** Starts a process of a node. */
async function startNode(run: Run, name: string): Promise<void> {
  const { context, faults } = run
  const lease = await acquireLease(context, { node: name, holder: name, leaseMs: 60 * MINUTE })
  if (lease === null) throw new Error('no lease')
  const pools = { '*': ['192.0.2.1', '192.0.2.2'] }
  const queue = createQueue({
    policy: BACKOFF_POLICIES.default,
    retrySchedule: RETRY_SCHEDULES.default,
    seed: lease.term,
    pools,
    connectionsPerSite: 4,
  })
  const pending: Sent[] = []
  const state = { isDead: false }
  const isPending = (id: string): boolean =>
    [...run.nodes, ...run.frozen].some((each) => each.pending.some(({ mail }) => idOf(mail) === id))
  const transport = createFunctionTransport(async (mail) => {
    if (state.isDead) return new Promise<SmtpOutcome>(() => undefined)
    const id = idOf(mail)
    const [row] = await findDeliveriesByIds(context.engine.read, 1, [id])
    if (!(await isUncertain(context, id))) {
      if (row?.status !== 18) faults.push(`${id} was sent though it had ended ${row?.status}`)
      if (isPending(id)) faults.push(`${id} was sent by two nodes at once`)
    }
    return new Promise<SmtpOutcome>((resolve) => pending.push({ mail, resolve }))
  })
  const resolveDestination: ResolveDestination = async (domain) => ({ site: siteOf(domain, context.now()), gateway: false, mxSet: domain })
  const sender = createMailSender(context, { transport, render: renderPlain, resolveDestination, maxInFlightBytes: 67_108_864 })
  const ended = { node: name, at: context.now() }
  const isQueued = (id: string): boolean => queue.entries.has(id)
  const loop = createDeliveryLoop(
    {
      context,
      sender,
      node: name,
      groupSpread: createGroupSpread(context, name),
      createLoader: (onResolved) =>
        createQueueLoader(context, {
          resolveDestination,
          onResolved,
          uncertainMs: UNCERTAIN_MS,
          ended,
          longestDelayMs: 1_440 * MINUTE,
          isQueued,
        }),
      keyPersistence: createKeyPersistence(),
      laneSnapshots: { save: () => Promise.resolve() },
      concurrencyLimit: 6,
      giveUpDays: 4,
      wake: () => undefined,
    },
    { lease, queue, leaseUntil: Infinity },
  )
  const node: Node = {
    name,
    loop,
    pending,
    die: () => {
      state.isDead = true
    },
  }
  run.nodes.push(node)
  await tickNode(run, node)
}

/** Starts a node that has never delivered. */
const addNode = (run: Run): Promise<void> => startNode(run, `node${++run.started}`)

async function act(run: Run, step: Step): Promise<void> {
  const { context, clock } = run
  switch (step.do) {
    case 'mail':
      if (!run.isUnreachable)
        await queueMails(
          context,
          Array.from({ length: step.n }, (_, i) => `user${i}@d${i % 5}.example.net`),
        )
      return
    case 'tick':
      return tickNode(run, nodeOf(run, step.node))
    case 'wait':
      clock.now += step.minutes * MINUTE
      return
    case 'reply': {
      reply(run, nodeOf(run, step.node), step.which, OUTCOMES[step.how % OUTCOMES.length] ?? ACCEPTED)
      return settle()
    }
    case 'kill': {
      run.isUnreachable = false
      const node = nodeOf(run, step.node)
      node.die()
      if (step.inTick) await node.loop.tick()
      await forgetUnwritten(run, node)
      run.nodes.splice(run.nodes.indexOf(node), 1)
      return startNode(run, node.name)
    }
    case 'freeze': {
      run.isUnreachable = false
      const node = nodeOf(run, step.node)
      run.nodes.splice(run.nodes.indexOf(node), 1)
      run.frozen.push(node)
      await context.engine.tx((db) => db.run('update queue_lease set until_at = 0 where name = $1', [`deliver/${node.name}`]))
      if (run.nodes.length === 0) await addNode(run)
      return
    }
    case 'join':
      if (!run.isUnreachable && run.nodes.length < 3) await addNode(run)
      return
    case 'thaw': {
      const frozen = run.isUnreachable ? undefined : run.frozen.shift()
      if (frozen !== undefined) await thaw(run, frozen, step.how)
      return
    }
    case 'unanswered':
      await run.withoutAnswers(() => tickNode(run, nodeOf(run, step.node)))
      return
    case 'store':
      run.isUnreachable = step.isUnreachable
  }
}

/** Every server accepts until the queue is empty: every backoff ends, every message ends. */
async function drain(run: Run, engine: Engine): Promise<void> {
  run.isUnreachable = false
  for (let rounds = 0; rounds < 300; rounds++) {
    for (const node of run.nodes) {
      while (node.pending.length > 0) reply(run, node, 0, ACCEPTED)
      await settle()
      await tickNode(run, node)
    }
    if ((await countQueued(engine.read)).waiting === 0) return
    if (run.nodes.every(({ pending }) => pending.length === 0)) run.clock.now += 10 * MINUTE
  }
  run.faults.push('messages were left over')
}

async function startRun(): Promise<{ readonly run: Run; readonly engine: Engine }> {
  const { engine } = (await engines[0]?.open()) ?? {}
  if (engine === undefined) throw new Error('no store')
  const clock: Clock = { now: T0 }
  const state = { isUnreachable: false }
  const unanswered = createUnansweredStore(engine)
  const tx: Engine['tx'] = async (work, options) => {
    if (state.isUnreachable) throw new Fault('store_busy', 'the store is not reachable')
    return unanswered.engine.tx(work, options)
  }
  const context = await makeContext({ ...engine, tx }, clock)
  const run: Run = {
    context,
    clock,
    faults: [],
    accepted: new Map(),
    frozen: [],
    nodes: [],
    started: 0,
    withoutAnswers: unanswered.withoutAnswers,
    get isUnreachable() {
      return state.isUnreachable
    },
    set isUnreachable(value) {
      state.isUnreachable = value
    },
  }
  await addNode(run)
  return { run, engine }
}

async function runScript(script: readonly Step[]): Promise<readonly string[]> {
  const { run, engine } = await startRun()
  const { context, faults } = run
  for (const step of script) await act(run, step)
  await drain(run, engine)
  for (const frozen of run.frozen.splice(0)) await thaw(run, frozen, 0)
  const rows = await engine.read.all('select delivery_id, status from deliveries')
  const subjects = rows.map((row) => ({ account: 1, subject: String(row['delivery_id']) }))
  const facts = Map.groupBy(await findFactsBySubject(engine.read, subjects), ({ subject }) => subject)
  for (const row of rows) {
    const id = String(row['delivery_id'])
    const timeline = facts.get(id) ?? []
    const ends = timeline.filter((fact) => 'effect' in fact.data && fact.data.effect !== null)
    const isOnce = ends.length === 1 || (ends.length > 1 && (await isUncertain(context, id)))
    if (!isOnce || Number(row['status']) === 18) faults.push(`${id} has ${ends.length} ends and the status ${Number(row['status'])}`)
    const recorded = timeline.filter((fact) => fact.kind === 'attempt' && fact.data.code === 250).length
    if (recorded !== (run.accepted.get(id) ?? 0)) faults.push(`${id} was accepted ${run.accepted.get(id)} times, recorded ${recorded}`)
  }
  const bodies = await engine.read.one('select count(*) as n from queue_bodies')
  if (Number(bodies?.['n']) !== 0) faults.push('a body was left over')
  await engine.close()
  return faults
}

test('any order of replies, kills, store failures, commits without an answer and frozen nodes', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      expect(await runScript(script)).toEqual([])
    }),
    { numRuns: propertyRuns(8, 100), seed: 20_261_121 },
  )
}, 240_000)

/** A run whose node makes two attempts. */
async function startTwoAttempts(): Promise<{ readonly run: Run; readonly engine: Engine }> {
  const { run, engine } = await startRun()
  for (const step of [{ do: 'mail', n: 2 }, ...TICKS] as const) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(2)
  return { run, engine }
}

const TICKS: readonly Step[] = [{ do: 'tick' }, { do: 'tick' }, { do: 'tick' }]

const frozenCases = [
  // what happens after the take-over                      the second node sends, and records as unknown
  ['nothing', [], 0, 0],
  [
    'the first node returns with a 2xx',
    [
      { do: 'thaw', how: 0 },
      { do: 'wait', minutes: 6 },
    ],
    0,
    0,
  ],
  [
    'the first node returns with deferrals',
    [
      { do: 'thaw', how: 3 },
      { do: 'wait', minutes: 20 },
    ],
    2,
    0,
  ],
  ['the first node stays silent', [{ do: 'wait', minutes: 6 }], 2, 2],
] as const satisfies readonly (readonly [string, readonly Step[], number, number])[]

test.each(frozenCases)('a frozen node has time to report what it has sent: %s', async (_, after, sent, unknown) => {
  const { run, engine } = await startTwoAttempts()
  for (const step of [{ do: 'freeze' } as const, ...TICKS, ...after, ...TICKS]) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(sent)
  const row = await engine.read.one("select count(*) as n from events where kind = 'attempt' and data like '%unknown%'")
  expect(Number(row?.['n'])).toBe(unknown)
  await engine.close()
})

test('messages whose claim was committed without an answer are loaded again', async () => {
  const { run, engine } = await startRun()
  for (const step of [{ do: 'mail', n: 2 }, { do: 'unanswered' }, ...TICKS, ...TICKS] as const) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(2)
  await engine.close()
})

test('a transition of a backoff key whose commit was not answered is stored once, and delivery goes on', async () => {
  const { run, engine } = await startTwoAttempts()
  const node = nodeOf(run)
  reply(run, node, 0, refusedOutcome(550, '5.7.1 [192.0.2.1] is listed at zen.spamhaus.org'))
  await settle()
  const notified = node.loop.session.transitions.flatMap(({ affected }) => [0, ...affected]).length
  expect(notified).toBeGreaterThan(0)
  await act(run, { do: 'unanswered' })
  expect(node.loop.session.transitions).not.toEqual([])
  for (const step of [{ do: 'mail', n: 4 }, ...TICKS] as const) await act(run, step)
  expect(node.loop.session).toMatchObject({ transitions: [], updates: [], isStoreFailing: false })
  await expect.poll(() => node.pending.length).toBeGreaterThan(2)
  expect(await engine.read.one("select count(*) as n from events where kind = 'queue'")).toEqual({ n: notified })
  expect(await engine.read.one("select count(*) as n from events where kind = 'attempt'")).toEqual({ n: 1 })
  await engine.close()
})

test('messages whose mark was committed without an answer are marked no more, and are sent once', async () => {
  const { run, engine } = await startRun()
  for (const step of [{ do: 'mail', n: 2 }, { do: 'tick' }] as const) await act(run, step)
  await act(run, { do: 'unanswered' })
  expect(await countQueued(engine.read)).toMatchObject({ dispatched: 2 })
  expect(nodeOf(run).loop.session.awaitingMark).toEqual([])
  await tickNode(run, nodeOf(run))
  expect(await countQueued(engine.read)).toMatchObject({ dispatched: 0, waiting: 2 })
  for (const step of TICKS) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(2)
  expect(await engine.read.one("select count(*) as n from events where kind = 'attempt'")).toEqual({ n: 0 })
  await engine.close()
})

test('a late report that was read by a commit without an answer counts once', async () => {
  const { run, engine } = await startRun()
  const { session } = nodeOf(run).loop
  const report = { account: 1, id: run.context.ids.next(T0), kind: 'complaint', at: T0, laneGroup: 7 } as const
  await engine.tx((db) => addQueuedFeedbackForOperator(db, [report]))
  for (let ticks = 0; ticks < 2; ticks++) await act(run, { do: 'unanswered' })
  for (const step of TICKS) await act(run, step)
  const episode = session.queue.keyStates.get('account|1')?.episodes.get('list-quality')
  expect(Math.max(...(episode?.counts.map(({ hits }) => countInWindow(hits, run.clock.now)) ?? []))).toBe(1)
  expect(session.lateReports).toEqual([])
  expect(await engine.read.one('select count(*) as n from queue_reports')).toEqual({ n: 0 })
  await engine.close()
})

test('a late result whose commit was not answered reaches the next holder once', async () => {
  const { run, engine } = await startTwoAttempts()
  const frozen = nodeOf(run)
  for (const step of [{ do: 'freeze' } as const, ...TICKS]) await act(run, step)
  while (frozen.pending.length > 0) reply(run, frozen, 0, UNREACHABLE)
  await settle()
  await run.withoutAnswers(() => frozen.loop.tick())
  const countResults = async (): Promise<unknown> => (await engine.read.one('select count(*) as n from queue_late_results'))?.['n']
  expect(await countResults()).toBe(2)
  for (const step of TICKS) await act(run, step)
  expect(await countResults()).toBe(0)
  await frozen.loop.tick()
  expect(frozen.loop.session.updates).toEqual([])
  expect(await countResults()).toBe(0)
  await engine.close()
})

test('lane groups that were released by a commit without an answer are not used any more', async () => {
  const { run, engine } = await startRun()
  const node = nodeOf(run)
  for (const step of [...TICKS, { do: 'join' }] as const) await act(run, step)
  await run.withoutAnswers(() => tickNode(run, node))
  expect(node.loop.session.groups.size).toBe(64)
  const held = await engine.read.all('select lane_group from queue_groups where node = $1', [node.name])
  expect(held).toHaveLength(32)
  // No poll is due.
  await node.loop.tick()
  expect(node.loop.session.groups).toEqual(new Set(held.map((row) => Number(row['lane_group']))))
  await engine.close()
})

test('the result of a command whose commit was not answered is stored once', async () => {
  const { run, engine } = await startRun()
  const commandId = run.context.ids.next(T0)
  for (const step of [{ do: 'mail', n: 3 }, ...TICKS] as const) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(3)
  while (nodeOf(run).pending.length > 0) reply(run, nodeOf(run), 0, UNREACHABLE)
  await settle()
  await tickNode(run, nodeOf(run))
  const command = { kind: 'delete', account: 1, domain: null, from: 0, until: run.clock.now + 90 * MINUTE } as const
  const base = { actor: 'user', createdAt: T0, settledAt: null, moved: 0, deleted: 0, said: null } as const
  await engine.tx((db) => addQueueCommand(db, { ...base, account: 1, commandId, command, state: 'waiting' }))
  await act(run, { do: 'unanswered' })
  for (const step of TICKS) await act(run, step)
  expect(await findQueueCommand(engine.read, 1, commandId)).toMatchObject({ state: 'done', deleted: 3 })
  expect(nodeOf(run).loop.session).toMatchObject({ commandResults: [], endedUpdates: [], isStoreFailing: false })
  expect((await countQueued(engine.read)).waiting).toBe(0)
  await engine.close()
})

test('a node that restarts under its name waits for nobody', async () => {
  const { run, engine } = await startTwoAttempts()
  for (const step of [{ do: 'kill', inTick: false } as const, ...TICKS]) await act(run, step)
  await expect.poll(() => nodeOf(run).pending).toHaveLength(2)
  await engine.close()
})
