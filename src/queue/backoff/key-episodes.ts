/**
 * key-episodes - writes the episodes of a key, and keeps the index of the keys that probe
 *
 * Most keys have no episode: they share one empty table. Mutates the queue. See also: queue/backoff/key-state, queue/backoff/backoff-episode.
 */
import type { KeyState, QueueState } from '../queue-state.ts'
import type { BackoffClassName } from './backoff-classes.ts'
import type { BackoffEpisode } from './backoff-episode.ts'

export const NO_EPISODES: ReadonlyMap<BackoffClassName, BackoffEpisode> = new Map()

/** Sets the episode of its class. A class that has one keeps its place in the order. */
export function putEpisode(queue: QueueState, keyState: KeyState, episode: BackoffEpisode): void {
  const { episodes, id } = keyState
  if (episodes.get(episode.class) === episode) return
  keyState.episodes = new Map(episodes).set(episode.class, episode)
  if (episode.state === 'probing') queue.probingKeys.add(id)
  else if (queue.probingKeys.has(id) && [...keyState.episodes.values()].every(({ state }) => state !== 'probing'))
    queue.probingKeys.delete(id)
}
