/**
 * network-feedback - what the result of an attempt means for the network keys of its destination
 *
 * A host set is down when every connection that was open at the first failure has failed, with no success in between: one cohort. Where the
 * pool has several egress IPs, only the path from that IP is down, until a second IP has failed as well. A site is down when three of its host
 * sets failed so within five minutes and none replied.
 *
 * A fault of this host closes its own key, and no destination: an egress IP that cannot be bound, or that had no route to three host sets.
 *
 * Mutates the queue. See also: queue/backoff/feedback (calls it), queue/backoff/episode-feedback.
 */
import type { QueueEvent } from '../message.ts'
import type { KeyState, QueueState } from '../queue-state.ts'
import { BACKOFF_KEYS, type BackoffKeyId, type EgressRoute } from './backoff-key.ts'
import { applyToEpisodes, type ResultContext } from './episode-feedback.ts'
import { getOrCreateKeyState } from './key-state.ts'

/** A site is down when this many of its host sets failed within the window. */
const SITE_DOWN_HOST_SETS = 3
const SITE_DOWN_WINDOW_MS = 300_000

/** An egress IP has no route at all when so many host sets had none within the window, and none was reached. */
const NO_ROUTE_HOST_SETS = 3

const networkKeys = (to: EgressRoute): BackoffKeyId[] => [
  BACKOFF_KEYS.own(to),
  BACKOFF_KEYS.networkPath(to),
  BACKOFF_KEYS.networkDomain(to),
  BACKOFF_KEYS.networkHosts(to),
  BACKOFF_KEYS.networkSite(to),
]

/** The destination replied. */
export function applyReached(context: ResultContext): QueueEvent[] {
  const { queue, attempt } = context
  return networkKeys(attempt.dispatch).flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined) return []
    keyState.failureCohort = null
    keyState.failedAt = null
    return keyState.episodes.size === 0 ? [] : applyToEpisodes(context, keyState, null)
  })
}

/** The destination did not reply. */
export function applyUnreachable(context: ResultContext, how: 'dns' | 'connect'): QueueEvent[] {
  const { queue, attempt, now } = context
  if (queue.policy.classes.network.key === null) return []
  const to = attempt.dispatch
  if (how === 'dns') {
    const domainState = getOrCreateKeyState(queue, BACKOFF_KEYS.networkDomain(to), now)
    return applyToEpisodes(context, domainState, { class: 'network', trips: isCohortDown(queue, domainState) })
  }
  const path = BACKOFF_KEYS.networkPath(to)
  const hasOtherIps = attempt.keys.includes(path)
  const pathState = hasOtherIps ? getOrCreateKeyState(queue, path, now) : null
  const pathEvents =
    pathState === null ? [] : applyToEpisodes(context, pathState, { class: 'network', trips: isCohortDown(queue, pathState) })
  const hostState = getOrCreateKeyState(queue, BACKOFF_KEYS.networkHosts(to), now)
  hostState.failedAt = (hostState.failedAt ?? new Map<string, number>()).set(to.egressIp, now)
  const isEveryIp = !hasOtherIps || hostState.failedAt.size >= 2
  const isHostDown = isCohortDown(queue, hostState) && isEveryIp
  const hostEvents = isEveryIp ? applyToEpisodes(context, hostState, { class: 'network', trips: isHostDown }) : []
  return [...applyOwnWorks(context), ...pathEvents, ...hostEvents, ...(isEveryIp ? applySiteFailure(context, hostState.id) : [])]
}

function applySiteFailure(context: ResultContext, hosts: BackoffKeyId): QueueEvent[] {
  const { queue, attempt, now } = context
  const siteState = getOrCreateKeyState(queue, BACKOFF_KEYS.networkSite(attempt.dispatch), now)
  const isSiteDown = countFailed(siteState, hosts, now) >= SITE_DOWN_HOST_SETS
  return !isSiteDown && siteState.episodes.size === 0 ? [] : applyToEpisodes(context, siteState, { class: 'network', trips: isSiteDown })
}

/** Records a failure of one of the members of a key. How many have failed within the window. */
function countFailed(keyState: KeyState, member: string, now: number): number {
  const failedAt = (keyState.failedAt ?? new Map<string, number>()).set(member, now)
  keyState.failedAt = failedAt
  for (const [each, at] of failedAt) if (now - at > SITE_DOWN_WINDOW_MS) failedAt.delete(each)
  return failedAt.size
}

/** The egress IP could be bound, and a connection was tried. */
function applyOwnWorks(context: ResultContext): QueueEvent[] {
  const keyState = context.queue.keyStates.get(BACKOFF_KEYS.own(context.attempt.dispatch))
  return keyState === undefined || keyState.episodes.size === 0 ? [] : applyToEpisodes(context, keyState, null)
}

/** This host could not use the egress IP. Null: one of few destinations without a route is a fault of its network. */
export function applyOwnFault(context: ResultContext, how: 'egress' | 'no-route'): QueueEvent[] | null {
  const { queue, attempt, now } = context
  if (queue.policy.classes.own.key === null) return null
  const ownState = getOrCreateKeyState(queue, BACKOFF_KEYS.own(attempt.dispatch), now)
  const isOwn = how === 'egress' || countFailed(ownState, BACKOFF_KEYS.networkHosts(attempt.dispatch), now) >= NO_ROUTE_HOST_SETS
  return isOwn ? applyToEpisodes(context, ownState, { class: 'own', trips: true }) : null
}

/** The cohort of an MTA whose open connections are not known: so many failures in a row are no chance. */
const UNKNOWN_COHORT = 3

/** Counts a failure. Whether the whole cohort has failed. */
function isCohortDown(queue: QueueState, keyState: KeyState): boolean {
  // The attempt that has just failed is no longer counted as in flight.
  const size = queue.keepsMessages ? (queue.inFlightByKey.get(keyState.id) ?? 0) + 1 : UNKNOWN_COHORT
  keyState.failureCohort ??= { failed: 0, size }
  keyState.failureCohort.failed += 1
  return keyState.failureCohort.failed >= keyState.failureCohort.size
}
