/**
 * snapshot - what is known of keys, and back
 *
 * For a store that keeps a row a key: what was learnt of keys outlives a queue that is filled anew. Its mails come back by `offer`.
 *
 * Pure. See also: queue/queue-state, service/deliver/key-persistence.
 */
import type { BackoffEpisode } from './backoff/backoff-episode.ts'
import { getOrCreateKeyState, refreshBackoffLimits, setKeyTimer } from './backoff/key-state.ts'
import type { BackoffKey } from './backoff/backoff-key.ts'
import type { KeyState, QueueState } from './queue-state.ts'

/** What is known of all keys: one row an episode, plain JSON. */
export function snapshotEpisodes(queue: QueueState): BackoffEpisode[] {
  return [...queue.keyStates.values()].flatMap((keyState) => [...keyState.episodes.values()])
}

/** What else is known of a key: an operator's pause and rate, when it was held by hand, the rate and the connections that it learnt, and how far its IP has warmed up. Plain JSON. */
export type KeyStateSnapshot = Pick<KeyState, 'manual' | 'limit' | 'pace' | 'breadth' | 'warming'> & {
  readonly key: BackoffKey
  readonly spans?: KeyState['spans']
}

/** The notes of all keys of which there is something to note. */
export function snapshotKeyStates(queue: QueueState): KeyStateSnapshot[] {
  return [...queue.keyStates.values()].flatMap(({ id, manual, spans, limit, pace, breadth, warming }) => {
    const snapshot = { key: id, manual, spans, limit, pace, breadth, warming }
    return spans.length === 0 && [manual, limit, pace, breadth, warming].every((each) => each === null) ? [] : [snapshot]
  })
}

/** Puts stored notes into a queue in which they are not. A pause whose time is over ends at the next turn. */
export function restoreKeyStates(queue: QueueState, snapshots: readonly KeyStateSnapshot[], now: number): void {
  for (const { key, manual, spans, limit, pace, breadth, warming } of snapshots) {
    const keyState = getOrCreateKeyState(queue, key, now)
    // Numbers of dispatches begin anew with a queue.
    const learned = { pace: pace === null ? null : { ...pace, epoch: 0 }, breadth: breadth === null ? null : { ...breadth, epoch: 0 } }
    Object.assign(keyState, { manual, spans: spans ?? [], limit, warming, ...learned })
    setKeyTimer(queue, keyState, now)
  }
}

/** Puts stored episodes into a queue in which they are not; a probe that was out begins anew. */
export function restoreEpisodes(queue: QueueState, episodes: readonly BackoffEpisode[], now: number): void {
  for (const episode of episodes) {
    const keyState = getOrCreateKeyState(queue, episode.key, now)
    keyState.episodes.set(episode.class, { ...episode, sent: 0, answered: 0 })
    queue.sequence = Math.max(queue.sequence, episode.epoch)
    refreshBackoffLimits(queue, keyState)
    setKeyTimer(queue, keyState, now)
  }
}
