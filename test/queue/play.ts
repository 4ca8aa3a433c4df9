/**
 * play - a virtual world for the queue's property tests: it drives a queue by a seed, and writes down all that is said
 *
 * It knows the queue only by its functions and its events; what it checks it works out from those alone.
 */
import { applyAttemptResult, applyLaterReport } from '../../src/queue/schedule/attempt-result.ts'
import { destinationKeys, egressKeys, type BackoffKeyId, BACKOFF_KEYS, type EgressRoute } from '../../src/queue/backoff/backoff-key.ts'
import type { AttemptResult, Dispatch, QueueMessage, QueueEvent, KeyTransition } from '../../src/queue/message.ts'
import type { BackoffClassName } from '../../src/queue/backoff/backoff-classes.ts'
import { type BackoffPolicy, BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { rerouteMessage } from '../../src/queue/schedule/reroute.ts'
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

/** All keys that cover a delivery. */
export const keysOf = (to: EgressRoute): BackoffKeyId[] => [...destinationKeys(to), ...egressKeys(to)]

export type Script = {
  readonly seed: number
  readonly ips: number
  readonly mails: number
  /** How many happenings before the weather clears. */
  readonly steps: number
  /** Share of answers that refuse, from 0 to 1. */
  readonly trouble: number
  readonly policy?: BackoffPolicy
  /** Save and load at every so many steps; 0: never. */
  readonly reload: number
  readonly operator: boolean
  /** Attempts at once that are shared out; not given: they are not. */
  readonly lines?: number
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
  dice: number
  offered: number
  readonly pending: Pending[]
  readonly log: string[]
  readonly faults: string[]
  readonly ended: Map<string, string>
  readonly all: Set<string>
  /** The last transition of each key and class. */
  readonly last: Map<string, KeyTransition>
  readonly manual: Map<BackoffKeyId, number>
  /** Manual pauses that were there, by key; and every mail that was offered. */
  readonly pauses: { readonly key: BackoffKeyId; readonly from: number; until: number }[]
  readonly mails: Map<string, QueueMessage>
  /** Probes handed out since PROBING began, less those that were given back; and those in flight. */
  readonly probes: Map<string, { sent: number; out: number; epoch: number }>
}

function draw(world: World): number {
  world.dice += 1
  return seededRandom(world.script.seed, world.dice, 99)
}

const pick = <T>(world: World, from: readonly T[]): T => from[Math.floor(draw(world) * from.length)] as T

export function mailOf(id: string, now: number, to: Partial<QueueMessage> = {}): QueueMessage {
  const plain = { account: 1, domain: 'example.com', senderDomain: 'example.net', site: 'big', gateway: false, mxSet: 'mx.example.com' }
  return { ...plain, id, acceptedAt: now, attempts: 0, dueAt: 0, ...to }
}

function submit(world: World): void {
  const id = `m${(world.offered += 1)}`
  const site = pick(world, SITES)
  const domain = site.includes('.') ? site : `${pick(world, ['a', 'b', 'c'])}.${site}.example`
  const mail = mailOf(id, world.now, {
    account: pick(world, [1, 2]),
    domain,
    senderDomain: pick(world, ['s1.example', 's2.example']),
    site,
    gateway: site === 'gate',
    mxSet: `mx.${domain}`,
  })
  world.all.add(id)
  world.mails.set(id, mail)
  if (!enqueue(world.queue, mail, world.now)) world.faults.push(`${id} was not taken`)
  if (enqueue(world.queue, mail, world.now)) world.faults.push(`${id} was taken twice`)
}

/** Reads events: keeps the model, and checks what each may say. */
function read(world: World, events: readonly QueueEvent[], answered: Dispatch | null): void {
  for (const event of events) {
    world.log.push(JSON.stringify(event))
    if (event.kind === 'mail.ended') {
      if (world.ended.has(event.mailId)) world.faults.push(`${event.mailId} ended twice`)
      world.ended.set(event.mailId, event.end)
      if (event.end === 'given-up') checkGivenUp(world, event.mailId, event.at)
    } else if (event.kind === 'queue.manual') {
      const key =
        event.domain === null ? BACKOFF_KEYS.manualAll(event) : BACKOFF_KEYS.manual({ account: event.account, domain: event.domain })
      const open = world.pauses.find((pause) => pause.key === key && pause.until === Infinity)
      if (event.ended) world.manual.delete(key)
      else world.manual.set(key, event.until ?? 0)
      if (event.ended && open !== undefined) open.until = event.at
      else if (!event.ended && open === undefined) world.pauses.push({ key, from: event.at, until: Infinity })
    } else if (event.kind !== 'mail.deferred' && event.kind !== 'recall') readTransition(world, event, answered)
  }
}

/** The longest rest: what would be tried again only when it is too old ends at its last attempt. */
const LONGEST_REST = DAY

/** A mail ends only after its time, and minutes under a manual pause are none of it. */
function checkGivenUp(world: World, id: string, at: number): void {
  const mail = world.mails.get(id)
  if (mail === undefined) return
  const keys = destinationKeys(mail)
  const pauses = world.pauses.filter(({ key }) => keys.includes(key)).toSorted((a, b) => a.from - b.from)
  let [free, counted] = [0, mail.acceptedAt]
  for (const { from, until } of pauses) {
    if (until === Infinity) world.faults.push(`${id} was given up under a manual pause`)
    free += Math.max(0, Math.min(from, at) - counted)
    counted = Math.max(counted, Math.min(until, at))
  }
  if (free + at - counted < GIVE_UP - LONGEST_REST) world.faults.push(`${id} was given up before its time`)
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
  // From PROBING with the same n: silence, which is time's doing and no answer's.
  const isSilence = event.from === 'probing' && event.n === before?.n
  const isEscalation = event.to === 'throttled' || (event.to === 'paused' && !isSilence)
  if (isEscalation && answered !== null && answered.number <= (before?.epoch ?? 0))
    world.faults.push(`${name}: an answer of an older epoch moved it`)
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
  if (world.pending.some((one) => one.dispatch.mailId === dispatch.mailId)) world.faults.push(`${dispatch.mailId} is out twice`)
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
      if (!dispatch.probe) world.faults.push(`${name}: a probe that does not say so`)
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

/** A probe that nobody saw counts as not sent; one that was answered is in. */
function settleProbes(world: World, dispatch: Dispatch, heard: AttemptResult): void {
  for (const key of keysOf(dispatch)) {
    for (const event of classesAt(world, key)) {
      const probes = world.probes.get(`${event.key} ${event.class}`)
      if (probes === undefined || dispatch.number <= probes.epoch) continue
      probes.out -= 1
      if (heard.kind === 'recalled' || heard.kind === 'unreachable') probes.sent -= 1
      else if (event.class === 'network' && heard.kind === 'refused' && heard.pause === 'network') probes.sent -= 1
    }
  }
}

function hear(world: World, heardOf: (dispatch: Dispatch) => AttemptResult): void {
  const place = Math.floor(draw(world) * world.pending.length)
  const [pending] = world.pending.splice(place, 1)
  if (pending === undefined) return
  const heard = heardOf(pending.dispatch)
  settleProbes(world, pending.dispatch, heard)
  read(world, applyAttemptResult(world.queue, pending.dispatch.number, heard, world.now), pending.dispatch)
  if (applyAttemptResult(world.queue, pending.dispatch.number, heard, world.now).length > 0) world.faults.push('an answer was heard twice')
}

const CLEAN: AttemptResult = { kind: 'accepted' }

/** Each run has a trouble of its own: else no class would be heard often enough to trip. */
function kindsOf({ seed }: Script): readonly Refused[] {
  return REFUSALS.filter((_, i) => i === seed % REFUSALS.length || i === (seed >> 5) % REFUSALS.length)
}

function anyAnswer(world: World): AttemptResult {
  if (draw(world) >= world.script.trouble) return CLEAN
  const kind = pick(world, draw(world) < 0.85 ? kindsOf(world.script) : REFUSALS)
  const statedDelayMs = draw(world) < 0.1 ? Math.floor(draw(world) * HOUR) : undefined
  return refusal(kind, { zone: 'Asia/Shanghai', final: draw(world) < 0.2, ...(statedDelayMs === undefined ? {} : { statedDelayMs }) })
}

function command(world: World): void {
  const account = pick(world, [1, 2])
  const domain = pick(world, [null, 'small.example', 'a.big.example'])
  const how = pick(world, ['immediate', 'probe'] as const)
  const { queue, now } = world
  const asked = pick(world, [
    () =>
      applyCommand(
        queue,
        {
          kind: 'pause',
          account,
          domain,
          until: draw(world) < 0.5 ? null : now + Math.ceil(draw(world) * 15 * DAY),
          after15Days: pick(world, ['keep', 'delete'] as const),
        },
        now,
      ),
    () => applyCommand(queue, { kind: 'recover', account, domain, how }, now),
    () => applyCommand(queue, { kind: 'delete', account, domain, from: now - MINUTE, until: now }, now),
    () => applyCommand(queue, { kind: 'rate', account, domain: 'small.example', perMinute: pick(world, [null, 5, 600]) }, now),
    () => applyCommand(queue, { kind: 'warm-up', egressIp: '192.0.2.1', startedAt: pick(world, [null, now]) }, now),
    () =>
      rerouteMessage(
        queue,
        `m${1 + Math.floor(draw(world) * world.offered)}`,
        { site: 'gate', gateway: true, mxSet: 'mx.elsewhere.example' },
        now,
      ),
    () => applyLaterReport(queue, { kind: pick(world, ['complaint', 'not-exist'] as const), account }, now),
  ])
  read(world, asked(), null)
}

function stepOf(world: World): void {
  const what = draw(world)
  if (what < 0.25 && world.offered < world.script.mails) submit(world)
  else if (what < 0.5) pump(world, Math.floor(draw(world) * 8))
  else if (what < 0.85) hear(world, () => anyAnswer(world))
  else if (what < 0.97) world.now += Math.floor(draw(world) ** 6 * (draw(world) < 0.05 ? 6 * DAY : 3 * HOUR))
  else if (what < 0.99 && world.script.operator) command(world)
  else if (what < 0.993 && world.script.operator) crash(world)
}

/** The process ends, and another goes on with what was stored. */
function crash(world: World): void {
  world.queue = loadQueue(saveQueue(world.queue), world.queue.policy)
  for (const { dispatch } of world.pending.splice(0)) settleProbes(world, dispatch, { kind: 'recalled' })
  read(world, recallAll(world.queue, world.now), null)
}

/** From now on all is well: only clean answers, no operator, time goes where the queue says. */
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
      hear(world, () => CLEAN)
      continue
    }
    const wake = nextWakeAt(world.queue, world.now)
    if (wake === null) return
    world.now = Math.max(wake, world.now + 1)
  }
}

/** Plays a script to its end. */
export function play(script: Script): Played {
  const pool = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].slice(0, script.ips)
  const policy = script.policy ?? BACKOFF_POLICIES.default
  const world: World = {
    script,
    queue: createQueue({
      policy,
      seed: script.seed,
      pools: { '*': pool },
      ...(script.lines === undefined ? {} : { maxInFlight: script.lines }),
    }),
    now: T0,
    dice: 0,
    offered: 0,
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

/** Nothing is lost, and every key is home. */
function checkEnd(world: World): void {
  for (const id of world.all) if (!world.ended.has(id)) world.faults.push(`${id} was lost`)
  if (world.queue.entries.size > 0) world.faults.push('mail is left')
  for (const [name, event] of world.last) {
    if (event.to !== 'active') world.faults.push(`${name} ended ${event.to}`)
  }
  for (const gate of world.queue.keyStates.values()) {
    for (const episode of gate.episodes.values())
      if (episode.rung !== null) world.faults.push(`${gate.id} is still on rung ${episode.rung}`)
  }
}

/** All mails answered by one function, until the queue is empty or the time is up: for tests of one thing. */
export function runUntil(
  queue: Queue,
  from: number,
  until: number,
  heard: (dispatch: Dispatch, now: number) => AttemptResult,
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
      events.push(...applyAttemptResult(queue, first.dispatch.number, heard(first.dispatch, now), now))
    }
  }
  return { now, events, dispatches }
}

export const GIVE_UP = RETRY_SCHEDULES.default.giveUpMs

export const transitionsOf = (events: readonly QueueEvent[], name?: BackoffClassName): KeyTransition[] =>
  events.flatMap((event) => ('class' in event && (name === undefined || event.class === name) ? [event] : []))
