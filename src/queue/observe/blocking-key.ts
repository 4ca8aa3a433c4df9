/**
 * blocking-key - what keeps a stream from sending at a moment
 *
 * The key that opens last; where an account has several IPs, of the way that opens first. Changes nothing. See also: queue/observe/lane-view, queue/schedule/lane.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { sendBudgetOf, opensAt } from '../backoff/key-state.ts'
import type { BackoffKey } from '../backoff/backoff-key.ts'
import type { BlockingKey } from '../message.ts'
import type { BackoffState } from '../backoff/backoff-state.ts'
import type { KeyState, QueueState, MessageStream } from '../queue-state.ts'

export type Blocker = { readonly keyState: KeyState; readonly opensAt: number }

/** Worst first. */
const STATE_SEVERITY = { paused: 4, probing: 3, throttled: 2, recovering: 1, active: 0 } as const satisfies Record<BackoffState, number>

export const soonerBlocker = (a: Blocker | null, b: Blocker | null): Blocker | null =>
  a === null || b === null ? null : a.opensAt <= b.opensAt ? a : b

function latestBlocker(queue: QueueState, keys: readonly BackoffKey[], now: number): Blocker | null {
  let last: Blocker | null = null
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined || !isClosed(queue, keyState, now)) continue
    const at = opensAt(keyState, now) ?? Infinity
    if (last === null || at > last.opensAt) last = { keyState, opensAt: at }
  }
  return last
}

/** Looks, and leaves the bucket as it was. */
function isClosed(queue: QueueState, keyState: KeyState, now: number): boolean {
  return sendBudgetOf(queue, { ...keyState }, now) <= 0
}

/** What holds a stream: the key that opens last on the way that opens first. Null: it may send. */
export function findBlocker(queue: QueueState, stream: MessageStream, now: number): Blocker | null {
  const streamBlocker = latestBlocker(queue, stream.keys, now)
  const pathBlockers = stream.egressPaths.map(({ keys }) => latestBlocker(queue, keys, now))
  const pathBlocker =
    pathBlockers.reduce<Blocker | null | undefined>((first, one) => (first === undefined ? one : soonerBlocker(first, one)), undefined) ??
    null
  if (streamBlocker === null) return pathBlocker
  return pathBlocker === null || streamBlocker.opensAt >= pathBlocker.opensAt ? streamBlocker : pathBlocker
}

/** The one that holds back most; null where all are open and at full speed. */
export function mostRestrictiveEpisode(episodes: readonly BackoffEpisode[]): BackoffEpisode | null {
  const restrictive = episodes.filter(({ state, rung }) => state !== 'active' || rung !== null)
  return restrictive.reduce<BackoffEpisode | null>(
    (most, one) => (most === null || STATE_SEVERITY[one.state] > STATE_SEVERITY[most.state] ? one : most),
    null,
  )
}

/** The same with its class and its last reply. Null: nothing holds it. */
export function findBlockingKey(queue: QueueState, stream: MessageStream, now: number): BlockingKey | null {
  const blocker = findBlocker(queue, stream, now)
  if (blocker === null) return null
  const episode = blocker.keyState.manual === null ? mostRestrictiveEpisode([...blocker.keyState.episodes.values()]) : null
  return { key: blocker.keyState.id, class: episode?.class ?? null, reply: episode?.evidence.at(-1) ?? null }
}
