/**
 * operator-commands - pause, recover, delete, set a rate, start a warm-up
 *
 * Each command returns its events; the caller writes the audit. A manual pause is an overlay of at most 15 days on the backoff states:
 * when it ends, the state underneath continues. If it was given no end, its messages are kept or deleted after 15 days, as requested.
 *
 * Mutates the queue. See also: queue/queue (`applyCommand`), queue/backoff/backoff (recover).
 */
import { Fault } from '../../errors.ts'
import { findAffectedAccounts } from '../observe/affected-accounts.ts'
import { addHoldPeriod } from './hold-time.ts'
import { setManualPause } from './label-pause.ts'
import {
  getOrCreateKeyState,
  advanceKeyState,
  replaceEpisode,
  setKeyTimer,
  nextTransitionInput,
  countProbeCandidates,
} from '../backoff/key-state.ts'
import { BACKOFF_KEYS, type BackoffKeyId, formatKey, keyKindOf, parseKey } from '../backoff/backoff-key.ts'
import { removeFromQueue } from './lane.ts'
import { deleteScheduled } from './send-time.ts'
import type { MailId, QueueEvent, QueueMessage } from '../message.ts'
import { recoverBackoff } from '../backoff/backoff.ts'
import type { KeyState, Lane, QueueState } from '../queue-state.ts'
import { startOfUtcDay } from '../shaping/warm-up.ts'
import { idsOf } from '../id-set.ts'
import { routeOf } from '../stream-route.ts'
import { policyOf } from '../shaping/limits-in-force.ts'

/** The longest manual pause. */
export const MAX_MANUAL_PAUSE_MS = 15 * 86_400_000

type RecoveryMode = 'immediate' | 'probe'

export type OperatorCommand =
  /** `until` null: 15 days, then `after15Days`. `label`: only messages with this label. */
  | {
      readonly kind: 'pause'
      readonly account: number
      readonly domain: string | null
      readonly label?: number
      readonly until: number | null
      readonly after15Days: 'keep' | 'delete'
    }
  /**
   * Every pause that covers the account's messages to the domain (null: to all), manual pauses included. `onlyOwn`: the account itself
   * issues the command, so keys that protect others stay closed (see {@link sharedKeys}). `label`: only the pauses of this label.
   */
  | {
      readonly kind: 'recover'
      readonly account: number
      readonly domain: string | null
      readonly label?: number
      readonly how: RecoveryMode
      readonly onlyOwn?: true
    }
  | { readonly kind: 'recover-key'; readonly key: BackoffKeyId; readonly how: RecoveryMode }
  /** Waiting messages that were accepted in [from, until). */
  | { readonly kind: 'delete'; readonly account: number; readonly domain: string | null; readonly from: number; readonly until: number }
  /** Those of one label. A node of a version that does not know labels finds no time here, and deletes nothing. */
  | {
      readonly kind: 'delete'
      readonly account: number
      readonly domain: string | null
      readonly label: number
      readonly accepted: { readonly from: number; readonly until: number }
    }
  /** One message. A node of a version that does not know this finds no time here, and deletes nothing. */
  | { readonly kind: 'delete'; readonly account: number; readonly domain: null; readonly message: MailId }
  /** Messages a minute of a lane; null: no limit. */
  | { readonly kind: 'rate'; readonly account: number; readonly domain: string; readonly perMinute: number | null }
  /** Starts the warm-up of an egress IP; null ends it. */
  | { readonly kind: 'warm-up'; readonly egressIp: string; readonly startedAt: number | null }

type CommandOf<K extends OperatorCommand['kind']> = Extract<OperatorCommand, { readonly kind: K }>

const manualPauseKey = (account: number, domain: string | null, label: number | null = null): BackoffKeyId =>
  formatKey({ kind: 'manual', account, domain, label })

/** Starts a manual pause, or changes the present one. Fault `bad_request` if it would end in the past or after 15 days. */
export function startManualPause(queue: QueueState, command: CommandOf<'pause'>, now: number): QueueEvent[] {
  const { account, domain, label = null, until } = command
  const end = until ?? now + MAX_MANUAL_PAUSE_MS
  if (end <= now) throw new Fault('bad_request', 'the pause would end before it starts; set a later time')
  if (end > now + MAX_MANUAL_PAUSE_MS) throw new Fault('bad_request', 'a manual pause lasts at most 15 days; set an earlier time')
  const keyState = getOrCreateKeyState(queue, manualPauseKey(account, domain, label), now)
  const from = keyState.manualPause?.from ?? now
  setManualPause(queue, keyState, { from, until: end, onEnd: until === null ? command.after15Days : 'keep' })
  setKeyTimer(queue, keyState, now)
  return [{ kind: 'queue.manual', at: now, account, domain, label, until: end, ended: false }]
}

/** Ends a manual pause, by its time or by Recover. Recover deletes nothing. */
export function endManualPause(queue: QueueState, keyState: KeyState, now: number, by: 'time' | 'operator'): QueueEvent[] {
  const { manualPause: manual, key } = keyState
  if (manual === null || key?.kind !== 'manual') return []
  setManualPause(queue, keyState, null)
  addHoldPeriod(keyState, { from: manual.from, until: now })
  queue.keysToWake.add(keyState.id)
  const { account, domain, label } = key
  const event: QueueEvent = { kind: 'queue.manual', at: now, account, domain, label, until: null, ended: true }
  if (by === 'operator' || manual.onEnd === 'keep') return [event]
  const accepted = { from: -Infinity, until: Infinity }
  const command = label === null ? { ...accepted } : { label, accepted }
  return [event, ...deleteFromLanes(queue, { kind: 'delete', account, domain, ...command }, now)]
}

/** The lanes of an account: of one domain, or all. */
function lanesOf(queue: QueueState, account: number, domain: string | null): Lane[] {
  return [...queue.lanes.values()].filter((lane) => lane.account === account && (domain === null || lane.domain === domain))
}

/** All keys that cover the messages of an account to a domain, or to all. */
function coveringKeys(queue: QueueState, account: number, domain: string | null): Set<BackoffKeyId> {
  const keys = new Set<BackoffKeyId>([manualPauseKey(account, domain), BACKOFF_KEYS.account({ account })])
  if (domain !== null) keys.add(BACKOFF_KEYS.manualAll({ account }))
  for (const lane of lanesOf(queue, account, domain)) {
    keys.add(BACKOFF_KEYS.manual(lane))
    for (const id of idsOf(lane.streams)) {
      const stream = queue.streams.get(id)
      if (stream === undefined) continue
      const route = routeOf(queue, stream)
      for (const key of [...route.keys, ...route.egressPaths.flatMap((egressPath) => egressPath.keys)]) keys.add(key)
    }
  }
  for (const { id } of labelPausesOf(queue, account, domain)) keys.add(id)
  return keys
}

/** The present pauses of an account's labels that cover messages to the domain, or to all. */
function labelPausesOf(queue: QueueState, account: number, domain: string | null): { readonly id: BackoffKeyId; readonly label: number }[] {
  return [...queue.labelPauses].flatMap((id) => {
    const key = parseKey(id)
    if (key?.kind !== 'manual' || key.label === null || key.account !== account) return []
    return domain === null || key.domain === null || key.domain === domain ? [{ id, label: key.label }] : []
  })
}

const isBackedOff = (queue: QueueState, key: BackoffKeyId): boolean =>
  [...(queue.keyStates.get(key)?.episodes.values() ?? [])].some(({ state }) => state !== 'active')

/** Keys that hold up an account's messages and that it must not open: other accounts wait there too, or its own list closed them. */
export function sharedKeys(queue: QueueState, { account, domain }: Pick<CommandOf<'recover'>, 'account' | 'domain'>): BackoffKeyId[] {
  return [...coveringKeys(queue, account, domain)].filter(
    (key) =>
      isBackedOff(queue, key) &&
      (keyKindOf(key) === 'account' || findAffectedAccounts(queue, key).some((affected) => affected.account !== account)),
  )
}

/** Recovers all keys that cover the messages of an account. */
export function recoverLanes(queue: QueueState, command: CommandOf<'recover'>, now: number): QueueEvent[] {
  const { account, domain, label, how, onlyOwn } = command
  if (label !== undefined) {
    const pauses = labelPausesOf(queue, account, domain).filter((each) => each.label === label)
    return pauses.flatMap(({ id }) => recoverKey(queue, { kind: 'recover-key', key: id, how }, now))
  }
  const excluded = new Set(onlyOwn === true ? sharedKeys(queue, { account, domain }) : [])
  const keys = [...coveringKeys(queue, account, domain)].filter((key) => !excluded.has(key))
  return keys.flatMap((key) => recoverKey(queue, { kind: 'recover-key', key, how }, now))
}

/** Recovers one key. */
export function recoverKey(queue: QueueState, { key, how }: CommandOf<'recover-key'>, now: number): QueueEvent[] {
  const keyState = queue.keyStates.get(key)
  if (keyState === undefined) return []
  const events = endManualPause(queue, keyState, now, 'operator')
  const backlog = { waiting: countProbeCandidates(queue, key) }
  for (const before of keyState.episodes.values()) {
    const after = recoverBackoff(policyOf(queue, keyState.key), before, how, backlog, nextTransitionInput(queue, now))
    events.push(...replaceEpisode(queue, { keyState, before, after }, { now, by: 'operator' }))
  }
  return [...events, ...advanceKeyState(queue, keyState, now)]
}

/** Deletes waiting messages, those before their send time too. Messages in flight are not affected. */
export function deleteWaiting(queue: QueueState, command: CommandOf<'delete'>, now: number): QueueEvent[] {
  return [...deleteFromLanes(queue, command, now), ...deleteScheduled(queue, (message) => isToDelete(command, message), now)]
}

/** Deletes the messages whose send time has come, or that have none. */
function deleteFromLanes(queue: QueueState, command: CommandOf<'delete'>, now: number): QueueEvent[] {
  const matching = [...queue.entries.values()].filter(({ state, message }) => state !== 'in-flight' && isToDelete(command, message))
  return matching.flatMap((entry) => removeFromQueue(queue, entry, 'deleted', now))
}

function isToDelete(
  command: CommandOf<'delete'>,
  { id, account, domain, label, acceptedAt, requestedAt = acceptedAt }: QueueMessage,
): boolean {
  if (account !== command.account) return false
  if ('message' in command) return id === command.message
  const { from, until } = 'label' in command ? command.accepted : command
  const isOfLabel = !('label' in command) || label === command.label
  return (command.domain === null || domain === command.domain) && isOfLabel && requestedAt >= from && requestedAt < until
}

/** Sets the rate of a lane. Fault `bad_request` for a rate of 0 or less: that is a pause. */
export function setLaneRate(queue: QueueState, { account, domain, perMinute }: CommandOf<'rate'>, now: number): QueueEvent[] {
  if (perMinute !== null && !(perMinute > 0))
    throw new Fault('bad_request', 'a rate must be more than 0 messages a minute; to stop sending, pause the lane')
  const keyState = getOrCreateKeyState(queue, BACKOFF_KEYS.lane({ account, domain }), now)
  keyState.operatorRate = perMinute
  keyState.bucket = { tokens: Math.min(1, keyState.bucket.tokens), refilledAt: now }
  queue.keysToWake.add(keyState.id)
  return []
}

/** Starts or ends the warm-up of an egress IP. Fault `bad_request` for the start of one that is in no pool. */
export function setWarmUp(queue: QueueState, { egressIp, startedAt }: CommandOf<'warm-up'>, now: number): QueueEvent[] {
  const isPooled = [...queue.pools.byName.values()].some(({ ips }) => ips.some(({ ip }) => ip === egressIp))
  if (startedAt !== null && !isPooled)
    throw new Fault(
      'bad_request',
      `${egressIp} is in no pool of egress IPs, so nothing leaves by it; add it to delivery.egressIps or delivery.pools, or check the address`,
    )
  if (startedAt === null) queue.warmUps.delete(egressIp)
  else queue.warmUps.set(egressIp, startedAt)
  for (const keyState of queue.keyStates.values()) {
    if (keyState.key?.kind !== 'warmup' || keyState.key.egressIp !== egressIp) continue
    keyState.warmUp = startedAt === null ? null : { startedAt, day: startOfUtcDay(now), sent: keyState.warmUp?.sent ?? 0 }
    queue.keysToWake.add(keyState.id)
  }
  return []
}
