/**
 * queue - mail that waits to be delivered, and when it may go
 *
 * One mutable value, owned by whoever holds it. Its functions are exact: the same seed and the same calls give the same run, to the
 * byte; they know no clock (`now` is an argument and never runs backwards) and no chance but the seed. The caller's loop:
 *
 *     const queue = createQueue({ policy: POLICIES.default, seed: 1, pools: { '*': ['192.0.2.1'] } })
 *     offer(queue, mail, now)                                     → false for a mail that it already has
 *     const { dispatches, events } = nextDispatch(queue, now, 20)  → at most 20 attempts to make now; time passes here
 *     answer(queue, dispatch.number, { kind: 'accepted' }, now)   → events: what became of the mail, which keys moved
 *     nextWake(queue, now)                                        → call nextDispatch again by then; null: nothing is due
 *     operate(queue, { kind: 'pause', account: 7, domain: null, until: null, after15Days: 'keep' }, now)  → events
 *     saveQueue(queue) / loadQueue(text)                          → JSON; carrying on from it changes nothing
 *
 * Each mail ends by exactly one `mail.ended`. An answer to a dispatch that is not in flight does nothing.
 */
import type { Answer, Dispatch, Mail, QueueEvent } from './mail.ts'

/** What a queue is made from. `pools`: the egress IPs of an account by its number; `*` for all others. */
export type QueueOptions = {
  readonly seed: number
  readonly pools: Readonly<Record<string, readonly string[]>>
}

/** All that waits and all that is known; its shape is this folder's own affair. */
export type Queue = { readonly options: QueueOptions }

export type Command =
  /** An overlay beside the states; at most 15 days, and so long where no end is given. */
  | {
      readonly kind: 'pause'
      readonly account: number
      readonly domain: string | null
      readonly until: number | null
      readonly after15Days: 'keep' | 'delete'
    }
  /** Every pause that covers the account's mail to the domain (null: to all), the overlay included; or one key. */
  | { readonly kind: 'recover'; readonly account: number; readonly domain: string | null; readonly how: 'immediate' | 'probe' }
  | { readonly kind: 'recover-key'; readonly key: string; readonly how: 'immediate' | 'probe' }
  /** Waiting mail that was accepted in [from, until). */
  | { readonly kind: 'delete'; readonly account: number; readonly domain: string | null; readonly from: number; readonly until: number }
  /** Mails a minute of a lane; null: no limit. */
  | { readonly kind: 'rate'; readonly account: number; readonly domain: string; readonly perMinute: number | null }
  /** The IP begins its warm-up; null ends it. */
  | { readonly kind: 'warm-up'; readonly egressIp: string; readonly startedAt: number | null }

export type Offer = (queue: Queue, mail: Mail, now: number) => boolean
export type NextDispatch = (
  queue: Queue,
  now: number,
  capacity: number,
) => { readonly dispatches: Dispatch[]; readonly events: QueueEvent[] }
export type Hear = (queue: Queue, number: number, answer: Answer, now: number) => QueueEvent[]
export type NextWake = (queue: Queue, now: number) => number | null
export type Operate = (queue: Queue, command: Command, now: number) => QueueEvent[]
