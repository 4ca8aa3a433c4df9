/**
 * saved - a queue as text, and back
 *
 * JSON with two marks: a Map is `{"map": [[key, value], …]}`, a Set `{"set": […]}`, both in their order, which is part of what they mean.
 * Infinity never stands in a queue. The policy and the ladder are code and are not saved: a queue may be loaded under another policy.
 *
 * `episodesOf` and `placeEpisodes` are for a store that keeps a row a key: what was learnt of keys outlives a queue that is filled anew.
 *
 * Pure. See also: queue/stock, queue/queue.
 */
import { Fault } from '../error.ts'
import type { Episode } from './episode.ts'
import { gateOf, refresh, setGateTimer } from './gate.ts'
import type { QueueEvent } from './mail.ts'
import type { Policy } from './policy.ts'
import { answer } from './answer.ts'
import { RETRY, type RetryLadder } from './retry.ts'
import type { KeyId } from './key.ts'
import type { Gate, Stock } from './stock.ts'

/** Rises when the shape changes. */
const VERSION = 1

function mark(_key: string, value: unknown): unknown {
  if (value instanceof Map) return { map: [...value] }
  return value instanceof Set ? { set: [...value] } : value
}

function unmark(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('map' in value && Array.isArray(value.map)) return new Map(value.map)
  return 'set' in value && Array.isArray(value.set) ? new Set(value.set) : value
}

/** The whole of a queue. */
export function saveQueue(queue: Stock): string {
  const { policy, retry: _ladder, ...rest } = queue
  return JSON.stringify({ v: VERSION, policy: policy.name, ...rest }, mark)
}

const isSaved = (value: unknown): value is Omit<Stock, 'policy' | 'retry'> & { readonly v: number } =>
  typeof value === 'object' && value !== null && 'v' in value && value.v === VERSION

/** The queue that was saved. Fault `bad_request` for a text of another version. What saveQueue did not write is not checked further. */
export function loadQueue(text: string, policy: Policy, retry: RetryLadder = RETRY.default): Stock {
  const value: unknown = JSON.parse(text, unmark)
  if (!isSaved(value)) throw new Fault('bad_request', 'this is no saved queue of this version')
  const { v: _version, ...rest } = value
  return { ...rest, policy, retry }
}

/** After a crash nobody will answer what was in flight: it waits again. Probes among it may be sent again. */
export function recallAll(queue: Stock, now: number): QueueEvent[] {
  return [...queue.flights.keys()].flatMap((number) => answer(queue, number, { kind: 'recalled' }, now))
}

/** What is known of all keys: one row an episode, plain JSON. */
export function episodesOf(queue: Stock): Episode[] {
  return [...queue.gates.values()].flatMap((gate) => [...gate.episodes.values()])
}

/** What else is known of a key: an operator's pause and rate, the rate and the connections that it learnt, and how far its IP has warmed up. Plain JSON. */
export type GateNote = Pick<Gate, 'manual' | 'limit' | 'pace' | 'breadth' | 'warming'> & { readonly key: KeyId }

/** The notes of all keys of which there is something to note. */
export function gateNotesOf(queue: Stock): GateNote[] {
  return [...queue.gates.values()].flatMap(({ id, manual, limit, pace, breadth, warming }) => {
    const note = { key: id, manual, limit, pace, breadth, warming }
    return [manual, limit, pace, breadth, warming].every((each) => each === null) ? [] : [note]
  })
}

/** Puts stored notes into a queue in which they are not. A pause whose time is over ends at the next turn. */
export function placeGateNotes(queue: Stock, notes: readonly GateNote[], now: number): void {
  for (const { key, manual, limit, pace, breadth, warming } of notes) {
    const gate = gateOf(queue, key, now)
    // Numbers of dispatches begin anew with a queue.
    const learnt = { pace: pace === null ? null : { ...pace, epoch: 0 }, breadth: breadth === null ? null : { ...breadth, epoch: 0 } }
    Object.assign(gate, { manual, limit, warming, ...learnt })
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
