/**
 * garbage-collect - what is known of keys, streams and lanes on which nothing happens any more is forgotten
 *
 * A key is forgotten when its windows are empty and nothing holds it; n and manual pauses, of late or now, keep it. Called now and then; what it drops
 * would be made again just so. Mutates the stock that it is given. See also: queue/queue-state.
 */
import { forgetSpans } from './hold-time.ts'
import { sizeOf } from './fifo.ts'
import { KEYS } from '../backoff/backoff-key.ts'
import { dropStream } from './lane.ts'
import { seriesOf } from '../observe/throughput.ts'
import { sweepRooms } from './fair-share.ts'
import type { Gate, Lane, Stock } from '../queue-state.ts'
import { sum } from '../backoff/sliding-count.ts'

export const SWEEP_EVERY = 3_600_000

/** Forgets what is spent. */
export function sweep(queue: Stock, now: number): void {
  queue.sweptAt = now
  sweepRooms(queue)
  for (const stream of queue.streams.values()) {
    if (stream.waiting === 0 && stream.place === 'idle') dropStream(queue, stream)
  }
  const oldest = queue.flights.keys().next().value ?? Infinity
  for (const gate of queue.gates.values()) forgetSpans(gate, now)
  for (const gate of queue.gates.values()) if (isSpent(gate, { now, oldest })) queue.gates.delete(gate.id)
  for (const lane of queue.lanes.values()) {
    const isQuiet = lane.streams.size === 0 && lane.inFlight === 0 && !lane.isInRing && sizeOf(lane.runnable) === 0
    if (isQuiet && !isHeldByHand(queue, lane) && seriesOf(lane.rates, 'minutes', now).length === 0) queue.lanes.delete(lane.id)
  }
}

/** Somebody has paused the lane or set its rate, and wants to see it. */
const isHeldByHand = ({ gates }: Stock, lane: Lane): boolean =>
  (gates.get(lane.id)?.limit ?? null) !== null || (gates.get(KEYS.manual(lane))?.manual ?? null) !== null

/** `oldest`: the first dispatch in flight. An epoch is kept as long as an older answer may come. */
function isSpent(gate: Gate, { now, oldest }: { readonly now: number; readonly oldest: number }): boolean {
  if (
    gate.waiters.size > 0 ||
    gate.manual !== null ||
    gate.spans.length > 0 ||
    gate.limit !== null ||
    gate.warming !== null ||
    gate.pace !== null ||
    gate.breadth !== null
  )
    return false
  const tallies = [gate.accepted, ...gate.attempts.values(), ...gate.delivered.values()]
  const isBusy = [...gate.episodes.values()].some(
    ({ state, n, rung, counts, epoch }) =>
      state !== 'active' || n > 0 || epoch > oldest || rung !== null || counts.some(({ hits, of }) => sum(hits, now) + sum(of, now) > 0),
  )
  return !isBusy && tallies.every((tally) => sum(tally, now) === 0)
}
