/**
 * operator-commands - what an operator may do to a queue: pause, recover, delete, set a rate, begin a warm-up
 *
 * Each command says what moved; the caller writes the audit. A manual pause is an overlay of at most 15 days beside the states: when it
 * ends, the state underneath goes on; without an end of its own, its mail is kept or deleted after 15 days, as it was asked.
 *
 * Mutates the stock that it is given. See also: queue/queue (`operate`), queue/backoff/backoff (recover).
 */
import { Fault } from '../../errors.ts'
import { findAffectedAccounts } from '../observe/affected-accounts.ts'
import { addHoldPeriod } from './hold-time.ts'
import {
  getOrCreateKeyState,
  advanceKeyState,
  replaceEpisode,
  setKeyTimer,
  nextTransitionInput,
  countWaitingFor,
} from '../backoff/key-state.ts'
import { BACKOFF_KEYS, keyKindOf, type BackoffKey } from '../backoff/backoff-key.ts'
import { removeEntry } from './lane.ts'
import type { QueueEvent } from '../message.ts'
import { recoverBackoff } from '../backoff/backoff.ts'
import type { KeyState, Lane, QueueState } from '../queue-state.ts'
import { startOfUtcDay } from '../backoff/warm-up.ts'

export const MAX_MANUAL_PAUSE_MS = 15 * 86_400_000

type RecoveryMode = 'immediate' | 'probe'

export type OperatorCommand =
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
  | {
      readonly kind: 'recover'
      readonly account: number
      readonly domain: string | null
      readonly how: RecoveryMode
      readonly onlyOwn?: true
    }
  | { readonly kind: 'recover-key'; readonly key: BackoffKey; readonly how: RecoveryMode }
  /** Waiting mail that was accepted in [from, until). */
  | { readonly kind: 'delete'; readonly account: number; readonly domain: string | null; readonly from: number; readonly until: number }
  /** Mails a minute of a lane; null: no limit. */
  | { readonly kind: 'rate'; readonly account: number; readonly domain: string; readonly perMinute: number | null }
  /** The IP begins its warm-up; null ends it. */
  | { readonly kind: 'warm-up'; readonly egressIp: string; readonly startedAt: number | null }

type CommandOf<K extends OperatorCommand['kind']> = Extract<OperatorCommand, { readonly kind: K }>

const manualPauseKey = (account: number, domain: string | null): BackoffKey =>
  domain === null ? BACKOFF_KEYS.manualAll({ account }) : BACKOFF_KEYS.manual({ account, domain })

/** Begins a manual pause, or changes the one that is there. Fault `bad_request` where it would end in the past or after 15 days. */
export function startManualPause(queue: QueueState, command: CommandOf<'pause'>, now: number): QueueEvent[] {
  const { account, domain, until } = command
  const end = until ?? now + MAX_MANUAL_PAUSE_MS
  if (end <= now) throw new Fault('bad_request', 'the pause would end before it begins; name a later time')
  if (end > now + MAX_MANUAL_PAUSE_MS) throw new Fault('bad_request', 'a manual pause lasts at most 15 days; name an earlier time')
  const keyState = getOrCreateKeyState(queue, manualPauseKey(account, domain), now)
  keyState.manual = { from: keyState.manual?.from ?? now, until: end, onEnd: until === null ? command.after15Days : 'keep' }
  setKeyTimer(queue, keyState, now)
  return [{ kind: 'queue.manual', at: now, account, domain, until: end, ended: false }]
}

/** Ends a manual pause: by its time, or by Recover (which deletes nothing). */
export function endManualPause(queue: QueueState, keyState: KeyState, now: number, by: 'time' | 'operator'): QueueEvent[] {
  const { manual } = keyState
  if (manual === null) return []
  keyState.manual = null
  addHoldPeriod(keyState, { from: manual.from, until: now })
  queue.keysToWake.add(keyState.id)
  const [, account = '', name = ''] = keyState.id.split('|')
  const scope = { account: Number(account), domain: name === '*' ? null : name }
  const event: QueueEvent = { kind: 'queue.manual', at: now, ...scope, until: null, ended: true }
  if (by === 'operator' || manual.onEnd === 'keep') return [event]
  return [event, ...deleteWaiting(queue, { kind: 'delete', ...scope, from: -Infinity, until: Infinity }, now)]
}

/** The lanes of an account, of one domain or all. */
function lanesOf(queue: QueueState, account: number, domain: string | null): Lane[] {
  return [...queue.lanes.values()].filter((lane) => lane.account === account && (domain === null || lane.domain === domain))
}

/** All keys that cover the mail of an account to a domain, or to all. */
function coveringKeys(queue: QueueState, account: number, domain: string | null): Set<BackoffKey> {
  const keys = new Set<BackoffKey>([manualPauseKey(account, domain), BACKOFF_KEYS.account({ account })])
  if (domain !== null) keys.add(BACKOFF_KEYS.manualAll({ account }))
  for (const lane of lanesOf(queue, account, domain)) {
    keys.add(BACKOFF_KEYS.manual(lane))
    for (const id of lane.streams) {
      const stream = queue.streams.get(id)
      for (const key of stream?.keys ?? []) keys.add(key)
      for (const egressPath of stream?.egressPaths ?? []) for (const key of egressPath.keys) keys.add(key)
    }
  }
  return keys
}

const isBackedOff = (queue: QueueState, key: BackoffKey): boolean =>
  [...(queue.keyStates.get(key)?.episodes.values() ?? [])].some(({ state }) => state !== 'active')

/** Keys that hold an account's mail and are not its own to open: others' mail waits behind them too, or its own list closed them. */
export function sharedKeys(queue: QueueState, { account, domain }: Pick<CommandOf<'recover'>, 'account' | 'domain'>): BackoffKey[] {
  return [...coveringKeys(queue, account, domain)].filter(
    (key) =>
      isBackedOff(queue, key) &&
      (keyKindOf(key) === 'account' || findAffectedAccounts(queue, key).some((affected) => affected.account !== account)),
  )
}

/** Recover, on all that covers the mail of an account. */
export function recoverLanes(queue: QueueState, { account, domain, how, onlyOwn }: CommandOf<'recover'>, now: number): QueueEvent[] {
  const excluded = new Set(onlyOwn === true ? sharedKeys(queue, { account, domain }) : [])
  const keys = [...coveringKeys(queue, account, domain)].filter((key) => !excluded.has(key))
  return keys.flatMap((key) => recoverKey(queue, { kind: 'recover-key', key, how }, now))
}

/** Recover, on one key. */
export function recoverKey(queue: QueueState, { key, how }: CommandOf<'recover-key'>, now: number): QueueEvent[] {
  const keyState = queue.keyStates.get(key)
  if (keyState === undefined) return []
  const events = endManualPause(queue, keyState, now, 'operator')
  const backlog = { waiting: countWaitingFor(queue, key) }
  for (const before of keyState.episodes.values()) {
    const after = recoverBackoff(queue.policy, before, how, backlog, nextTransitionInput(queue, now))
    events.push(...replaceEpisode(queue, { gate: keyState, before, after }, { now, by: 'operator' }))
  }
  return [...events, ...advanceKeyState(queue, keyState, now)]
}

/** Deletes mail that waits; what is in flight goes its way. */
export function deleteWaiting(queue: QueueState, { account, domain, from, until }: CommandOf<'delete'>, now: number): QueueEvent[] {
  const streamIds = new Set(lanesOf(queue, account, domain).flatMap((lane) => [...lane.streams]))
  const matching = [...queue.entries.values()].filter(
    (entry) =>
      entry.state !== 'flight' && streamIds.has(entry.stream) && entry.message.acceptedAt >= from && entry.message.acceptedAt < until,
  )
  return matching.flatMap((entry) => removeEntry(queue, entry, 'deleted', now))
}

/** Sets the rate of a lane. Fault `bad_request` for a rate that sends nothing: that is a pause. */
export function setLaneRate(queue: QueueState, { account, domain, perMinute }: CommandOf<'rate'>, now: number): QueueEvent[] {
  if (perMinute !== null && !(perMinute > 0)) throw new Fault('bad_request', 'a rate is more than 0 mails a minute; to send nothing, pause')
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.lane({ account, domain }), now)
  keyState.limit = perMinute
  keyState.bucket = { tokens: Math.min(1, keyState.bucket.tokens), refilledAt: now }
  queue.keysToWake.add(keyState.id)
  return []
}

/** Begins or ends the warm-up of an IP. */
export function setWarmUp(queue: QueueState, { egressIp, startedAt }: CommandOf<'warm-up'>, now: number): QueueEvent[] {
  if (startedAt === null) queue.warmUps.delete(egressIp)
  else queue.warmUps.set(egressIp, startedAt)
  for (const keyState of queue.keyStates.values()) {
    if (keyState.kind !== 'warmup' || keyState.id.split('|')[1] !== egressIp) continue
    keyState.warming = startedAt === null ? null : { startedAt, day: startOfUtcDay(now), sent: keyState.warming?.sent ?? 0 }
    queue.keysToWake.add(keyState.id)
  }
  return []
}
