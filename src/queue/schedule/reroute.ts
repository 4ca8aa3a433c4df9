/**
 * reroute - moves a waiting message whose domain has other MX hosts than when it was enqueued
 *
 * Other keys cover the message now, so it moves to the end of another stream. A message in flight keeps its keys until its result is in.
 * Mutates the queue. See also: service/deliver/sender (notices it), queue/schedule/lane.
 */
import type { Destination } from '../backoff/backoff-key.ts'
import { adjustWaiting, makeReady, advanceProbes, getOrCreateStream } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { MessageStream, QueueEntry, QueueState } from '../queue-state.ts'

/** The part of a destination that comes from DNS. */
export type ResolvedDestination = Pick<Destination, 'site' | 'gateway' | 'mxSet'>

/** Whether the same keys cover messages to both. */
const isSameResolution = (a: ResolvedDestination, b: ResolvedDestination): boolean =>
  a.site === b.site && a.gateway === b.gateway && a.mxSet === b.mxSet

/** Moves a waiting message to its domain's present hosts. Does nothing for a message in flight, unknown, or already there. */
export function rerouteMessage(queue: QueueState, id: MailId, resolved: ResolvedDestination, now: number): QueueEvent[] {
  const entry = queue.entries.get(id)
  if (entry === undefined || entry.state === 'in-flight' || isSameResolution(entry.message, resolved)) return []
  const { site, gateway, mxSet } = resolved
  entry.message = { ...entry.message, site, gateway, mxSet }
  const before = moveToItsStream(queue, entry)
  return before === null ? [] : advanceProbes(queue, before, now)
}

/** Moves a waiting message to the stream of the keys that cover it now. Returns the stream that it has left, or null. */
export function moveToItsStream(queue: QueueState, entry: QueueEntry): MessageStream | null {
  const before = queue.streams.get(entry.stream)
  const after = getOrCreateStream(queue, entry.message, entry.refusedBy)
  if (after === before) return null
  entry.stream = after.id
  adjustWaiting(queue, after, 1)
  if (entry.state === 'ready') makeReady(queue, entry)
  if (before === undefined) return null
  adjustWaiting(queue, before, -1)
  return before
}
