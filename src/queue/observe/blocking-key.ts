/**
 * blocking-key - finds the key that keeps a stream from sending
 *
 * It is the key that opens last; where an account has several egress IPs, the one on the path that opens first.
 * Changes nothing. See also: queue/observe/lane-view, queue/schedule/lane.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { opensAt, sendBudgetOf } from '../backoff/send-budget.ts'
import type { BackoffKeyId } from '../backoff/backoff-key.ts'
import type { BlockingKey } from '../message.ts'
import type { BackoffState } from '../backoff/backoff-state.ts'
import { routeOf } from '../stream-route.ts'
import type { KeyState, QueueState, MessageStream } from '../queue-state.ts'

/** A closed key. `opensAt`: Infinity where only a result or an operator opens it. */
export type Blocker = { readonly keyState: KeyState; readonly opensAt: number }

/** The higher, the more the state holds back. */
const STATE_SEVERITY = { paused: 4, probing: 3, throttled: 2, recovering: 1, active: 0 } as const satisfies Record<BackoffState, number>

/** Of two paths the blocker of the one that opens first; null if one of them is open. */
export const soonerBlocker = (a: Blocker | null, b: Blocker | null): Blocker | null =>
  a === null || b === null ? null : a.opensAt <= b.opensAt ? a : b

/** Of the closed keys among these, the one that opens last; null: all are open. */
export function findClosedBlocker(queue: QueueState, keys: readonly BackoffKeyId[], now: number): Blocker | null {
  let last: Blocker | null = null
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || !isClosed(queue, keyState, now)) continue
    const at = opensAt(queue, keyState, now) ?? Infinity
    if (last === null || at > last.opensAt) last = { keyState, opensAt: at }
  }
  return last
}

/** Reads the budget from a copy, so that the bucket stays as it is. */
function isClosed(queue: QueueState, keyState: KeyState, now: number): boolean {
  return sendBudgetOf(queue, { ...keyState }, now) <= 0
}

/** The key that blocks a stream: the one that opens last on the path that opens first. Null: the stream may send. */
export function findBlocker(queue: QueueState, stream: MessageStream, now: number): Blocker | null {
  const route = routeOf(queue, stream)
  const streamBlocker = findClosedBlocker(queue, route.keys, now)
  const pathBlockers = route.egressPaths.map(({ keys }) => findClosedBlocker(queue, keys, now))
  const pathBlocker =
    pathBlockers.reduce<Blocker | null | undefined>((first, one) => (first === undefined ? one : soonerBlocker(first, one)), undefined) ??
    null
  if (streamBlocker === null) return pathBlocker
  return pathBlocker === null || streamBlocker.opensAt >= pathBlocker.opensAt ? streamBlocker : pathBlocker
}

/** How much an episode holds back: 0 not at all. */
export const severityOf = (episode: BackoffEpisode | null): number => (episode === null ? 0 : STATE_SEVERITY[episode.state])

/** The episode that holds back most; null where all are active at full speed. */
export function mostRestrictiveEpisode(episodes: readonly BackoffEpisode[]): BackoffEpisode | null {
  const restrictive = episodes.filter(({ state, rung }) => state !== 'active' || rung !== null)
  return restrictive.reduce<BackoffEpisode | null>(
    (most, one) => (most === null || STATE_SEVERITY[one.state] > STATE_SEVERITY[most.state] ? one : most),
    null,
  )
}

/** The blocking key of a stream with its class and its last reply. Null: the stream may send. */
export function findBlockingKey(queue: QueueState, stream: MessageStream, now: number): BlockingKey | null {
  const blocker = findBlocker(queue, stream, now)
  if (blocker === null) return null
  const episode = blocker.keyState.manualPause === null ? mostRestrictiveEpisode([...blocker.keyState.episodes.values()]) : null
  return { key: blocker.keyState.id, class: episode?.class ?? null, reply: episode?.evidence.at(-1) ?? null }
}
