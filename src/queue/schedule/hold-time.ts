/**
 * hold-time - time in which nobody but a person lets a mail go, and when the mail is given up
 *
 * A manual pause, and a pause without a next sending time, hold mail because somebody wants it so: that time makes no mail too old. A gate
 * keeps it as spans. While a mail is so held it is never given up, and for some time after that it is not either, so that it can be tried.
 *
 * Within a lane, who was accepted first is given up first, spans or not. See also: queue/schedule/expiry, queue/backoff/key-state, queue/schedule/operator-commands.
 */
import type { Episode } from '../backoff/backoff-episode.ts'
import { destinationKeys, type KeyId } from '../backoff/backoff-key.ts'
import type { Gate, Held, Stock, Stream } from '../queue-state.ts'

/** Time from and until, in epoch milliseconds. */
export type Span = { readonly from: number; readonly until: number }

/** More pauses than anybody makes in the life of a mail. Of more, the oldest are taken for one. */
const MOST_SPANS = 32

const DAY = 86_400_000

/** After a hold a mail is tried for so long at least: a recovery begins at a tenth of the rate. */
const CHANCE = DAY

/** So long after its last hold a gate knows of them: longer than mail lives that was held at other gates too. */
const SPANS_LAST = 64 * DAY

/** Whether only an operator ends it. */
export const isByHand = ({ state, until }: Episode): boolean => state === 'paused' && until === null

/** A hold of this gate is over. */
export function remember(gate: Gate, span: Span): void {
  const all = [...gate.spans, span]
  const [first, second, ...rest] = all
  const isFull = all.length > MOST_SPANS && first !== undefined && second !== undefined
  gate.spans = isFull ? [{ from: first.from, until: second.until }, ...rest] : all
}

/** Forgets holds that no waiting mail has met. */
export function forgetSpans(gate: Gate, now: number): void {
  if (now - (gate.spans.at(-1)?.until ?? now) > SPANS_LAST) gate.spans = []
}

const isHolding = (queue: Stock, key: KeyId): boolean => {
  const gate = queue.gates.get(key)
  return gate !== undefined && (gate.manual !== null || [...gate.episodes.values()].some(isByHand))
}

type Covering = Pick<Stream, 'keys' | 'ways'>

/** Whether nobody but a person lets mail go now. */
function isHeld(queue: Stock, { keys, ways }: Covering): boolean {
  const isShut = ways.length > 0 && ways.every((way) => way.keys.some((key) => isHolding(queue, key)))
  return isShut || keys.some((key) => isHolding(queue, key))
}

/** When a mail is given up, as far as is known now; Infinity while a person holds it. */
export function deadlineOf(queue: Stock, { mail, stream: id }: Pick<Held, 'mail' | 'stream'>): number {
  // Of mail in flight the stream may be forgotten.
  const covering: Covering = queue.streams.get(id) ?? { keys: destinationKeys(mail), ways: [] }
  if (isHeld(queue, covering)) return Infinity
  const { giveUpMs } = queue.retry
  let [counted, out] = [mail.acceptedAt, 0]
  for (const { from, until } of spansOf(queue, covering)) {
    out += Math.max(0, until - Math.max(from, counted))
    counted = Math.max(counted, until)
  }
  // Where nothing held it, `counted` is when it was accepted.
  return Math.max(mail.acceptedAt + giveUpMs + out, counted + Math.min(CHANCE, giveUpMs))
}

function spansOf({ gates }: Stock, { keys, ways }: Covering): readonly Span[] {
  const spans: Span[] = []
  for (const key of keys) spans.push(...(gates.get(key)?.spans ?? []))
  for (const way of ways) for (const key of way.keys) spans.push(...(gates.get(key)?.spans ?? []))
  return spans.length < 2 ? spans : spans.toSorted((a, b) => a.from - b.from)
}
