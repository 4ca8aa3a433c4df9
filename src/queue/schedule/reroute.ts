/**
 * reroute - a waiting mail's domain has other hosts than were known when it came
 *
 * The keys that cover it are others now: it goes to the stream that they cover, at the end of its line. What is in flight keeps its keys
 * until it is answered. Mutates the stock that it is given. See also: service/deliver/sender (who sees it), queue/schedule/lane.
 */
import type { Destination } from '../backoff/backoff-key.ts'
import { countWaiting, makeReady, passProbes, streamOf } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { Stock } from '../queue-state.ts'

/** The part of a destination that DNS knows. */
export type Place = Pick<Destination, 'site' | 'gateway' | 'mxSet'>

/** Whether mail to these two is covered by the same keys. */
export const isSamePlace = (a: Place, b: Place): boolean => a.site === b.site && a.gateway === b.gateway && a.mxSet === b.mxSet

/** Puts a waiting mail where its domain is now. What moved by it; nothing for one in flight, or gone, or there already. */
export function moveMail(queue: Stock, id: MailId, place: Place, now: number): QueueEvent[] {
  const held = queue.mails.get(id)
  if (held === undefined || held.place === 'flight' || isSamePlace(held.mail, place)) return []
  const { site, gateway, mxSet } = place
  const before = queue.streams.get(held.stream)
  held.mail = { ...held.mail, site, gateway, mxSet }
  const after = streamOf(queue, held.mail, held.refusedBy)
  held.stream = after.id
  countWaiting(queue, after, 1)
  if (held.place === 'ready') makeReady(queue, held)
  if (before === undefined) return []
  countWaiting(queue, before, -1)
  return passProbes(queue, before, now)
}
