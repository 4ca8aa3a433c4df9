/**
 * work-hints - tells the nodes of a store that it holds new work, so that they look at once and not at their next poll
 *
 * A hint carries nothing and may be lost: what it speaks of is in the store, and every node polls.
 * See also: store/engine/postgres/notified-hints (the hints of several nodes), service/deliver/deliverer (listens), docs/SCALE.md.
 */
export type WorkHints = {
  /** Call it after the commit of mail for the delivery queue, or of a command to it. Never throws. */
  readonly send: () => void
  /** Calls `listener` at each hint, of this node at once. The returned function ends that. */
  readonly listen: (listener: () => void) => () => void
}

/** The hints within one process. */
export function createLocalHints(): WorkHints {
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
