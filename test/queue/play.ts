/**
 * play - drives a queue by a seed for the property tests, and checks every dispatch and event against a model of its own
 *
 * The model knows the queue only by its functions and events.
 */
import { applyAttemptResult, applyLaterReport } from '../../src/queue/schedule/attempt-result.ts'
import {
  destinationKeys,
  egressKeys,
  formatKey,
  labelKeys,
  type BackoffKeyId,
  BACKOFF_KEYS,
  type EgressRoute,
} from '../../src/queue/backoff/backoff-key.ts'
import type { AttemptResult, Dispatch, QueueMessage, QueueEvent, KeyTransition } from '../../src/queue/message.ts'
import type { BackoffClassName } from '../../src/queue/backoff/backoff-classes.ts'
import { type BackoffPolicy, BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { rerouteMessage } from '../../src/queue/schedule/reroute.ts'
import type { OperatorCommand } from '../../src/queue/schedule/operator-commands.ts'
import { createQueue, nextDispatchBatch, nextWakeAt, enqueue, applyCommand, type Queue } from '../../src/queue/queue.ts'
import { seededRandom } from '../../src/queue/schedule/seeded-random.ts'
import { loadQueue, recallAll, saveQueue } from './saving.ts'
import { RETRY_SCHEDULES } from '../../src/queue/schedule/retry.ts'

export const T0 = Date.UTC(2026, 2, 27)
export const MINUTE = 60_000
export const HOUR = 3_600_000
export const DAY = 86_400_000

const SITES = ['big', 'gate', 'small.example', 'other.example'] as const
const REFUSALS = [
  'ip-reputation',
  'ip-blocklist',
  'deferred-for-good',
  'domain-rate',
  'domain-quota-day',
  'ip-rate',
  'connection-frequency',
  'network',
  'greylist',
  'busy',
  'content',
  'recipient',
  'unknown',
  'not-exist',
  'dns',
  'connect',
  'dropped',
  'recalled',
] as const

export type Refused = (typeof REFUSALS)[number]

export const refusal = (kind: Refused, more: { statedDelayMs?: number; zone?: string; final?: boolean } = {}): AttemptResult => {
  if (kind === 'recalled') return { kind: 'recalled' }
  if (kind === 'dns' || kind === 'connect' || kind === 'dropped') return { kind: 'unreachable', how: kind, text: 'no answer' }
  const base = {
    kind: 'refused',
    code: 421,
    text: `421 ${kind}`,
    statedDelayMs: more.statedDelayMs ?? null,
    zone: more.zone ?? null,
  } as const
  if (kind === 'not-exist') return { ...base, code: 550, reason: 'not-exist', pause: 'recipient', deferral: false }
  if (kind === 'unknown') return { ...base, reason: 'other', pause: null, deferral: true }
  return { ...base, reason: 'rate-limited', pause: kind, deferral: more.final !== true }
}

/** All keys that cover a dispatch. */
export const keysOf = (to: EgressRoute): BackoffKeyId[] => [...destinationKeys(to), ...egressKeys(to, false)]

export type Script = {
  readonly seed: number
  readonly ips: number
  readonly mails: number
  /** Random steps before everything is accepted. */
  readonly steps: number
  /** The share of refusals, from 0 to 1. */
  readonly refusalShare: number
  readonly policy?: BackoffPolicy
  /** Saves and loads after every this many steps; 0: never. */
  readonly reload: number
  readonly operator: boolean
  /** Connection slots that are shared out; absent: not shared out. */
  readonly slots?: number
}

export type Played = {
  readonly queue: Queue
  readonly log: string[]
  readonly ended: Map<string, string>
  readonly now: number
  readonly faults: string[]
}

type Pending = { readonly at: number; readonly dispatch: Dispatch }

type World = {
  readonly script: Script
  queue: Queue
  now: number
  draws: number
  submitted: number
  readonly pending: Pending[]
  readonly log: string[]
  readonly faults: string[]
  readonly ended: Map<string, string>
  readonly all: Set<string>
  /** The last transition of each key and class. */
  readonly last: Map<string, KeyTransition>
  readonly manual: Map<BackoffKeyId, number>
  /** All manual pauses by key, and all messages. */
  readonly pauses: { readonly key: BackoffKeyId; readonly from: number; until: number }[]
  readonly mails: Map<string, QueueMessage>
  /** Probes sent since PROBING was entered, without the returned ones; and those in flight. */
  readonly probes: Map<string, { sent: number; out: number; epoch: number }>
}

function draw(world: World): number {
  world.draws += 1
  return seededRandom(world.script.seed, world.draws, 99)
}

const pick = <T>(world: World, from: readonly T[]): T => from[Math.floor(draw(world) * from.length)] as T

export function mailOf(id: string, now: number, to: Partial<QueueMessage> = {}): QueueMessage {
  const plain = { account: 1, domain: 'example.com', senderDomain: 'example.net', site: 'big', gateway: false, mxSet: 'mx.example.com' }
  return { ...plain, id, acceptedAt: now, attempts: 0, dueAt: 0, ...to }
}

/** The members of a message with a send time. */
export const sentAt = (at: number, requestedAt: number): Pick<QueueMessage, 'acceptedAt' | 'requestedAt' | 'dueAt'> => ({
  acceptedAt: at,
  requestedAt,
  dueAt: at,
})

function submit(world: World): void {
  const id = `m${(world.submitted += 1)}`
  const site = pick(world, SITES)
  const domain = site.includes('.') ? site : `${pick(world, ['a', 'b', 'c'])}.${site}.example`
  const mail = mailOf(id, world.now, {
    account: pick(world, [1, 2]),
    domain,
    senderDomain: pick(world, ['s1.example', 's2.example']),
    site,
    gateway: site === 'gate',
    mxSet: `mx.${domain}`,
    ...pick(world, [{}, { label: 1 }, { label: 2 }]),
    ...(draw(world) < 0.3 ? { isBatch: true as const } : {}),
    ...(draw(world) < 0.2 ? sentAt(world.now + Math.floor(draw(world) ** 3 * 10 * DAY), world.now) : {}),
  })
  world.all.add(id)
  world.mails.set(id, mail)
  if (!enqueue(world.queue, mail, world.now)) world.faults.push(`${id} was not enqueued`)
  if (enqueue(world.queue, mail, world.now)) world.faults.push(`${id} was enqueued twice`)
}

/** Updates the model by events, and checks each of them. */
function read(world: World, events: readonly QueueEvent[], answered: Dispatch | null): void {
  for (const event of events) {
    world.log.push(JSON.stringify(event))
    if (event.kind === 'mail.ended') {
      if (world.ended.has(event.mailId)) world.faults.push(`${event.mailId} ended twice`)
      world.ended.set(event.mailId, event.end)
      if (event.end === 'given-up') checkGivenUp(world, event.mailId, event.at)
    } else if (event.kind === 'queue.manual') {
      const key = formatKey({ ...event, kind: 'manual' })
      const open = world.pauses.find((pause) => pause.key === key && pause.until === Infinity)
      if (event.ended) world.manual.delete(key)
      else world.manual.set(key, event.until ?? 0)
      if (event.ended && open !== undefined) open.until = event.at
      else if (!event.ended && open === undefined) world.pauses.push({ key, from: event.at, until: Infinity })
    } else if (event.kind !== 'mail.deferred' && event.kind !== 'recall') readTransition(world, event, answered)
  }
}

/** The longest retry delay. A message that would be retried only after its lifetime ends at its last attempt. */
const LONGEST_REST = DAY

/** A message expires only after its lifetime, to which time under a manual pause does not count. */
function checkGivenUp(world: World, id: string, at: number): void {
  const mail = world.mails.get(id)
  if (mail === undefined) return
  const keys = [...destinationKeys(mail), ...labelKeys(mail)]
  const pauses = world.pauses.filter(({ key }) => keys.includes(key)).toSorted((a, b) => a.from - b.from)
  let [agedMs, countedUntil] = [0, mail.acceptedAt]
  for (const { from, until } of pauses) {
    if (until === Infinity) world.faults.push(`${id} was given up under a manual pause`)
    agedMs += Math.max(0, Math.min(from, at) - countedUntil)
    countedUntil = Math.max(countedUntil, Math.min(until, at))
  }
  if (agedMs + at - countedUntil < GIVE_UP - LONGEST_REST) world.faults.push(`${id} was given up before its time`)
}

function readTransition(world: World, event: KeyTransition, answered: Dispatch | null): void {
  const name = `${event.key} ${event.class}`
  const before = world.last.get(name)
  if (event.from !== (before?.to ?? 'active')) world.faults.push(`${name} came from ${event.from}, was ${before?.to}`)
  if (before !== undefined && event.n < before.n) {
    const isForgotten = before.to === 'active' && event.at - before.at >= DAY
    if (!isForgotten) world.faults.push(`${name}: n fell from ${before.n} to ${event.n}`)
  }
  if (before !== undefined && event.epoch <= before.epoch) world.faults.push(`${name}: the epoch did not rise`)
  // From PROBING with the same n: the probe timed out. No result caused it.
  const isSilence = event.from === 'probing' && event.n === before?.n
  const isEscalation = event.to === 'throttled' || (event.to === 'paused' && !isSilence)
  if (isEscalation && answered !== null && answered.number <= (before?.epoch ?? 0))
    world.faults.push(`${name}: the result of an older epoch changed it`)
  if (event.to === 'probing') {
    if (before?.to !== 'paused') world.faults.push(`${name}: probing after ${before?.to}`)
    if (event.by === 'queue' && event.at < (before?.nextSendingAt ?? Infinity)) world.faults.push(`${name}: probed before its time`)
    world.probes.set(name, { sent: 0, out: 0, epoch: event.epoch })
  } else world.probes.delete(name)
  if (event.evidence.length > 5) world.faults.push(`${name}: too much evidence`)
  world.last.set(name, event)
}

function classesAt(world: World, key: BackoffKeyId): KeyTransition[] {
  return [...world.last.values()].filter((event) => event.key === key)
}

function checkDispatch(world: World, dispatch: Dispatch): void {
  if (world.ended.has(dispatch.mailId)) world.faults.push(`${dispatch.mailId} was sent after its end`)
  if (world.pending.some((one) => one.dispatch.mailId === dispatch.mailId)) world.faults.push(`${dispatch.mailId} is in flight twice`)
  if (world.now < (world.mails.get(dispatch.mailId)?.dueAt ?? 0)) world.faults.push(`${dispatch.mailId} was sent before its send time`)
  for (const key of labelKeys(world.mails.get(dispatch.mailId) ?? dispatch))
    if (world.manual.has(key)) world.faults.push(`sent under the pause of a label ${key}`)
  for (const key of keysOf(dispatch)) {
    if (world.manual.has(key)) world.faults.push(`sent under the manual pause ${key}`)
    for (const event of classesAt(world, key)) {
      const name = `${event.key} ${event.class}`
      if (event.to === 'paused') world.faults.push(`sent while ${name} is paused`)
      if (event.to !== 'probing') continue
      const probes = world.probes.get(name)
      if (probes === undefined) continue
      probes.sent += 1
      probes.out += 1
      if (probes.sent > 5) world.faults.push(`${name}: more than a batch`)
      if (probes.out > 1) world.faults.push(`${name}: two probes at once`)
      if (!dispatch.probe) world.faults.push(`${name}: a probe that is not marked as one`)
    }
  }
}

function pump(world: World, capacity: number): void {
  const { dispatches, events } = nextDispatchBatch(world.queue, world.now, capacity)
  read(world, events, null)
  if (dispatches.length > capacity) world.faults.push('more than the capacity')
  for (const dispatch of dispatches) {
    world.log.push(`${dispatch.number} ${dispatch.mailId} ${dispatch.egressIp} ${dispatch.at}`)
    checkDispatch(world, dispatch)
    world.pending.push({ at: world.now + 100 + Math.floor(draw(world) * 3_000), dispatch })
  }
}

/** Updates the model of the probes. A probe that the provider did not see counts as not sent. */
function settleProbes(world: World, dispatch: Dispatch, result: AttemptResult): void {
  for (const key of keysOf(dispatch)) {
    for (const event of classesAt(world, key)) {
      const probes = world.probes.get(`${event.key} ${event.class}`)
      if (probes === undefined || dispatch.number <= probes.epoch) continue
      probes.out -= 1
      if (result.kind === 'recalled' || result.kind === 'unreachable') probes.sent -= 1
      else if (event.class === 'network' && result.kind === 'refused' && result.pause === 'network') probes.sent -= 1
    }
  }
}

function takeResult(world: World, resultOf: (dispatch: Dispatch) => AttemptResult): void {
  const place = Math.floor(draw(world) * world.pending.length)
  const [pending] = world.pending.splice(place, 1)
  if (pending === undefined) return
  const result = resultOf(pending.dispatch)
  settleProbes(world, pending.dispatch, result)
  read(world, applyAttemptResult(world.queue, pending.dispatch.number, result, world.now), pending.dispatch)
  if (applyAttemptResult(world.queue, pending.dispatch.number, result, world.now).length > 0)
    world.faults.push('a result was applied twice')
}

const CLEAN: AttemptResult = { kind: 'accepted' }

/** Each run prefers two kinds of refusals, so that their classes trip. */
function kindsOf({ seed }: Script): readonly Refused[] {
  return REFUSALS.filter((_, i) => i === seed % REFUSALS.length || i === (seed >> 5) % REFUSALS.length)
}

function anyAnswer(world: World): AttemptResult {
  if (draw(world) >= world.script.refusalShare) return CLEAN
  const kind = pick(world, draw(world) < 0.85 ? kindsOf(world.script) : REFUSALS)
  const statedDelayMs = draw(world) < 0.1 ? Math.floor(draw(world) * HOUR) : undefined
  return refusal(kind, { zone: 'Asia/Shanghai', final: draw(world) < 0.2, ...(statedDelayMs === undefined ? {} : { statedDelayMs }) })
}

function command(world: World): void {
  const account = pick(world, [1, 2])
  const domain = pick(world, [null, 'small.example', 'a.big.example'])
  const label = pick(world, [undefined, 1, 2])
  const ofLabel = label === undefined ? {} : { label }
  const accepted = { from: world.now - MINUTE, until: world.now }
  const how = pick(world, ['immediate', 'probe'] as const)
  const { queue, now } = world
  const runCommand = pick(world, [
    () =>
      applyCommand(
        queue,
        {
          kind: 'pause',
          account,
          domain,
          ...ofLabel,
          until: draw(world) < 0.5 ? null : now + Math.ceil(draw(world) * 15 * DAY),
          after15Days: pick(world, ['keep', 'delete'] as const),
        },
        now,
      ),
    () => applyCommand(queue, { kind: 'recover', account, domain, ...ofLabel, how }, now),
    () => deleteRecent(world, { kind: 'delete', account, domain: null, message: `m${1 + Math.floor(draw(world) * world.submitted)}` }),
    () => deleteRecent(world, { kind: 'delete', account, domain, ...(label === undefined ? accepted : { label, accepted }) }),
    () => applyCommand(queue, { kind: 'rate', account, domain: 'small.example', perMinute: pick(world, [null, 5, 600]) }, now),
    () => applyCommand(queue, { kind: 'warm-up', egressIp: '192.0.2.1', startedAt: pick(world, [null, now]) }, now),
    () =>
      rerouteMessage(
        queue,
        `m${1 + Math.floor(draw(world) * world.submitted)}`,
        { site: 'gate', gateway: true, mxSet: 'mx.elsewhere.example' },
        now,
      ),
    () => applyLaterReport(queue, { kind: pick(world, ['complaint', 'not-exist'] as const), account }, now),
  ])
  read(world, runCommand(), null)
}

const ALWAYS = { from: -Infinity, until: Infinity }

/** Deletes messages, and checks that they are those that the command names, as many as wait. */
function deleteRecent(world: World, order: Extract<OperatorCommand, { kind: 'delete' }>): QueueEvent[] {
  const label = 'label' in order ? order.label : null
  const inFlight = new Set(world.pending.map(({ dispatch }) => dispatch.mailId))
  const { from, until } = 'label' in order ? order.accepted : 'message' in order ? ALWAYS : order
  const named = [...world.mails.values()].filter(
    (mail) =>
      mail.account === order.account &&
      (order.domain === null || mail.domain === order.domain) &&
      (label === null || mail.label === label) &&
      (!('message' in order) || mail.id === order.message) &&
      (mail.requestedAt ?? mail.acceptedAt) >= from &&
      (mail.requestedAt ?? mail.acceptedAt) < until &&
      !world.ended.has(mail.id) &&
      !inFlight.has(mail.id),
  )
  const events = applyCommand(world.queue, order, world.now)
  const deleted = events.flatMap((event) => (event.kind === 'mail.ended' && event.end === 'deleted' ? [event.mailId] : []))
  if (
    deleted.toSorted().join() !==
    named
      .map(({ id }) => id)
      .toSorted()
      .join()
  )
    world.faults.push(`deleted ${deleted.join()}`)
  return events
}

function stepOf(world: World): void {
  const what = draw(world)
  if (what < 0.25 && world.submitted < world.script.mails) submit(world)
  else if (what < 0.5) pump(world, Math.floor(draw(world) * 8))
  else if (what < 0.85) takeResult(world, () => anyAnswer(world))
  else if (what < 0.97) world.now += Math.floor(draw(world) ** 6 * (draw(world) < 0.05 ? 6 * DAY : 3 * HOUR))
  else if (what < 0.99 && world.script.operator) command(world)
  else if (what < 0.993 && world.script.operator) crash(world)
}

/** The process ends, and another continues with the stored state. */
function crash(world: World): void {
  world.queue = loadQueue(saveQueue(world.queue), world.queue.policy)
  for (const { dispatch } of world.pending.splice(0)) settleProbes(world, dispatch, { kind: 'recalled' })
  read(world, recallAll(world.queue, world.now), null)
}

/** Accepts everything from now on, without operator commands, and moves the clock where the queue says, until the queue is empty. */
function clear(world: World): void {
  for (const key of world.manual.keys())
    read(world, applyCommand(world.queue, { kind: 'recover-key', key, how: 'immediate' }, world.now), null)
  for (const account of [1, 2]) {
    const key = BACKOFF_KEYS.account({ account })
    read(world, applyCommand(world.queue, { kind: 'recover-key', key, how: 'immediate' }, world.now), null)
  }
  for (let i = 0; ; i++) {
    if (i > 100_000) {
      world.faults.push('it never ends')
      return
    }
    pump(world, Math.max(0, 8 - world.pending.length))
    if (world.pending.length > 0) {
      world.now = Math.max(world.now, Math.min(...world.pending.map(({ at }) => at)))
      takeResult(world, () => CLEAN)
      continue
    }
    const wake = nextWakeAt(world.queue, world.now)
    if (wake === null) return
    world.now = Math.max(wake, world.now + 1)
  }
}

/** Runs a script to its end. */
export function play(script: Script): Played {
  const pool = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].slice(0, script.ips)
  const policy = script.policy ?? BACKOFF_POLICIES.default
  const world: World = {
    script,
    queue: createQueue({
      policy,
      seed: script.seed,
      pools: { '*': pool.map((ip, i) => ({ ip, weight: (script.seed + i) % 4 })) },
      ...(script.slots === undefined ? {} : { maxInFlight: script.slots }),
    }),
    now: T0,
    draws: 0,
    submitted: 0,
    pending: [],
    log: [],
    faults: [],
    ended: new Map(),
    all: new Set(),
    last: new Map(),
    manual: new Map(),
    pauses: [],
    mails: new Map(),
    probes: new Map(),
  }
  for (let i = 1; i <= script.steps; i++) {
    stepOf(world)
    if (script.reload > 0 && i % script.reload === 0) world.queue = loadQueue(saveQueue(world.queue), policy)
  }
  clear(world)
  checkEnd(world)
  return { queue: world.queue, log: world.log, ended: world.ended, now: world.now, faults: world.faults }
}

/** Checks that no message is lost and every key is active. */
function checkEnd(world: World): void {
  for (const id of world.all) if (!world.ended.has(id)) world.faults.push(`${id} was lost`)
  if (world.queue.entries.size + world.queue.scheduled.size > 0) world.faults.push('messages are left')
  for (const [name, event] of world.last) {
    if (event.to !== 'active') world.faults.push(`${name} ended ${event.to}`)
  }
  for (const keyState of world.queue.keyStates.values()) {
    for (const episode of keyState.episodes.values())
      if (episode.rung !== null) world.faults.push(`${keyState.id} is still on rung ${episode.rung}`)
  }
}

/** Runs a queue with one function that gives all results, until the queue is empty or the time is over. */
export function runUntil(
  queue: Queue,
  from: number,
  until: number,
  result: (dispatch: Dispatch, now: number) => AttemptResult,
): { now: number; events: QueueEvent[]; dispatches: Dispatch[] } {
  const events: QueueEvent[] = []
  const dispatches: Dispatch[] = []
  const pending: Pending[] = []
  let now = from
  while (now < until) {
    const sent = nextDispatchBatch(queue, now, 10 - pending.length)
    events.push(...sent.events)
    dispatches.push(...sent.dispatches)
    for (const dispatch of sent.dispatches) pending.push({ at: now + 500, dispatch })
    const wake = pending.length < 10 ? nextWakeAt(queue, now) : null
    const next = Math.min(pending[0]?.at ?? Infinity, wake === null ? Infinity : Math.max(wake, now + 1))
    if (next === Infinity) break
    now = next
    for (let first = pending[0]; first !== undefined && first.at <= now; first = pending[0]) {
      pending.shift()
      events.push(...applyAttemptResult(queue, first.dispatch.number, result(first.dispatch, now), now))
    }
  }
  return { now, events, dispatches }
}

export const GIVE_UP = RETRY_SCHEDULES.default.giveUpMs

export const transitionsOf = (events: readonly QueueEvent[], name?: BackoffClassName): KeyTransition[] =>
  events.flatMap((event) => ('class' in event && (name === undefined || event.class === name) ? [event] : []))
