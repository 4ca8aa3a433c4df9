/**
 * network-feedback - what the result of an attempt means for the network keys of its destination
 *
 * A host set is down when every connection that was open at the first failure has failed, with no success in between: one cohort. A site is
 * down when three of its host sets failed within five minutes and none replied.
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

const networkKeys = (to: EgressRoute): BackoffKeyId[] => [
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
    keyState.hostSetFailedAt.clear()
    return keyState.episodes.size === 0 ? [] : applyToEpisodes(context, keyState, null)
  })
}

/** The destination did not reply. */
export function applyUnreachable(context: ResultContext, how: 'dns' | 'connect'): QueueEvent[] {
  const { queue, attempt, now } = context
  if (queue.policy.classes.network.key === null) return []
  const to = attempt.dispatch
  const hostState = getOrCreateKeyState(queue, how === 'dns' ? BACKOFF_KEYS.networkDomain(to) : BACKOFF_KEYS.networkHosts(to), now)
  const events = applyToEpisodes(context, hostState, { class: 'network', trips: isCohortDown(queue, hostState) })
  if (how === 'dns') return events
  const siteState = getOrCreateKeyState(queue, BACKOFF_KEYS.networkSite(to), now)
  siteState.hostSetFailedAt.set(hostState.id, now)
  for (const [key, at] of siteState.hostSetFailedAt) if (now - at > SITE_DOWN_WINDOW_MS) siteState.hostSetFailedAt.delete(key)
  const isSiteDown = siteState.hostSetFailedAt.size >= SITE_DOWN_HOST_SETS
  if (!isSiteDown && siteState.episodes.size === 0) return events
  return [...events, ...applyToEpisodes(context, siteState, { class: 'network', trips: isSiteDown })]
}

/** Counts a failure. Whether the whole cohort has failed. */
function isCohortDown(queue: QueueState, keyState: KeyState): boolean {
  // The attempt that has just failed is no longer counted as in flight.
  keyState.failureCohort ??= { failed: 0, size: (queue.inFlightByKey.get(keyState.id) ?? 0) + 1 }
  keyState.failureCohort.failed += 1
  return keyState.failureCohort.failed >= keyState.failureCohort.size
}
