/**
 * blocking-key - what keeps a stream from sending at a moment
 *
 * The key that opens last; where an account has several IPs, of the way that opens first. Changes nothing. See also: queue/observe/lane-view, queue/schedule/lane.
 */
import type { Episode } from '../backoff/backoff-episode.ts'
import { budgetOf, opensAt } from '../backoff/key-state.ts'
import type { KeyId } from '../backoff/backoff-key.ts'
import type { HeldBy } from '../message.ts'
import type { State } from '../backoff/backoff-state.ts'
import type { Gate, Stock, Stream } from '../queue-state.ts'

export type Hold = { readonly gate: Gate; readonly at: number }

/** Worst first. */
const WEIGHT = { paused: 4, probing: 3, throttled: 2, recovering: 1, active: 0 } as const satisfies Record<State, number>

export const soonest = (a: Hold | null, b: Hold | null): Hold | null => (a === null || b === null ? null : a.at <= b.at ? a : b)

function latest(queue: Stock, keys: readonly KeyId[], now: number): Hold | null {
  let last: Hold | null = null
  for (const key of keys) {
    const gate = queue.gates.get(key)
    if (gate === undefined || !isShut(queue, gate, now)) continue
    const at = opensAt(gate, now) ?? Infinity
    if (last === null || at > last.at) last = { gate, at }
  }
  return last
}

/** Looks, and leaves the bucket as it was. */
function isShut(queue: Stock, gate: Gate, now: number): boolean {
  return budgetOf(queue, { ...gate }, now) <= 0
}

/** What holds a stream: the key that opens last on the way that opens first. Null: it may send. */
export function holdOf(queue: Stock, stream: Stream, now: number): Hold | null {
  const own = latest(queue, stream.keys, now)
  const ways = stream.ways.map(({ keys }) => latest(queue, keys, now))
  const way = ways.reduce<Hold | null | undefined>((first, one) => (first === undefined ? one : soonest(first, one)), undefined) ?? null
  if (own === null) return way
  return way === null || own.at >= way.at ? own : way
}

/** The one that holds back most; null where all are open and at full speed. */
export function worst(episodes: readonly Episode[]): Episode | null {
  const held = episodes.filter(({ state, rung }) => state !== 'active' || rung !== null)
  return held.reduce<Episode | null>((most, one) => (most === null || WEIGHT[one.state] > WEIGHT[most.state] ? one : most), null)
}

/** The same with its class and its last reply. Null: nothing holds it. */
export function heldByOf(queue: Stock, stream: Stream, now: number): HeldBy | null {
  const hold = holdOf(queue, stream, now)
  if (hold === null) return null
  const episode = hold.gate.manual === null ? worst([...hold.gate.episodes.values()]) : null
  return { key: hold.gate.id, class: episode?.class ?? null, reply: episode?.evidence.at(-1) ?? null }
}
