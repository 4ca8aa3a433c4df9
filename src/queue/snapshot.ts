/**
 * snapshot - what is known about backoff keys, as plain JSON for a store, and back
 *
 * Lets this knowledge survive a restart, after which the queue is filled again. The messages themselves are added with `enqueue`.
 * The members of the stored rows are final: released stores hold them.
 *
 * Pure. See also: queue/queue-state, service/deliver/key-persistence.
 */
import type { BackoffEpisode } from './backoff/backoff-episode.ts'
import type { BackoffKeyId } from './backoff/backoff-key.ts'
import { endAt } from './backoff/sliding-count.ts'
import { getOrCreateKeyState, refreshBackoffLimits, setKeyTimer } from './backoff/key-state.ts'
import type { KeyState, QueueState } from './queue-state.ts'
import { setManualPause } from './schedule/label-pause.ts'
import { putEpisode } from './backoff/key-episodes.ts'
import { getOrCreateLane } from './schedule/lane.ts'

/** The episodes of all keys but those of this host alone: one row per episode, plain JSON. */
export function snapshotEpisodes(queue: QueueState): BackoffEpisode[] {
  return [...queue.keyStates.values()].flatMap(({ key, episodes }) => (key?.kind === 'own' ? [] : [...episodes.values()]))
}

/** The stored form of what else is known about a key. Plain JSON. */
export type KeyStateSnapshot = {
  readonly key: BackoffKeyId
  readonly manual: KeyState['manualPause']
  /** The hold periods. Absent in rows of the first release. */
  readonly spans?: KeyState['holdPeriods']
  /** The operator's rate. */
  readonly limit: KeyState['operatorRate']
  /** The learnt rate. */
  readonly pace: KeyState['learnedRate']
  /** The learnt concurrency. */
  readonly breadth: KeyState['learnedConcurrency']
  readonly warming: KeyState['warmUp']
}

/** One row per key about which there is something to keep besides its episodes. */
export function snapshotKeyStates(queue: QueueState): KeyStateSnapshot[] {
  return [...queue.keyStates.values()].flatMap((keyState) => {
    const { id: key, manualPause: manual, holdPeriods: spans, operatorRate: limit } = keyState
    const { learnedRate: pace, learnedConcurrency: breadth, warmUp: warming } = keyState
    const isEmpty = spans.length === 0 && [manual, limit, pace, breadth, warming].every((each) => each === null)
    return isEmpty ? [] : [{ key, manual, spans, limit, pace, breadth, warming }]
  })
}

/** Restores stored rows into a queue that does not have them. A pause whose time is over ends at the next dispatch. */
export function restoreKeyStates(queue: QueueState, snapshots: readonly KeyStateSnapshot[], now: number): void {
  for (const { key, manual, spans, limit, pace, breadth, warming } of snapshots) {
    const keyState = getOrCreateKeyState(queue, key, now)
    setManualPause(queue, keyState, manual)
    keyState.holdPeriods = spans ?? []
    keyState.operatorRate = limit
    showLane(queue, keyState)
    keyState.warmUp = warming
    // The dispatch numbers of a new queue start at the beginning.
    keyState.learnedRate = pace === null ? null : { ...pace, epoch: 0 }
    keyState.learnedConcurrency = breadth === null ? null : { ...breadth, epoch: 0 }
    setKeyTimer(queue, keyState, now)
  }
}

/** The lane of a domain that a person paused or slowed is visible, with or without mail. */
function showLane(queue: QueueState, { key, manualPause, operatorRate }: KeyState): void {
  if (key?.kind === 'manual' && key.domain !== null && manualPause !== null)
    getOrCreateLane(queue, { account: key.account, domain: key.domain })
  if (key?.kind === 'lane' && operatorRate !== null) getOrCreateLane(queue, key)
}

/** An episode that was stored while the clock was ahead: nothing in it has happened later than now, and a pause is not longer than it was. */
function withoutFuture(episode: BackoffEpisode, now: number): BackoffEpisode {
  const { until, pausedMs, counts } = episode
  return {
    ...episode,
    since: Math.min(episode.since, now),
    until: until === null || pausedMs === 0 ? until : Math.min(until, now + pausedMs),
    troubleAt: Math.min(episode.troubleAt, now),
    counts: counts.map(({ hits, of }) => ({ hits: endAt(hits, now), of: endAt(of, now) })),
    movedAt: Math.min(episode.movedAt, now),
    rungAt: Math.min(episode.rungAt, now),
  }
}

/** Restores stored episodes into a queue that does not have them. A probe that was in flight restarts. */
export function restoreEpisodes(queue: QueueState, episodes: readonly BackoffEpisode[], now: number): void {
  for (const stored of episodes) {
    const episode = withoutFuture(stored, now)
    const keyState = getOrCreateKeyState(queue, episode.key, now)
    putEpisode(queue, keyState, { ...episode, sent: 0, answered: 0 })
    queue.sequence = Math.max(queue.sequence, episode.epoch)
    refreshBackoffLimits(queue, keyState)
    setKeyTimer(queue, keyState, now)
  }
}
