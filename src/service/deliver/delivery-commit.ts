/**
 * delivery-commit - what a term has collected, and what is about to be sent, in one durable transaction
 *
 * The order inside: what was answered is decided and written (facts, projections, outbox) and its rows are removed or put back; keys that
 * moved are told and saved; orders are settled; at last, and only while the lease is ours, what is about to begin is marked. So a mail's
 * next attempt is never marked before its last one is written down, and nobody sends who has lost the lease.
 *
 * May run again from its start: it changes nothing outside the store. See also: service/deliver/delivery-session, service/deliver/deliverer, ledger/decide/attempt.
 */
import { decideAttempt, decideGiveUp } from '../../ledger/decide/attempt.ts'
import { decideDeleted } from '../../ledger/decide/deleted.ts'
import { summarise } from '../../ledger/decide/effect.ts'
import type { AttemptData, Fact, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { Moment } from '../../ledger/facts/new-fact.ts'
import type { World } from '../../ledger/project/state.ts'
import { decideTransition, withoutNames } from '../../queue/observe/transition-facts.ts'
import type { Db } from '../../store/engine/engine.ts'
import { holdsLease, type Lease } from '../../store/engine/lease.ts'
import {
  type MailRef,
  markDispatchedForOperator,
  putBackQueuedForOperator,
  type QueuedMail,
  removeQueuedForOperator,
  takeFreshForOperator,
  type WaitingMail,
} from '../../store/queue/queued-mail.ts'
import { type QueueCommand, settleCommandsForOperator } from '../../store/queue/commands.ts'
import { type KeyRow, type QueueReport, saveKeysForOperator, takeReportsForOperator } from '../../store/queue/backoff-keys.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import { heldVerdict } from './attempt-reading.ts'
import type { Shop } from '../context.ts'
import type { Done, Moved } from './delivery-session.ts'

/** Everything of one turn. */
export type Turn = {
  readonly lease: Lease
  readonly done: readonly Done[]
  readonly moves: readonly Moved[]
  readonly keys: { readonly rows: readonly KeyRow[]; readonly gone: readonly Pick<KeyRow, 'key' | 'name'>[] }
  readonly orders: readonly QueueCommand[]
  /** What is about to be sent. */
  readonly marks: readonly MailRef[]
  readonly markedAt: number
  /** How many of each are to be taken; 0: none. */
  readonly fresh: number
  readonly reports: number
  /** The queue's own time until it gives up. */
  readonly giveUpDays: number
}

export type Committed = {
  /** Marked: these may be sent. */
  readonly marked: readonly QueuedMail[]
  /** False: the lease is another's, and nothing was marked. */
  readonly isHeld: boolean
  readonly fresh: readonly WaitingMail[]
  readonly reports: readonly QueueReport[]
  readonly facts: readonly Fact[]
}

/** All or nothing. Faults: store_busy. */
export async function commitTurn(shop: Shop, page: Page, turn: Turn): Promise<Committed> {
  return shop.engine.tx(async (db) => {
    const facts = await commitDone(db, { shop, page, turn })
    const [, , fresh, reports] = await Promise.all([
      saveKeysForOperator(db, turn.keys.rows, turn.keys.gone),
      settleCommandsForOperator(db, turn.orders),
      turn.fresh === 0 ? [] : takeFreshForOperator(db, turn.fresh),
      turn.reports === 0 ? [] : takeReportsForOperator(db, turn.reports),
    ])
    if (turn.marks.length === 0) return { marked: [], isHeld: true, fresh, reports, facts }
    const isHeld = await holdsLease(db, turn.lease)
    const marked = isHeld ? await markDispatchedForOperator(db, turn.marks, turn.markedAt) : []
    return { marked, isHeld, fresh, reports, facts }
  })
}

type Committing = { readonly shop: Shop; readonly page: Page; readonly turn: Turn }

async function commitDone(db: Db, { shop, page, turn }: Committing): Promise<readonly Fact[]> {
  const told = turn.done.filter((done) => done.kind !== 'recalled')
  if (told.length > 0 || turn.moves.length > 0) {
    const now = shop.now()
    const refs = told.map(({ ref }) => ref)
    const { world } = await loadWorld(db, {
      deliveries: refs,
      history: told.some(({ end }) => end === 'failed'),
      shared: page.accounts.some(({ settings }) => settings.sharedList),
      sitesAt: now,
      facts: told.filter((done) => isGivenUp(done)).map(({ ref }) => ref),
    })
    for (const done of told) decide({ shop, page, turn }, world, done)
    for (const { event, behind } of turn.moves) applyFacts(world, decideTransition(event, behind, momentOf(shop, event.at, now)))
    await commitWorld(db, world, { now, notify: () => true })
    await moveRows(db, turn.done)
    return world.fresh
  }
  await moveRows(db, turn.done)
  return []
}

const isGivenUp = (done: Done): boolean => done.kind !== 'recalled' && done.end === 'given-up'

const momentOf = ({ ids }: Shop, at: number, receivedAt: number): Moment => ({ at, receivedAt, ids })

/** The facts of one mail, into the world. A delivery that is not there any more has none. */
function decide({ shop, page, turn }: Committing, world: World, done: Exclude<Done, { readonly kind: 'recalled' }>): void {
  const delivery = world.deliveries.get(done.ref.deliveryId)
  if (delivery === undefined) return
  const settings = page.settingsOf(done.ref.account)
  const moment = momentOf(shop, done.at, shop.now())
  if (done.kind === 'answered') {
    const final = done.end === 'delivered' || done.end === 'failed'
    applyFacts(
      world,
      decideAttempt({ world, delivery, heard: { ...done.said.heard, final }, verdict: done.said.verdict, settings, moment }),
    )
  }
  const now = world.deliveries.get(done.ref.deliveryId) ?? delivery
  if (done.end === 'deleted') applyFacts(world, decideDeleted({ world, delivery: now, settings, moment }))
  if (done.end === 'given-up') {
    const held = done.kind === 'ended' ? heldVerdict(shop.rules(), now.domain, done.heldBy) : null
    const last = lastAttempt(world, now.deliveryId) ?? (held === null ? null : { verdict: summarise(held), text: heldText(done) })
    applyFacts(world, decideGiveUp({ delivery: now, last, settings, moment, queueDays: turn.giveUpDays }))
  }
}

/** What the key that held it was told, without names: it may have been another's mail. */
const heldText = (done: Done): string => (done.kind === 'ended' ? withoutNames(done.heldBy?.reply?.text ?? '') : '')

/** What it was retried for: the last attempt that says so. */
function lastAttempt(world: World, deliveryId: string): AttemptData | null {
  const facts = [...(world.facts.get(deliveryId) ?? []), ...world.fresh]
  const attempts = facts.filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt' && fact.deliveryId === deliveryId)
  return attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data ?? null
}

async function moveRows(db: Db, done: readonly Done[]): Promise<void> {
  const over = done.filter((each) => each.kind === 'ended' || (each.kind === 'answered' && each.end !== null)).map(({ ref }) => ref)
  const back = done.flatMap((each) =>
    each.kind === 'recalled' || (each.kind === 'answered' && each.end === null)
      ? [{ ...each.ref, ...each.stays, dispatchedAt: each.markedAt }]
      : [],
  )
  await Promise.all([removeQueuedForOperator(db, inOrder(over)), putBackQueuedForOperator(db, inOrder(back))])
}

const inOrder = <R extends MailRef>(refs: readonly R[]): readonly R[] =>
  refs.toSorted((a, b) => a.account - b.account || (a.deliveryId < b.deliveryId ? -1 : 1))
