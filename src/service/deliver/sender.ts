/**
 * sender - marked mails on their way: made, handed to the transport, and their answers heard
 *
 * As many at once as there are lines, and as their bytes have room; the next are staged, so that a line never waits for a commit. What was
 * recalled before it began, may no longer be sent because the lease is over, or goes to a domain that has moved to another site, is given
 * back unsent. What cannot be made rests as if the line had broken: no key hears
 * of it, and the log alone tells it; when its time is over, an attempt without an answer says why it was never sent.
 *
 * See also: service/deliver/deliverer (who marks), service/deliver/attempt-reading, smtp-client/transport, service/deliver/render.
 */
import { LRUCache } from 'lru-cache'
import type { Composition } from '../../compose/composition.ts'
import type { Outgoing, Outcome, Transport } from '../../smtp-client/transport.ts'
import { Fault } from '../../errors.ts'
import { answer } from '../../queue/schedule/attempt-result.ts'
import type { Answer, MailEnd } from '../../queue/message.ts'
import { moveMail, type Place } from '../../queue/schedule/reroute.ts'
import { findQueuedBody, type QueuedMail } from '../../store/queue/queued-mail.ts'
import { NEVER_MADE, neverMade, readOutcome } from './attempt-reading.ts'
import { createMake, type Made, type Make, type Rendered } from './message-builder.ts'
import { createRoom } from './byte-semaphore.ts'
import type { Shop } from '../context.ts'
import { follow, type InHand, type Stays, type Term } from './delivery-session.ts'
import type { PlaceOf } from './queue-loader.ts'

/** The same mail gives the same names at each attempt. */
export type Render = (mail: QueuedMail, body: Composition) => Promise<Rendered>

export type CarrierOptions = {
  readonly transport: Transport
  readonly render: Render
  readonly placeOf: PlaceOf
  /** Mails under way at once. */
  readonly lines: number
  /** Of mails that are made and on their way. */
  readonly inFlightBytes: number
  /** Something was answered: there is something to commit. */
  readonly wake: () => void
}

export type Carrier = {
  /** Begins what is staged, as far as there are lines. */
  readonly pump: (term: Term) => void
  /** Resolves when nothing of the term is under way. */
  readonly idle: (term: Term) => Promise<void>
}

/** Bodies of the campaigns that are being sent, in bytes of their JSON. */
const BODIES_BYTES = 64 * 1024 * 1024

type Carrying = CarrierOptions & {
  readonly shop: Shop
  readonly make: Make
  readonly bodies: LRUCache<string, Promise<Body>>
  readonly idlers: (() => void)[]
}
type Body = { readonly composition: Composition; readonly size: number }

/** Makes a carrier; it serves one term after the other. */
export function createCarrier(shop: Shop, options: CarrierOptions): Carrier {
  const make = createMake(createRoom(options.inFlightBytes))
  const carrying: Carrying = { ...options, shop, make, idlers: [], bodies: new LRUCache({ max: 1_000 }) }
  return {
    pump: (term) => pump(carrying, term),
    idle: async (term) => {
      while (term.sending > 0) await new Promise<void>((resolve) => carrying.idlers.push(resolve))
    },
  }
}

function pump(carrying: Carrying, term: Term): void {
  while (term.staged.length > 0 && (term.sending < carrying.lines || !mayBegin(carrying, term, term.staged[0]?.hand))) {
    const next = term.staged.shift()
    if (next === undefined) return
    if (mayBegin(carrying, term, next.hand)) void carry(carrying, term, next)
    else giveBack(carrying, term, next.hand)
  }
}

const mayBegin = ({ shop }: Carrying, term: Term, hand: InHand | undefined): boolean =>
  hand !== undefined && !hand.isRecalled && !term.isEnding && shop.now() < term.leaseUntil

/** Not sent: it goes on as if it had not been given out. */
export function giveBack({ shop, wake }: Pick<Carrying, 'shop' | 'wake'>, term: Term, hand: InHand): void {
  const now = shop.now()
  const stays = heard(term, hand, { kind: 'recalled' }, now)
  if (hand.place !== 'marking') term.done.push({ kind: 'recalled', ref: hand.ref, markedAt: hand.markedAt, stays: stays.stays })
  wake()
}

/** Never rejects. */
async function carry(carrying: Carrying, term: Term, { hand, mail }: Term['staged'][number]): Promise<void> {
  const { shop } = carrying
  term.sending += 1
  let made: Made | null = null
  try {
    made = await makeMail(carrying, mail)
    const place = await carrying.placeOf(mail.domain)
    if (made === null) rest(carrying, term, hand)
    else if (!mayBegin(carrying, term, hand) || isElsewhere(hand, place)) giveBack(carrying, term, hand)
    else {
      hand.place = 'sending'
      finish(carrying, term, hand, await carrying.transport.send(outgoingOf(hand, mail, made)))
    }
    if (isKnown(place)) follow(term, moveMail(term.queue, hand.dispatch.mailId, place, shop.now()))
  } catch (error) {
    const { account, deliveryId } = hand.ref
    shop.telemetry.log.error({ account, deliveryId, err: error }, 'an attempt failed in a way that none may; the mail is tried again later')
    if (term.inHand.has(hand.dispatch.number)) rest(carrying, term, hand)
  } finally {
    made?.release()
    term.sending -= 1
    if (term.sending === 0) for (const wakeUp of carrying.idlers.splice(0)) wakeUp()
    pump(carrying, term)
  }
}

/** Where DNS says nothing, what was known holds. */
const isKnown = ({ mxSet }: Place): boolean => mxSet !== ''

/** Keys cover it that were not asked. Other hosts of the same site are no reason to wait: it is put under their keys after the attempt. */
function isElsewhere({ dispatch }: InHand, place: Place): boolean {
  return isKnown(place) && (!isKnown(dispatch) || place.site !== dispatch.site || place.gateway !== dispatch.gateway)
}

/** Null: it cannot be made now. */
async function makeMail(carrying: Carrying, mail: QueuedMail): Promise<Made | null> {
  const { shop, render, make } = carrying
  const { account, deliveryId, bodyId } = mail
  try {
    return await make(`${account}/${bodyId}`, async () => render(mail, (await bodyOf(carrying, mail)).composition))
  } catch (error) {
    shop.telemetry.log.error({ account, deliveryId, err: error }, 'a mail could not be made; it is tried again later')
    return null
  }
}

function outgoingOf({ dispatch }: InHand, { domain, deliveryId }: QueuedMail, { rendered: { from, to, raw } }: Made): Outgoing {
  return { egressIp: dispatch.egressIp, domain, from, to, raw, probe: dispatch.probe, envelopeId: deliveryId }
}

/** Of one request, read once. Faults: not_found, store_busy. */
async function bodyOf({ shop, bodies }: Carrying, { account, bodyId }: QueuedMail): Promise<Body> {
  const key = `${account}/${bodyId}`
  const known = bodies.get(key)
  if (known !== undefined) return known
  const reading = readBody(shop, account, bodyId)
  bodies.set(key, reading)
  reading.then(
    ({ size }) => forgetLargest(bodies, size),
    () => bodies.delete(key),
  )
  return reading
}

async function readBody(shop: Shop, account: number, bodyId: string): Promise<Body> {
  const content = await findQueuedBody(shop.engine.read, account, bodyId)
  if (content === null) throw new Fault('not_found', 'the body of this mail is gone', { detail: { account, bodyId } })
  // The checked door: only service/submit/submit writes it, from a Composition.
  return { composition: JSON.parse(content) as Composition, size: content.length }
}

/** Few are large; then few are kept. */
function forgetLargest(bodies: Carrying['bodies'], size: number): void {
  const room = Math.max(1, Math.floor(BODIES_BYTES / Math.max(1, size)))
  while (bodies.size > room) void bodies.pop()
}

/** An attempt was answered. */
function finish({ shop, wake }: Carrying, term: Term, hand: InHand, outcome: Outcome): void {
  const now = shop.now()
  const { answer: told, ...said } = readOutcome(shop.rules(), hand.dispatch, outcome)
  const acceptedAt = term.queue.mails.get(hand.dispatch.mailId)?.mail.acceptedAt ?? now
  const { end, stays } = heard(term, hand, told, now)
  if (end !== null) shop.telemetry.observe('bounced_queue_seconds', (now - acceptedAt) / 1_000, { end })
  term.done.push({ kind: 'answered', ref: hand.ref, said, at: now, markedAt: hand.markedAt, end, stays })
  shop.telemetry.count('bounced_queue_attempts_total', { outcome: outcomeOf(told, end) })
  wake()
}

function outcomeOf(told: Answer, end: string | null): string {
  if (end === 'delivered' || end === 'failed') return end
  return told.kind === 'unreachable' ? `unreachable-${told.how}` : 'deferred'
}

/** It rests by the ladder; the keys hear nothing. */
function rest({ wake, shop }: Carrying, term: Term, hand: InHand): void {
  const now = shop.now()
  const { end, stays } = heard(term, hand, { kind: 'unreachable', how: 'dropped', text: NEVER_MADE }, now)
  if (end === null) term.done.push({ kind: 'recalled', ref: hand.ref, markedAt: hand.markedAt, stays })
  else {
    const said = neverMade(hand.dispatch, shop.rules())
    term.done.push({ kind: 'answered', ref: hand.ref, said, at: now, markedAt: hand.markedAt, end, stays })
  }
  wake()
}

/** The queue hears an answer. What became of the mail; `end` null: it stays. */
function heard(term: Term, hand: InHand, told: Answer, now: number): { readonly end: MailEnd | null; readonly stays: Stays } {
  const { number, mailId } = hand.dispatch
  term.inHand.delete(number)
  const events = answer(term.queue, number, told, now)
  const own = events.find((event) => 'mailId' in event && event.mailId === mailId)
  follow(
    term,
    events.filter((event) => event !== own),
  )
  const held = term.queue.mails.get(mailId)
  const stays = {
    dueAt: own?.kind === 'mail.deferred' ? own.dueAt : now,
    attempts: held?.attempts ?? hand.dispatch.attempt,
    refusedBy: held?.refusedBy ?? [],
  }
  return { end: own?.kind === 'mail.ended' ? own.end : null, stays }
}
