/**
 * release-groups - forgets the lane groups that another node has taken
 *
 * Waiting messages leave the queue as if they had never been there; messages in flight stay until their result is in. Keys of these groups are forgotten with
 * their timers; keys wider than a site stay, because they cover messages of the held groups too. Mutates the queue. See also: queue/lane-group, service/deliver/delivery-loop.
 */
import { isWideKey, keyGroupOf, laneGroupOf, type HeldGroups } from '../lane-group.ts'
import type { QueueEvent } from '../message.ts'
import type { QueueState } from '../queue-state.ts'
import { isAwaited } from './waiting-streams.ts'
import { withdrawMessage } from './withdraw.ts'

/** Forgets all groups but the held ones. Returns the events of keys of the held groups. */
export function releaseGroups(queue: QueueState, held: HeldGroups, now: number): QueueEvent[] {
  const isReleased = (site: string): boolean => !held.has(laneGroupOf(site))
  const keys = [...queue.keyStates.keys()].filter((id) => !isWideKey(id) && !held.has(keyGroupOf(queue, id, null)))
  const leaving = [...queue.entries.values()].filter(({ message, state }) => state !== 'in-flight' && isReleased(message.site))
  for (const { id, site } of queue.scheduled.values()) if (isReleased(site)) queue.scheduled.delete(id)
  const events = leaving.flatMap(({ message }) => withdrawMessage(queue, message.id, now))
  for (const id of keys) {
    if (isUsed(queue, id)) continue
    queue.keyStates.delete(id)
    queue.probingKeys.delete(id)
  }
  for (const site of queue.cleanAttempts.keys()) if (isReleased(site)) queue.cleanAttempts.delete(site)
  return events
}

/** Streams of held groups wait at the key. */
const isUsed = (queue: QueueState, id: string): boolean => isAwaited(queue.keyStates.get(id))
