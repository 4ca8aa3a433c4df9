/**
 * snapshot - what is known of keys, and back
 *
 * For a store that keeps a row a key: what was learnt of keys outlives a queue that is filled anew. Its mails come back by `offer`.
 *
 * Pure. See also: queue/queue-state, service/deliver/key-persistence.
 */
import type { Episode } from './backoff/backoff-episode.ts'
import { gateOf, refresh, setGateTimer } from './backoff/key-state.ts'
import type { KeyId } from './backoff/backoff-key.ts'
import type { Gate, Stock } from './queue-state.ts'

/** What is known of all keys: one row an episode, plain JSON. */
export function episodesOf(queue: Stock): Episode[] {
  return [...queue.gates.values()].flatMap((gate) => [...gate.episodes.values()])
}

/** What else is known of a key: an operator's pause and rate, when it was held by hand, the rate and the connections that it learnt, and how far its IP has warmed up. Plain JSON. */
export type GateNote = Pick<Gate, 'manual' | 'limit' | 'pace' | 'breadth' | 'warming'> & {
  readonly key: KeyId
  readonly spans?: Gate['spans']
}

/** The notes of all keys of which there is something to note. */
export function gateNotesOf(queue: Stock): GateNote[] {
  return [...queue.gates.values()].flatMap(({ id, manual, spans, limit, pace, breadth, warming }) => {
    const note = { key: id, manual, spans, limit, pace, breadth, warming }
    return spans.length === 0 && [manual, limit, pace, breadth, warming].every((each) => each === null) ? [] : [note]
  })
}

/** Puts stored notes into a queue in which they are not. A pause whose time is over ends at the next turn. */
export function placeGateNotes(queue: Stock, notes: readonly GateNote[], now: number): void {
  for (const { key, manual, spans, limit, pace, breadth, warming } of notes) {
    const gate = gateOf(queue, key, now)
    // Numbers of dispatches begin anew with a queue.
    const learnt = { pace: pace === null ? null : { ...pace, epoch: 0 }, breadth: breadth === null ? null : { ...breadth, epoch: 0 } }
    Object.assign(gate, { manual, spans: spans ?? [], limit, warming, ...learnt })
    setGateTimer(queue, gate, now)
  }
}

/** Puts stored episodes into a queue in which they are not; a probe that was out begins anew. */
export function placeEpisodes(queue: Stock, episodes: readonly Episode[], now: number): void {
  for (const episode of episodes) {
    const gate = gateOf(queue, episode.key, now)
    gate.episodes.set(episode.class, { ...episode, sent: 0, answered: 0 })
    queue.sequence = Math.max(queue.sequence, episode.epoch)
    refresh(queue, gate)
    setGateTimer(queue, gate, now)
  }
}
