/**
 * held-groups - what follows from the lane groups that a node holds: which of them are loaded, and whose transitions it records
 *
 * No I/O. See also: service/deliver/delivery-session (the groups), queue/lane-group.
 */
import { keyKindOf } from '../../../queue/backoff/backoff-key.ts'
import { holdsAllGroups, isWideKey, keyGroupOf, WIDE_KEYS_GROUP, type HeldGroups } from '../../../queue/lane-group.ts'
import type { QueueNotification } from '../../../queue/observe/affected-accounts.ts'
import type { QueueState } from '../../../queue/queue-state.ts'

/** `groupsToLoad`: held groups whose messages are not loaded yet. */
type LoadProgress = { readonly groups: HeldGroups; readonly groupsToLoad: HeldGroups }

/** The groups whose messages are in memory. */
export const loadedGroupsOf = ({ groups, groupsToLoad }: LoadProgress): HeldGroups =>
  groupsToLoad.size === 0 ? groups : new Set([...groups].filter((group) => !groupsToLoad.has(group)))

/** Whether the node holds groups and has loaded all their messages. */
export const isLoaded = ({ groups, groupsToLoad }: LoadProgress): boolean => groups.size > 0 && groupsToLoad.size === 0

/**
 * Whether a node records a transition. Every node has the keys wider than a site, and the holder of one group records what happens to them; only that an
 * account's key closes is recorded by the node that saw why. The key of an egress IP of its own is each node's.
 */
export function isRecorded(groups: HeldGroups, queue: QueueState, event: QueueNotification): boolean {
  if (holdsAllGroups(groups)) return true
  if (event.kind === 'queue.manual') return groups.has(WIDE_KEYS_GROUP)
  if (keyKindOf(event.key) === 'own') return true
  if (isWideKey(event.key)) return groups.has(WIDE_KEYS_GROUP) || event.to === 'throttled' || event.to === 'paused'
  return groups.has(keyGroupOf(queue, event.key, null))
}
