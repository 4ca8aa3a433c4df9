/**
 * share-order - lanes in the order of their last shares: the lane that has sent nothing for the longest time comes first
 *
 * The ring of the lanes that may send and the lines at backoff keys have this one order. A lane that waited at a key therefore comes neither
 * behind lanes that did not have to wait there, nor before a lane that has waited longer for capacity.
 *
 * An entry that no longer holds stays in the heap until it comes first, or until such entries are more than half of the heap. Each step is
 * O(log n), amortised. Mutable. See also: queue/schedule/timer-heap, queue/schedule/lane-shares, queue/schedule/waiting-streams.
 */
import { type HeapEntry, popTimer, pushTimer } from './timer-heap.ts'

/** `lastShare` grows with each share. */
type Member = { readonly id: string; readonly lastShare: number }

/** `at`: the last share of the lane when it joined. */
type ShareEntry = HeapEntry & { readonly id: string }

/** `places`: the entry of each lane that is in the order, by its number. */
export type ShareOrder = { heap: ShareEntry[]; readonly places: Map<string, number>; joined: number }

/** A heap of fewer entries is not worth cleaning. */
const MIN_CLEANED_SIZE = 64

export const emptyShareOrder = (): ShareOrder => ({ heap: [], places: new Map(), joined: 0 })

const isValid = ({ places }: ShareOrder, { id, order }: ShareEntry): boolean => places.get(id) === order

/** Adds a lane at the place of its last share. A lane that is in the order already keeps its place. */
export function joinShareOrder(order: ShareOrder, { id, lastShare }: Member): void {
  if (order.places.has(id)) return
  order.joined += 1
  order.places.set(id, order.joined)
  pushTimer(order.heap, { at: lastShare, order: order.joined, id })
  if (order.heap.length > 2 * order.places.size + MIN_CLEANED_SIZE) dropStaleEntries(order)
}

/** Removes a lane. */
export function leaveShareOrder(order: ShareOrder, id: string): void {
  order.places.delete(id)
}

/** The first lane; null: there is none. `members`: the lanes that exist. `afterShare`: what a lane does that got a share since it joined. */
export function firstByShare<T extends Member>(
  order: ShareOrder,
  members: ReadonlyMap<string, T>,
  afterShare: 'moves' | 'stays',
): T | null {
  for (let first = order.heap[0]; first !== undefined; first = order.heap[0]) {
    const member = isValid(order, first) ? members.get(first.id) : undefined
    if (member !== undefined && (afterShare === 'stays' || member.lastShare <= first.at)) return member
    popTimer(order.heap)
    if (!isValid(order, first)) continue
    order.places.delete(first.id)
    if (member !== undefined) joinShareOrder(order, member)
  }
  return null
}

function dropStaleEntries(order: ShareOrder): void {
  const valid = order.heap.filter((entry) => isValid(order, entry))
  order.heap = []
  for (const entry of valid) pushTimer(order.heap, entry)
}
