/**
 * operator-commands - what an operator may do to a queue: pause, recover, delete, set a rate, begin a warm-up
 *
 * Each command says what moved; the caller writes the audit. A manual pause is an overlay of at most 15 days beside the states: when it
 * ends, the state underneath goes on; without an end of its own, its mail is kept or deleted after 15 days, as it was asked.
 *
 * Mutates the stock that it is given. See also: queue/queue (`operate`), queue/backoff/backoff (recover).
 */
import { Fault } from '../../errors.ts'
import { accountsBehind } from '../observe/affected-accounts.ts'
import { remember } from './hold-time.ts'
import { gateOf, passGate, put, setGateTimer, turnOf, waitingFor } from '../backoff/key-state.ts'
import { KEYS, kindOf, type KeyId } from '../backoff/backoff-key.ts'
import { endMail } from './lane.ts'
import type { QueueEvent } from '../message.ts'
import { recover } from '../backoff/backoff.ts'
import type { Gate, Lane, Stock } from '../queue-state.ts'
import { dayOf } from '../backoff/warm-up.ts'

export const LONGEST_MANUAL_PAUSE = 15 * 86_400_000

type How = 'immediate' | 'probe'

export type Command =
  /** An overlay beside the states; at most 15 days, and so long where no end is given. */
  | {
      readonly kind: 'pause'
      readonly account: number
      readonly domain: string | null
      readonly until: number | null
      readonly after15Days: 'keep' | 'delete'
    }
  /**
   * Every pause that covers the account's mail to the domain (null: to all), the overlay included. `onlyOwn`: an account asks for itself,
   * and does not open what protects others from it (see {@link sharedKeys}).
   */
  | { readonly kind: 'recover'; readonly account: number; readonly domain: string | null; readonly how: How; readonly onlyOwn?: true }
  | { readonly kind: 'recover-key'; readonly key: KeyId; readonly how: How }
  /** Waiting mail that was accepted in [from, until). */
  | { readonly kind: 'delete'; readonly account: number; readonly domain: string | null; readonly from: number; readonly until: number }
  /** Mails a minute of a lane; null: no limit. */
  | { readonly kind: 'rate'; readonly account: number; readonly domain: string; readonly perMinute: number | null }
  /** The IP begins its warm-up; null ends it. */
  | { readonly kind: 'warm-up'; readonly egressIp: string; readonly startedAt: number | null }

type Of<K extends Command['kind']> = Extract<Command, { readonly kind: K }>

const manualKey = (account: number, domain: string | null): KeyId =>
  domain === null ? KEYS.manualAll({ account }) : KEYS.manual({ account, domain })

/** Begins a manual pause, or changes the one that is there. Fault `bad_request` where it would end in the past or after 15 days. */
export function pauseByHand(queue: Stock, command: Of<'pause'>, now: number): QueueEvent[] {
  const { account, domain, until } = command
  const end = until ?? now + LONGEST_MANUAL_PAUSE
  if (end <= now) throw new Fault('bad_request', 'the pause would end before it begins; name a later time')
  if (end > now + LONGEST_MANUAL_PAUSE) throw new Fault('bad_request', 'a manual pause lasts at most 15 days; name an earlier time')
  const gate = gateOf(queue, manualKey(account, domain), now)
  gate.manual = { from: gate.manual?.from ?? now, until: end, onEnd: until === null ? command.after15Days : 'keep' }
  setGateTimer(queue, gate, now)
  return [{ kind: 'queue.manual', at: now, account, domain, until: end, ended: false }]
}

/** Ends a manual pause: by its time, or by Recover (which deletes nothing). */
export function endManual(queue: Stock, gate: Gate, now: number, by: 'time' | 'operator'): QueueEvent[] {
  const { manual } = gate
  if (manual === null) return []
  gate.manual = null
  remember(gate, { from: manual.from, until: now })
  queue.hot.add(gate.id)
  const [, account = '', name = ''] = gate.id.split('|')
  const where = { account: Number(account), domain: name === '*' ? null : name }
  const event: QueueEvent = { kind: 'queue.manual', at: now, ...where, until: null, ended: true }
  if (by === 'operator' || manual.onEnd === 'keep') return [event]
  return [event, ...deleteWaiting(queue, { kind: 'delete', ...where, from: -Infinity, until: Infinity }, now)]
}

/** The lanes of an account, of one domain or all. */
function lanesOf(queue: Stock, account: number, domain: string | null): Lane[] {
  return [...queue.lanes.values()].filter((lane) => lane.account === account && (domain === null || lane.domain === domain))
}

/** All keys that cover the mail of an account to a domain, or to all. */
function coveringKeys(queue: Stock, account: number, domain: string | null): Set<KeyId> {
  const keys = new Set<KeyId>([manualKey(account, domain), KEYS.account({ account })])
  if (domain !== null) keys.add(KEYS.manualAll({ account }))
  for (const lane of lanesOf(queue, account, domain)) {
    keys.add(KEYS.manual(lane))
    for (const id of lane.streams) {
      const stream = queue.streams.get(id)
      for (const key of stream?.keys ?? []) keys.add(key)
      for (const way of stream?.ways ?? []) for (const key of way.keys) keys.add(key)
    }
  }
  return keys
}

const isHolding = (queue: Stock, key: KeyId): boolean =>
  [...(queue.gates.get(key)?.episodes.values() ?? [])].some(({ state }) => state !== 'active')

/** Keys that hold an account's mail and are not its own to open: others' mail waits behind them too, or its own list closed them. */
export function sharedKeys(queue: Stock, { account, domain }: Pick<Of<'recover'>, 'account' | 'domain'>): KeyId[] {
  return [...coveringKeys(queue, account, domain)].filter(
    (key) =>
      isHolding(queue, key) && (kindOf(key) === 'account' || accountsBehind(queue, key).some((behind) => behind.account !== account)),
  )
}

/** Recover, on all that covers the mail of an account. */
export function recoverLanes(queue: Stock, { account, domain, how, onlyOwn }: Of<'recover'>, now: number): QueueEvent[] {
  const left = new Set(onlyOwn === true ? sharedKeys(queue, { account, domain }) : [])
  const keys = [...coveringKeys(queue, account, domain)].filter((key) => !left.has(key))
  return keys.flatMap((key) => recoverKey(queue, { kind: 'recover-key', key, how }, now))
}

/** Recover, on one key. */
export function recoverKey(queue: Stock, { key, how }: Of<'recover-key'>, now: number): QueueEvent[] {
  const gate = queue.gates.get(key)
  if (gate === undefined) return []
  const events = endManual(queue, gate, now, 'operator')
  const situation = { waiting: waitingFor(queue, key) }
  for (const before of gate.episodes.values()) {
    const after = recover(queue.policy, before, how, situation, turnOf(queue, now))
    events.push(...put(queue, { gate, before, after }, { now, by: 'operator' }))
  }
  return [...events, ...passGate(queue, gate, now)]
}

/** Deletes mail that waits; what is in flight goes its way. */
export function deleteWaiting(queue: Stock, { account, domain, from, until }: Of<'delete'>, now: number): QueueEvent[] {
  const lanes = new Set(lanesOf(queue, account, domain).flatMap((lane) => [...lane.streams]))
  const gone = [...queue.mails.values()].filter(
    (held) => held.place !== 'flight' && lanes.has(held.stream) && held.mail.acceptedAt >= from && held.mail.acceptedAt < until,
  )
  return gone.flatMap((held) => endMail(queue, held, 'deleted', now))
}

/** Sets the rate of a lane. Fault `bad_request` for a rate that sends nothing: that is a pause. */
export function setRate(queue: Stock, { account, domain, perMinute }: Of<'rate'>, now: number): QueueEvent[] {
  if (perMinute !== null && !(perMinute > 0)) throw new Fault('bad_request', 'a rate is more than 0 mails a minute; to send nothing, pause')
  const gate = gateOf(queue, KEYS.lane({ account, domain }), now)
  gate.limit = perMinute
  gate.bucket = { left: Math.min(1, gate.bucket.left), at: now }
  queue.hot.add(gate.id)
  return []
}

/** Begins or ends the warm-up of an IP. */
export function setWarmUp(queue: Stock, { egressIp, startedAt }: Of<'warm-up'>, now: number): QueueEvent[] {
  if (startedAt === null) queue.warmUps.delete(egressIp)
  else queue.warmUps.set(egressIp, startedAt)
  for (const gate of queue.gates.values()) {
    if (gate.kind !== 'warmup' || gate.id.split('|')[1] !== egressIp) continue
    gate.warming = startedAt === null ? null : { startedAt, day: dayOf(now), sent: gate.warming?.sent ?? 0 }
    queue.hot.add(gate.id)
  }
  return []
}
