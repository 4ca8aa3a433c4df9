/**
 * delivery-loop - one round of the deliverer: what came in, what may go, one commit, and on their way
 *
 * Turns follow each other; what is under way is answered meanwhile, and goes into the store with the next turn. A turn that the store did
 * not take keeps all it had: until one is taken, nothing new is given out. One that fails for another reason is taken apart, so that one
 * mail that cannot be written down stops no other; it stays marked in the store, and is told of in the log.
 *
 * See also: service/deliver/deliverer (who takes turns), service/deliver/delivery-commit (what is written), service/deliver/delivery-session.
 */
import { isRetryable } from '../../errors.ts'
import { report } from '../../queue/schedule/attempt-result.ts'
import { nextDispatch, nextWake } from '../../queue/queue.ts'
import { withdraw } from '../../queue/schedule/withdraw.ts'
import { lookForOperator, type QueuedMail } from '../../store/queue/queued-mail.ts'
import { tellAlarms } from '../alarm-log.ts'
import type { Page } from '../account-cache.ts'
import { type Carrier, giveBack } from './sender.ts'
import type { LaneKeeper } from './lane-snapshots.ts'
import { commitTurn, type Committed, type Turn } from './delivery-commit.ts'
import { runCommands } from './command-runner.ts'
import type { KeyBook, KeyChanges } from './key-persistence.ts'
import type { Shop } from '../context.ts'
import { follow, type InHand, recall, refOf, type Term } from './delivery-session.ts'
import type { Waiting } from './queue-loader.ts'

export type TurnDesk = {
  readonly shop: Shop
  readonly carrier: Carrier
  readonly waiting: Waiting
  readonly keys: KeyBook
  readonly keeper: LaneKeeper
  /** Mails under way at once. */
  readonly lines: number
  readonly giveUpDays: number
  readonly wake: () => void
}

/** How often the store is asked what other nodes have put into it. */
export const POLL_MS = 1_000
/** How often the lanes' picture and what keys have learnt are written. */
const NOTE_MS = 5_000
/** After a transition the picture is drawn at once, but not more often than this. */
const NOTE_SOONEST_MS = 1_000

/** What one turn takes in, and how many ends without an attempt it writes: a long transaction would hold up everybody else. */
const FRESH = 1_000
const REPORTS = 500
const ENDS = 500

/** Takes one turn. Throws nothing: what fails is kept, or told. */
export async function takeTurn(desk: TurnDesk, term: Term): Promise<void> {
  const { shop } = desk
  try {
    if (!term.isEnding) await lookRound(desk, term)
    const page = await shop.book.open()
    const now = shop.now()
    if (!term.isEnding && !term.isStuck && now < term.leaseUntil) giveOut(desk, term, now)
    term.hasMoved ||= term.moves.length > 0
    await commitAll(desk, term, page)
    desk.carrier.pump(term)
    if (!term.isEnding) await note(desk, term)
  } catch (error) {
    term.isStuck = true
    shop.telemetry.log.error({ err: error }, 'the delivery queue waits for the store')
  }
}

/** How long until the next turn, unless somebody wakes it. While all lines are in use an answer does. */
export function restUntilTurn({ lines }: Pick<TurnDesk, 'lines'>, term: Term, now: number): number {
  if (term.isStuck || now >= term.leaseUntil || roomOf(lines, term) === 0) return POLL_MS
  if (term.hasFresh && term.isLoaded) return 0
  const wake = nextWake(term.queue, now)
  return wake === null ? POLL_MS : Math.min(POLL_MS, Math.max(0, wake - now))
}

/** What other nodes and people have put into the store. */
async function lookRound({ shop }: TurnDesk, term: Term): Promise<void> {
  const now = shop.now()
  if (now - term.polledAt < POLL_MS) return
  const { fresh, reports } = await lookForOperator(shop.engine.read)
  if (term.orders.length === 0) {
    const { events, settled } = await runCommands(shop.engine.read, term.queue, now)
    follow(term, events)
    term.orders.push(...settled)
    // Who has ordered looks at once whether it holds.
    if (settled.length > 0) term.notedAt = 0
  }
  term.hasFresh ||= fresh
  term.hasReports ||= reports
  term.polledAt = now
}

/** Marked ahead, as a share of the lines: a line that is free waits for no commit, and a kill leaves few marks of what had not begun. */
const AHEAD = 0.1

/** How many more may be given out. */
const roomOf = (lines: number, { inHand }: Term): number => Math.max(0, lines + Math.ceil(lines * AHEAD) - inHand.size)

/** What the queue lets go. */
function giveOut({ lines }: TurnDesk, term: Term, now: number): void {
  const { dispatches, events } = nextDispatch(term.queue, now, roomOf(lines, term))
  follow(term, events)
  for (const dispatch of dispatches) {
    const ref = refOf(dispatch.account, dispatch.mailId)
    const hand: InHand = { dispatch, ref, markedAt: now, place: 'marking', isRecalled: false }
    term.inHand.set(dispatch.number, hand)
    term.marking.push(hand)
  }
}

async function commitAll(desk: TurnDesk, term: Term, page: Page): Promise<void> {
  dropRecalled(desk, term)
  const { turn, keys, movedKeys } = collect(desk, term)
  if (isEmpty(turn)) {
    term.isStuck = false
    return
  }
  try {
    const committed = await commitTurn(desk.shop, page, turn)
    forget(term, turn)
    desk.keys.settle(keys)
    settle(desk, term, { committed, turn })
    term.isStuck = false
  } catch (error) {
    for (const key of movedKeys) term.movedKeys.add(key)
    term.hasFresh ||= turn.fresh > 0
    term.hasReports ||= turn.reports > 0
    if (isRetryable(error)) throw error
    await takeApart(desk, term, { page, turn, error })
  }
}

/** What was recalled before it was marked goes back. */
function dropRecalled(desk: TurnDesk, term: Term): void {
  const gone = term.marking.filter(({ isRecalled }) => isRecalled || term.isEnding)
  if (gone.length === 0) return
  term.marking = term.marking.filter((hand) => !gone.includes(hand))
  for (const hand of gone) giveBack(desk, term, hand)
}

function collect(desk: TurnDesk, term: Term): { readonly turn: Turn; readonly keys: KeyChanges; readonly movedKeys: ReadonlySet<string> } {
  const now = desk.shop.now()
  for (const hand of term.marking) hand.markedAt = now
  const movedKeys = new Set(term.movedKeys)
  term.movedKeys.clear()
  const keys = desk.keys.changes(term.queue, movedKeys)
  const turn: Turn = {
    lease: term.lease,
    done: [...term.done, ...term.ended.slice(0, ENDS)],
    moves: [...term.moves],
    keys,
    orders: [...term.orders],
    marks: term.marking.map(({ ref }) => ref),
    markedAt: now,
    fresh: term.isLoaded && term.hasFresh && !term.isEnding ? FRESH : 0,
    reports: term.hasReports && !term.isEnding ? REPORTS : 0,
    giveUpDays: desk.giveUpDays,
  }
  if (turn.fresh > 0) term.hasFresh = false
  if (turn.reports > 0) term.hasReports = false
  return { turn, keys, movedKeys }
}

function isEmpty({ done, moves, keys, orders, marks, fresh, reports }: Turn): boolean {
  const counts = [done.length, moves.length, keys.rows.length, keys.gone.length, orders.length, marks.length, fresh, reports]
  return counts.every((count) => count === 0)
}

/** What is in the store goes from here; what came meanwhile stays. */
function forget(term: Term, { done, moves, orders }: Turn): void {
  const written = new Set(done)
  term.done = term.done.filter((each) => !written.has(each))
  term.ended = term.ended.filter((each) => !written.has(each))
  term.moves = term.moves.slice(moves.length)
  term.orders = term.orders.slice(orders.length)
}

function settle(desk: TurnDesk, term: Term, { committed, turn }: { readonly committed: Committed; readonly turn: Turn }): void {
  const { shop, waiting } = desk
  stage(desk, term, committed, turn.marks.length)
  waiting.take(term, committed.fresh)
  if (committed.fresh.length === FRESH) term.hasFresh = true
  if (committed.reports.length === REPORTS) term.hasReports = true
  for (const { kind, account } of committed.reports) follow(term, report(term.queue, { kind, account }, shop.now()))
  tellAlarms(shop.telemetry, committed.facts)
  shop.watch.count(committed.facts)
}

/** Marked: they may go. What the store no longer has is gone; where the lease is another's, nothing may. */
function stage(desk: TurnDesk, term: Term, { marked, isHeld }: Committed, marks: number): void {
  if (marks === 0) return
  const hands = term.marking.splice(0, marks)
  if (!isHeld) {
    loseTerm(term)
    for (const hand of hands) giveBack(desk, term, hand)
    return
  }
  const mails = new Map<string, QueuedMail>(marked.map((mail) => [mail.deliveryId, mail]))
  for (const hand of hands) {
    const mail = mails.get(hand.ref.deliveryId)
    if (mail === undefined) drop(desk, term, hand)
    else {
      hand.place = 'staged'
      term.staged.push({ hand, mail })
    }
  }
}

function drop({ shop }: TurnDesk, term: Term, { dispatch, ref }: InHand): void {
  term.inHand.delete(dispatch.number)
  follow(term, withdraw(term.queue, dispatch.mailId, shop.now()))
  shop.telemetry.log.info({ account: ref.account, deliveryId: ref.deliveryId }, 'a mail is no longer in the store; it is not sent')
}

/** Another node delivers: what has not begun does not begin. */
export function loseTerm(term: Term): void {
  term.isEnding = true
  recall(term, () => true)
}

type Broken = { readonly page: Page; readonly turn: Turn; readonly error: unknown }

/** Each mail on its own; what cannot be written down is told. Then all that is no mail, and the marks. */
async function takeApart(desk: TurnDesk, term: Term, { page, turn, error }: Broken): Promise<void> {
  const { shop } = desk
  shop.telemetry.log.error({ err: error, mails: turn.done.length }, 'a turn of the delivery queue could not be written; it is taken apart')
  const nothing: Turn = { ...turn, done: [], moves: [], keys: { rows: [], gone: [] }, orders: [], marks: [], fresh: 0, reports: 0 }
  const parts: Turn[] = [
    ...turn.done.map((done) => ({ ...nothing, done: [done] })),
    ...turn.moves.map((move) => ({ ...nothing, moves: [move] })),
    { ...nothing, orders: turn.orders },
  ]
  for (const part of parts) {
    try {
      const { facts } = await commitTurn(shop, page, part)
      tellAlarms(shop.telemetry, facts)
    } catch (cause) {
      if (isRetryable(cause)) throw cause
      const refs = part.done.map(({ ref }) => ref.deliveryId)
      shop.telemetry.log.error({ err: cause, deliveryIds: refs }, 'what became of a mail could not be written down')
    }
    forget(term, part)
  }
  recall(term, ({ place }) => place === 'marking')
  dropRecalled(desk, term)
  term.isStuck = true
}

/** The picture of the lanes, and what keys have learnt. */
async function note(desk: TurnDesk, term: Term): Promise<void> {
  const { shop, keys, keeper } = desk
  const now = shop.now()
  const isDue = now - term.notedAt >= NOTE_MS
  if (!isDue && (!term.hasMoved || now - term.notedAt < NOTE_SOONEST_MS)) return
  term.notedAt = now
  term.hasMoved = false
  gauge(desk, term)
  await keeper.save(shop.engine, term.queue, now)
  const changes = keys.changes(term.queue, null)
  if (changes.rows.length + changes.gone.length === 0) return
  const page = await shop.book.open()
  await commitTurn(shop, page, { ...EMPTY, lease: term.lease, keys: changes })
  keys.settle(changes)
}

const EMPTY: Omit<Turn, 'lease'> = {
  done: [],
  moves: [],
  keys: { rows: [], gone: [] },
  orders: [],
  marks: [],
  markedAt: 0,
  fresh: 0,
  reports: 0,
  giveUpDays: 0,
}

function gauge({ shop: { telemetry } }: TurnDesk, { queue, sending }: Term): void {
  telemetry.gauge('bounced_queue_waiting', queue.mails.size - sending)
  telemetry.gauge('bounced_queue_in_flight', sending)
  const held = [...queue.gates.values()].filter(
    ({ episodes, manual }) => manual !== null || [...episodes.values()].some(({ state }) => state !== 'active'),
  )
  telemetry.gauge('bounced_queue_keys_held', held.length)
}
