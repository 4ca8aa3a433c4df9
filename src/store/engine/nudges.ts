/**
 * nudges - tells the nodes of a store that it holds new work, so that they look at once and not at their next poll
 *
 * A nudge carries nothing and may be lost: what it speaks of is in the store, and every node polls.
 * See also: store/engine/postgres/notified-nudges (the nudges of several nodes), service/deliver/deliverer (listens), docs/SCALE.md.
 */
export type Nudges = {
  /** Call it after the commit of mail for the delivery queue, or of a command to it. Never throws. */
  readonly send: () => void
  /** Calls `listener` at each nudge, of this node at once. The returned function ends that. */
  readonly listen: (listener: () => void) => () => void
}

/** The nudges within one process. */
export function createLocalNudges(): Nudges {
  const listeners = new Set<() => void>()
  return {
    send: () => {
      for (const listener of listeners) listener()
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
