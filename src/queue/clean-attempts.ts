/**
 * clean-attempts - the first accepted messages at a site, before its keys have states
 *
 * Most receiving sites get a few messages an hour and accept them. Three keys with their counts would take more memory for each of them than all that is
 * known about its lane. Therefore the first accepted messages are kept as they are, and become the counts of the keys when a key needs a state: at
 * the first reply that is not an acceptance, at a limit that is near, or when more messages come.
 *
 * Mutates the queue. See also: queue/backoff/key-state (asks for the states), queue/backoff/attempt-counts, queue/backoff/feedback.
 */
import type { CleanAttempt, KeyState, QueueState } from './queue-state.ts'
import { countAttempt } from './backoff/attempt-counts.ts'
import { addToCount, countInWindow, emptySlidingCount } from './backoff/sliding-count.ts'
import {
  BACKOFF_KEYS,
  type BackoffKeyId,
  type Destination,
  effectiveSite,
  type EgressRoute,
  formatKey,
  parseKey,
} from './backoff/backoff-key.ts'

/** With more, the counts take less memory. */
const MAX_CLEAN_ATTEMPTS = 4

/** Oldest first. */
const listOf = (last: CleanAttempt | null): readonly CleanAttempt[] => (last === null ? [] : [...listOf(last.before), last])

/** Whether messages to a destination were accepted, but its keys have no states yet. */
export const hasCleanAttempts = ({ cleanAttempts }: QueueState, to: Destination): boolean =>
  cleanAttempts.size > 0 && cleanAttempts.has(effectiveSite(to))

/** Marks that a message was dispatched. */
export function followCleanAttempts({ cleanAttempts }: QueueState, to: EgressRoute): void {
  let last = cleanAttempts.size === 0 ? null : (cleanAttempts.get(effectiveSite(to)) ?? null)
  for (; last !== null; last = last.before) {
    last.isSenderFollowed ||= last.senderDomain === to.senderDomain
    last.isIpFollowed ||= last.egressIp === to.egressIp
  }
}

/** The keys of an accepted message that clean attempts stand for. */
const keysOf = (to: EgressRoute): readonly BackoffKeyId[] =>
  to.gateway ? [BACKOFF_KEYS.senderDomain(to)] : [BACKOFF_KEYS.ip(to), BACKOFF_KEYS.senderDomain(to), BACKOFF_KEYS.connection(to)]

/** Keeps an accepted message, unless its keys have states. Returns those of the keys that are still to be counted. */
export function keepCleanAttempt(
  queue: QueueState,
  to: EgressRoute,
  counting: readonly BackoffKeyId[],
  now: number,
): readonly BackoffKeyId[] {
  const keys = keysOf(to)
  const name = effectiveSite(to)
  const before = queue.cleanAttempts.get(name) ?? null
  const isKept =
    queue.keepsMessages &&
    keys.every((key) => counting.includes(key) && !queue.keyStates.has(key)) &&
    listOf(before).length < MAX_CLEAN_ATTEMPTS
  if (!isKept) return counting
  const { senderDomain, egressIp } = to
  queue.cleanAttempts.set(name, {
    at: now,
    senderDomain,
    egressIp: to.gateway ? null : egressIp,
    isSenderFollowed: false,
    isIpFollowed: false,
    before,
  })
  return counting.filter((key) => !keys.includes(key))
}

type CountedKey = { readonly key: BackoffKeyId; readonly at: number; readonly isFollowed: boolean }

/** The keys that clean attempts count for, oldest attempt first. */
const countedKeys = (site: string, last: CleanAttempt): readonly CountedKey[] =>
  listOf(last).flatMap(({ senderDomain, egressIp, at, isSenderFollowed, isIpFollowed }) => {
    const ofIp = (kind: 'ip' | 'connection'): CountedKey[] =>
      egressIp === null ? [] : [{ key: formatKey({ kind, egressIp, site }), at, isFollowed: isIpFollowed }]
    const ofSender =
      senderDomain === null ? [] : [{ key: formatKey({ kind: 'sender-domain', senderDomain, site }), at, isFollowed: isSenderFollowed }]
    return [...ofIp('ip'), ...ofSender, ...ofIp('connection')]
  })

/** Whether a key would have a state, but for the clean attempts that stand for it. */
export function standForKey({ cleanAttempts }: QueueState, id: BackoffKeyId): boolean {
  const site = siteOf(id)
  const last = site === null ? undefined : cleanAttempts.get(site)
  return site !== null && last !== undefined && countedKeys(site, last).some(({ key }) => key === id)
}

function siteOf(id: BackoffKeyId): string | null {
  const key = parseKey(id)
  return key?.kind === 'ip' || key?.kind === 'sender-domain' || key?.kind === 'connection' ? key.site : null
}

/** Counts the clean attempts at the site of a key in the states of their keys, which `create` makes. Does nothing for a key without any. */
export function countCleanAttempts(queue: QueueState, id: BackoffKeyId, create: (id: BackoffKeyId, at: number) => KeyState): void {
  const site = queue.cleanAttempts.size === 0 ? null : siteOf(id)
  const last = site === null ? undefined : queue.cleanAttempts.get(site)
  if (site === null || last === undefined) return
  queue.cleanAttempts.delete(site)
  for (const { key, at, isFollowed } of countedKeys(site, last)) {
    const known = queue.keyStates.get(key)
    const keyState = known ?? create(key, at)
    if (known === undefined && isFollowed) keyState.bucket = { tokens: 0, refilledAt: at }
    countAttempt(queue, keyState, true, at)
  }
}

const HOUR_MS = 3_600_000

/** Forgets attempts that no window of their keys counts any more, key by key, as states are dropped. */
export function dropOldCleanAttempts({ cleanAttempts, policy }: QueueState, now: number): void {
  const windows = Object.values(policy.classes).flatMap(({ key, measures }) =>
    key === 'account' ? [] : measures.map(({ windowMs }) => windowMs),
  )
  const longest = emptySlidingCount(Math.max(HOUR_MS, ...windows))
  const isCounted = ({ at }: CleanAttempt): boolean => countInWindow(addToCount(longest, at), now) > 0
  for (const [site, last] of cleanAttempts) {
    const attempts = listOf(last)
    const young = attempts.filter(isCounted)
    if (young.length === attempts.length) continue
    const kept = attempts.reduce<CleanAttempt | null>((before, attempt) => {
      const senderDomain = young.some((each) => each.senderDomain === attempt.senderDomain) ? attempt.senderDomain : null
      const egressIp = young.some((each) => each.egressIp === attempt.egressIp) ? attempt.egressIp : null
      return senderDomain === null && egressIp === null ? before : { ...attempt, senderDomain, egressIp, before }
    }, null)
    if (kept === null) cleanAttempts.delete(site)
    else cleanAttempts.set(site, kept)
  }
}
