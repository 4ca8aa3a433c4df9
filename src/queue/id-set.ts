/**
 * id-set - a set of ids of which there is mostly one
 *
 * A `Set` of one id takes 200 bytes, and each lane of the queue is in several. Plain JSON but for `Set`; the order is that of insertion.
 * See also: queue/queue-state.
 */

/** Null: it is empty. A single id stands for itself. */
export type IdSet = string | Set<string> | null

/** The set with one more id. */
export function withId(set: IdSet, id: string): IdSet {
  if (set === null || set === id) return id
  return typeof set === 'string' ? new Set([set, id]) : set.add(id)
}

/** The set without an id. */
export function withoutId(set: IdSet, id: string): IdSet {
  if (set === null || set === id) return null
  if (typeof set === 'string') return set
  set.delete(id)
  return set.size === 0 ? null : set
}

export const idsOf = (set: IdSet): Iterable<string> => (set === null ? [] : typeof set === 'string' ? [set] : set)
