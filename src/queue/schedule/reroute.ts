/**
 * reroute - a waiting mail's domain has other hosts than were known when it came
 *
 * The keys that cover it are others now: it goes to the stream that they cover, at the end of its line. What is in flight keeps its keys
 * until it is answered. Mutates the stock that it is given. See also: service/deliver/sender (who sees it), queue/schedule/lane.
 */
import type { Destination } from '../backoff/backoff-key.ts'
import { adjustWaiting, makeReady, advanceProbes, getOrCreateStream } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { QueueState } from '../queue-state.ts'

/** The part of a destination that DNS knows. */
export type ResolvedDestination = Pick<Destination, 'site' | 'gateway' | 'mxSet'>

/** Whether mail to these two is covered by the same keys. */
export const isSameResolution = (a: ResolvedDestination, b: ResolvedDestination): boolean =>
  a.site === b.site && a.gateway === b.gateway && a.mxSet === b.mxSet

/** Puts a waiting mail where its domain is now. What moved by it; nothing for one in flight, or gone, or there already. */
export function rerouteMessage(queue: QueueState, id: MailId, resolved: ResolvedDestination, now: number): QueueEvent[] {
  const entry = queue.entries.get(id)
  if (entry === undefined || entry.state === 'flight' || isSameResolution(entry.message, resolved)) return []
  const { site, gateway, mxSet } = resolved
  const before = queue.streams.get(entry.stream)
  entry.message = { ...entry.message, site, gateway, mxSet }
  const after = getOrCreateStream(queue, entry.message, entry.refusedBy)
  entry.stream = after.id
  adjustWaiting(queue, after, 1)
  if (entry.state === 'ready') makeReady(queue, entry)
  if (before === undefined) return []
  adjustWaiting(queue, before, -1)
  return advanceProbes(queue, before, now)
}
