/**
 * lane-limits - what holds a lane back now: the key that closes it, the episode that slows it, and the rate in force
 *
 * A lane that may leave by another egress IP is not held back by the one that is paused: of several paths the best counts. A lane without
 * messages is judged by its own keys: an operator's pause and rate show before there is mail. Changes nothing. See also: queue/observe/lane-view.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { BACKOFF_KEYS, type BackoffKeyId } from '../backoff/backoff-key.ts'
import { minLimit, rateLimitOf } from '../backoff/send-budget.ts'
import type { Lane, MessageStream, QueueState } from '../queue-state.ts'
import { idsOf } from '../id-set.ts'
import { routeOf } from '../stream-route.ts'
import { type Blocker, findBlocker, findClosedBlocker, mostRestrictiveEpisode, soonerBlocker, severityOf } from './blocking-key.ts'

/** The keys of a lane whatever its messages. */
const laneKeys = (lane: Lane): BackoffKeyId[] => [lane.id, BACKOFF_KEYS.manual(lane), BACKOFF_KEYS.manualAll(lane)]

/** The streams of a lane that have messages; if none has, all. */
export function relevantStreams(queue: QueueState, lane: Lane): readonly MessageStream[] {
  const streams = [...idsOf(lane.streams)].flatMap((id) => queue.streams.get(id) ?? [])
  const busy = streams.filter(({ waiting }) => waiting > 0)
  return busy.length > 0 ? busy : streams
}

/** The key that closes the lane; null: a stream of it may send. */
export function findLaneBlocker(queue: QueueState, lane: Lane, streams: readonly MessageStream[], now: number): Blocker | null {
  const [first, ...others] = streams.map((stream) => findBlocker(queue, stream, now))
  if (first === undefined) return findClosedBlocker(queue, laneKeys(lane), now)
  return others.reduce<Blocker | null>(soonerBlocker, first)
}

/** The episode that slows a lane that may send: of the keys of its destinations, and of the path that is held back least. */
export function findSlowingEpisode(queue: QueueState, streams: readonly MessageStream[]): BackoffEpisode | null {
  const episodesOf = (keys: readonly BackoffKeyId[]): BackoffEpisode[] =>
    keys.flatMap((key) => [...(queue.keyStates.get(key)?.episodes.values() ?? [])])
  const slowing = streams.flatMap((stream) => {
    const route = routeOf(queue, stream)
    const paths = route.egressPaths.map(({ keys }) => mostRestrictiveEpisode(episodesOf(keys)))
    const best = paths.toSorted((a, b) => severityOf(a) - severityOf(b))[0] ?? null
    return [...episodesOf(route.keys), ...(best === null ? [] : [best])]
  })
  return mostRestrictiveEpisode(slowing)
}

/** Messages a minute that the keys of a lane allow by backoff, learnt rate and an operator's rate; null: no limit. */
export function rateInForce(queue: QueueState, lane: Lane, streams: readonly MessageStream[]): number | null {
  const limitOf = (keys: readonly BackoffKeyId[]): number | null =>
    keys.reduce<number | null>((lowest, key) => {
      const keyState = queue.keyStates.get(key)
      return keyState === undefined ? lowest : minLimit(lowest, rateLimitOf(queue, keyState))
    }, null)
  const isOpen = (keys: readonly BackoffKeyId[]): boolean =>
    keys.every((key) => (queue.keyStates.get(key)?.backoffLimits.closedUntil ?? false) === false)
  if (streams.length === 0) return limitOf(laneKeys(lane))
  const limits = streams.map((stream) => {
    const route = routeOf(queue, stream)
    const paths = route.egressPaths.filter(({ keys }) => isOpen(keys)).map(({ keys }) => limitOf(keys))
    const ofPaths = paths.reduce<number | null>((sum, each) => (sum === null || each === null ? null : sum + each), 0)
    return minLimit(limitOf(route.keys), ofPaths)
  })
  return limits.reduce<number | null>((most, each) => (most === null || each === null ? null : Math.max(most, each)), 0)
}
