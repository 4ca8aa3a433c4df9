/**
 * lane-group - the unit in which nodes share the delivery queue
 *
 * A group is a hash of the receiving site, so that all that backs off together is in one node's memory. A few keys are wider than a site: the settings of
 * operators and the list quality of an account. They belong to no group, and every node has them.
 *
 * Pure. See also: store/queue/lane-groups (who holds which), service/deliver/groups/spread-plan (who should), store/migrations/lane-groups (the hash in SQL).
 */
import { parseKey, type BackoffKeyId } from './backoff/backoff-key.ts'
import { findStreamOfKey } from './backoff/key-scope.ts'
import type { QueueState } from './queue-state.ts'

/**
 * Groups of an installation. With ten nodes a share is six or seven groups, so that shares differ by a sixth; a check of all groups still reads only a few
 * rows. Rows store their group: another number would need a migration of all of them.
 */
export const LANE_GROUPS = 64

/** The largest prime below 2^16: products stay exact in both engines and here. */
const HASH_MODULUS = 65_521

/**
 * The group of a site, or of a domain whose site is not known. Total.
 *
 *     laneGroupOf('google')   → 0 … 63, the same for ever
 */
export function laneGroupOf(site: string): number {
  let hash = 0
  for (let index = 0; index < site.length; index++) hash = (hash * 31 + site.charCodeAt(index)) % HASH_MODULUS
  return hash % LANE_GROUPS
}

export type HeldGroups = ReadonlySet<number>

/** What a node holds that delivers alone. */
export const ALL_LANE_GROUPS: HeldGroups = new Set(Array.from({ length: LANE_GROUPS }, (_, group) => group))

export const holdsAllGroups = (held: HeldGroups): boolean => held.size === LANE_GROUPS

/** The group that acts for keys wider than a site: its holder writes them, and records their transitions. */
export const WIDE_KEYS_GROUP = 0

/** Whether a key covers messages of several groups. */
export function isWideKey(id: BackoffKeyId): boolean {
  const key = parseKey(id)
  if (key === null) return true
  return (
    key.kind === 'own' ||
    key.kind === 'manual' ||
    key.kind === 'lane' ||
    key.kind === 'slots' ||
    (key.kind === 'account' && key.site === null)
  )
}

/**
 * The group of a key: of the site of its streams, or of the name in the key where it has none in memory. A key of a gateway's domain has the group of the
 * gateway, which only its streams know; `storedGroup` is the group under which it was stored.
 */
export function keyGroupOf(queue: QueueState, id: BackoffKeyId, storedGroup: number | null): number {
  if (isWideKey(id)) return WIDE_KEYS_GROUP
  const key = parseKey(id)
  if (key !== null && 'site' in key && ('egressIp' in key || key.kind === 'site')) return laneGroupOf(key.site)
  const stream = findStreamOfKey(queue, id)
  return stream === null ? (storedGroup ?? laneGroupOf(id.slice(id.lastIndexOf('|') + 1))) : laneGroupOf(stream.destination.site)
}
