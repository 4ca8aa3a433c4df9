/**
 * memory-ledger - the ledger of a simulation: the product's own decisions, over rows in memory
 *
 * What becomes of a simulated mail is not for the simulator to say: its registration, its attempts and what comes back later are decided and
 * folded by the code that real mail goes through. A row is forgotten when nothing can happen to it any more; entries of lists stay.
 *
 * Mutable, owned by one simulation; exact for the same calls. See also: ledger/decide/request, ledger/decide/attempt, ledger/decide/report, simulator/simulate.
 */
import type { Verdict } from '../classify/verdict.ts'
import type { KnownAddress } from '../correlate/address-hash.ts'
import { dayOf, formatDeliveryId } from '../correlate/delivery-id.ts'
import { decideReport } from '../ledger/decide/report.ts'
import { decideAttempt, decideGiveUp, type Heard } from '../ledger/decide/attempt.ts'
import { decideRequest } from '../ledger/decide/request.ts'
import { summarise } from '../ledger/decide/effect.ts'
import type { Fact, VerdictSummary } from '../ledger/facts/fact.ts'
import { applyFacts } from '../ledger/project/fold.ts'
import type { Moment } from '../ledger/facts/new-fact.ts'
import { type AccountSettings, DEFAULT_SETTINGS } from '../ledger/account-settings.ts'
import { addressKey, type DeliveryRow, emptyWorld, type World } from '../ledger/project/state.ts'
import type { Report } from '../mail/report.ts'

export type Books = {
  readonly world: World
  readonly settings: AccountSettings
  readonly sender: string
  /** What the counters of the ledger add up to (see settle). */
  readonly totals: Map<string, number>
  /** The last verdict of a mail that still waits. */
  readonly verdicts: Map<string, VerdictSummary>
  facts: number
  unsaved: number
}

/** Empty books. Giving up is the queue's decision here: the ledger's own limit of days must not stand in its way. */
export function openBooks(sender: string): Books {
  const settings = { ...DEFAULT_SETTINGS, giveUpAfterDays: Number.EPSILON }
  return { world: emptyWorld(), settings, sender, totals: new Map(), verdicts: new Map(), facts: 0, unsaved: 0 }
}

/** The id of the n-th mail of a simulation. */
export const mailIdOf = (at: number, account: number, n: number): string => formatDeliveryId({ day: dayOf(at), account, sequence: n }) ?? ''

export type NewMail = {
  readonly id: string
  readonly account: number
  readonly at: number
  readonly address: KnownAddress
  readonly site: string
}

/** Registers a mail. False: one of our own lists answered, and it is not sent. */
export function register(books: Books, { id, account, at, address, site }: NewMail): boolean {
  const { world, settings } = books
  const request = {
    emailId: `${id}x0$${address.address}`,
    messageId: `${id}x`,
    recipient: address.address,
    domain: address.domain,
    site,
    apiUser: 'simulation',
    labelId: null,
    label: null,
    emailType: 'batch',
    broadcast: null,
    from: `news@${books.sender}`,
    subject: 'News',
    headers: {},
    messageIdHeader: `${id}@${books.sender}`,
    requestIp: null,
    requestedAt: at,
  } as const
  const about = { world, account, deliveryId: id, request, address, isSelected: true, isQueued: true, settings }
  keep(books, decideRequest({ ...about, moment: momentOf(books, at) }))
  return rowOf(books, id)?.status === 18
}

/** Books one attempt. `heard.final` is the queue's word. */
export function bookAttempt(books: Books, id: string, { heard, verdict, at }: { heard: Heard; verdict: Verdict | null; at: number }): void {
  const { world, settings } = books
  const delivery = rowOf(books, id)
  if (delivery === null) return
  keep(books, decideAttempt({ world, delivery, heard, verdict, settings, moment: momentOf(books, at) }))
  if (verdict !== null) books.verdicts.set(id, summarise(verdict))
}

/** The queue gave a mail up. `held`: for one that was never answered, what the key that held it had been told. */
export function bookGiveUp(books: Books, id: string, { held, at }: { readonly held: Verdict | null; readonly at: number }): void {
  const delivery = rowOf(books, id)
  const verdict = books.verdicts.get(id) ?? (held === null ? undefined : summarise(held))
  if (delivery === null) return
  const last = verdict === undefined ? null : { verdict }
  keep(books, decideGiveUp({ delivery, last, settings: books.settings, moment: momentOf(books, at) }))
}

/** Books what came back: `verdict` null for a complaint. */
export function bookReport(
  books: Books,
  id: string,
  { report, verdict, at }: { report: Report; verdict: Verdict | null; at: number },
): void {
  const { world, settings } = books
  const delivery = rowOf(books, id)
  if (delivery === null) return
  const match = { account: delivery.account, deliveryId: id, delivery, stub: false, via: 'rcpt', proof: 'signed', problem: null } as const
  const from = report.from?.slice(report.from.indexOf('@') + 1) ?? ''
  const facts = decideReport({
    world,
    report,
    verdicts: verdict === null ? [] : [verdict],
    sites: verdict === null ? [] : [delivery.site],
    match,
    digest: `${id}/${report.kind}`,
    isForPeople: false,
    reporter: from,
    settings,
    moment: momentOf(books, at),
  })
  keep(books, facts)
}

/** The row as it stands; null: it was forgotten, or never was. */
export const rowOf = (books: Books, id: string): DeliveryRow | null => books.world.deliveries.get(id) ?? null

/** Lets go of a mail to which nothing can happen any more. */
export function forget({ world, verdicts }: Books, id: string): void {
  const row = world.deliveries.get(id)
  verdicts.delete(id)
  world.deliveries.delete(id)
  if (row !== undefined && row.addressHash !== null) world.history.delete(addressKey(row.account, row.addressHash))
}

/** Applies facts. */
function keep(books: Books, facts: readonly Fact[]): void {
  books.facts += applyFacts(books.world, facts)
  books.unsaved += 1
  if (books.unsaved >= BATCH) settle(books)
}

/** As many decisions as a store would take in one transaction: emptying sets costs more than filling them. */
const BATCH = 500

/**
 * Takes what a store would write, and lets go of what a batch has seen: a simulation makes no fact twice. To be called before `totals` are
 * read.
 */
export function settle(books: Books): void {
  const { world, totals } = books
  for (const { metric, n } of world.dirty.counters.values()) totals.set(metric, (totals.get(metric) ?? 0) + n)
  world.fresh.length = 0
  world.seen.clear()
  for (const dirty of Object.values(world.dirty)) dirty.clear()
  books.unsaved = 0
}

/** Ids rise with every fact that is made: facts of one moment keep their order. */
function momentOf(books: Books, at: number): Moment {
  let made = books.facts * 8
  return { at, receivedAt: at, ids: { next: () => `00000000-0000-7000-8000-${(made += 1).toString(16).padStart(12, '0')}` } }
}
