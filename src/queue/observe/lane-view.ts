/**
 * lane-view - what an operator sees of a lane, and of a key
 *
 * The key that opens last gives the reason and the next sending time; where an account has several IPs, of the way that opens first.
 * Changes nothing. See also: queue/schedule/operator-commands, queue/observe/throughput.
 */
import type { Episode } from '../backoff/backoff-episode.ts'
import { sizeOf } from '../schedule/fifo.ts'
import { nextRest } from '../schedule/lane.ts'
import { type Hold, holdOf, soonest, worst } from './blocking-key.ts'
import { KEY_REASONS, kindOf, type KeyId } from '../backoff/backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { ClassName } from '../backoff/backoff-classes.ts'
import { average, type Measured } from './throughput.ts'
import type { State } from '../backoff/backoff-state.ts'
import type { Lane, Stock, Stream } from '../queue-state.ts'

/** Averages a second over the last 5, 15 and 30 seconds. */
export type Averages = readonly [five: number, fifteen: number, thirty: number]

export type LaneStatus = {
  readonly account: number
  readonly domain: string
  /** `manual` and `limited` are ours; the rest is the state of the key that opens last, or else of the one that holds it back most. */
  readonly state: State | 'manual' | 'limited'
  readonly isStopped: boolean
  /** Null where nothing holds it. */
  readonly reason: string | null
  readonly key: KeyId | null
  readonly class: ClassName | null
  readonly n: number
  /** For a lane that nothing holds, when its first resting mail is due. Null where it sends, or where only an answer or an operator lets it. */
  readonly nextSendingAt: number | null
  readonly waiting: number
  readonly inFlight: number
  readonly rates: Readonly<Record<Measured, Averages>>
  readonly evidence: readonly EvidenceReply[]
  /** The rate that an operator has set, in mails a minute; null: none. */
  readonly perMinute: number | null
}

/** One lane as an operator sees it. */
export function statusOfLane(queue: Stock, lane: Lane, now: number): LaneStatus {
  const streams = [...lane.streams].flatMap((id) => queue.streams.get(id) ?? [])
  const busy = streams.filter(({ waiting }) => waiting > 0)
  const holds = (busy.length > 0 ? busy : streams).map((stream) => holdOf(queue, stream, now))
  const hold = holds.reduce<Hold | null | undefined>((first, one) => (first === undefined ? one : soonest(first, one)), undefined) ?? null
  const episode = hold === null ? worst(streams.flatMap((stream) => episodesAt(queue, stream))) : worst([...hold.gate.episodes.values()])
  const isManual = hold !== null && hold.gate.manual !== null
  const isLimited = lane.waiting > 0 && (queue.gates.get(lane.id)?.limit ?? null) !== null
  const key = hold?.gate.id ?? episode?.key ?? (isLimited ? lane.id : null)
  const rests = hold === null && lane.inFlight === 0 && streams.every(({ ready }) => sizeOf(ready) === 0)
  const at = rests ? nextRest(queue, lane) : (hold?.at ?? Infinity)
  return {
    account: lane.account,
    domain: lane.domain,
    state: isManual ? 'manual' : (episode?.state ?? (hold === null && !isLimited ? 'active' : 'limited')),
    isStopped: isManual || episode?.state === 'paused',
    reason: reasonOf(key),
    key,
    class: episode?.class ?? null,
    n: episode?.n ?? 0,
    nextSendingAt: at === Infinity ? null : at,
    waiting: lane.waiting,
    inFlight: lane.inFlight,
    rates: { in: averagesOf(lane, 'in', now), try: averagesOf(lane, 'try', now), out: averagesOf(lane, 'out', now) },
    evidence: episode?.evidence ?? lane.heard,
    perMinute: queue.gates.get(lane.id)?.limit ?? null,
  }
}

function episodesAt(queue: Stock, stream: Stream): Episode[] {
  const keys = [...stream.keys, ...stream.ways.flatMap((way) => way.keys)]
  return keys.flatMap((key) => [...(queue.gates.get(key)?.episodes.values() ?? [])])
}

/** What the user is told about a key; null for none. */
export function reasonOf(key: KeyId | null): string | null {
  const kind = key === null ? null : kindOf(key)
  return kind === null ? null : KEY_REASONS[kind]
}

const averagesOf = ({ rates }: Lane, what: Measured, now: number): Averages => [
  average(rates, what, { seconds: 5, now }),
  average(rates, what, { seconds: 15, now }),
  average(rates, what, { seconds: 30, now }),
]
