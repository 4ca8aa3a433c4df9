/**
 * queue-loader - mail from the store into the queue, with the destination that DNS gives it
 *
 * A million mails come page by page, and between two pages everybody else has his turn. A mail is offered when its domain is known; a slow
 * domain keeps nobody waiting but its own mail, and what DNS says is not kept here: it changes. What many mails share (domains, sites, hosts) is one string in memory. A mail that was
 * marked when its node died is one of which nobody knows whether it was accepted: it is counted, written down, and sent again.
 *
 * See also: store/queue/queued-mail, net/mx (destinations), queue/queue (offer), service/deliver/deliverer.
 */
import { setImmediate } from 'node:timers/promises'
import type { Place } from '../../queue/schedule/reroute.ts'
import { offer } from '../../queue/queue.ts'
import { pageQueuedForOperator, type WaitingMail } from '../../store/queue/queued-mail.ts'
import { unknownFate } from './attempt-reading.ts'
import type { Shop } from '../context.ts'
import { refOf, type Term } from './delivery-session.ts'

/** Never rejects, and keeps what it knows for as long as it may stand: it is asked again and again. */
export type PlaceOf = (domain: string) => Promise<Place>

export type Waiting = {
  /** Loads all that waits, or goes on where it was cut off. Faults: store_busy. */
  readonly load: (term: Term) => Promise<void>
  /** Takes in mails that were just read. */
  readonly take: (term: Term, mails: readonly WaitingMail[]) => void
}

export type WaitingOptions = { readonly placeOf: PlaceOf; readonly wake: () => void }

/** Rows of one page: a few milliseconds of this thread. */
const PAGE = 500

/** Domains that are looked up at once. */
const LOOK_UPS = 64

/** What is kept of names: a campaign has fewer domains. */
const MOST_STRINGS = 100_000

type Loading = WaitingOptions & {
  readonly shop: Shop
  /** One string of each text: the store gives a new one with each row. */
  readonly strings: Map<string, string>
  /** Mail of domains that are being looked up, and whose they are. */
  readonly pending: Map<string, { readonly term: Term; readonly mails: WaitingMail[] }>
  readonly asked: string[]
  asking: number
}

/** Makes a loader; it serves one term after the other. */
export function createWaiting(shop: Shop, options: WaitingOptions): Waiting {
  const loading: Loading = { ...options, shop, strings: new Map(), pending: new Map(), asked: [], asking: 0 }
  const take = (term: Term, mails: readonly WaitingMail[]): void => {
    for (const mail of mails) takeOne(loading, term, mail)
    loading.wake()
  }
  return { take, load: (term) => load(loading, term, take) }
}

async function load({ shop, wake }: Loading, term: Term, take: Waiting['take']): Promise<void> {
  let uncertain = 0
  while (!term.isEnding) {
    const page = await pageQueuedForOperator(shop.engine.read, term.loadedTo, PAGE)
    uncertain += page.filter(({ dispatchedAt }) => dispatchedAt !== null).length
    take(term, page)
    term.loadedTo = page.at(-1) ?? term.loadedTo
    if (page.length < PAGE) break
    await setImmediate()
  }
  term.isLoaded = true
  if (uncertain > 0) {
    shop.telemetry.count('bounced_queue_uncertain_total', {}, uncertain)
    const text = 'mails were being sent when their node ended: nobody knows whether they were accepted; they are sent again'
    shop.telemetry.log.warn({ mails: uncertain }, text)
  }
  wake()
}

function takeOne(loading: Loading, term: Term, mail: WaitingMail): void {
  const told = mail.dispatchedAt === null ? mail : lostOf(loading.shop, term, mail, mail.dispatchedAt)
  const waiting = loading.pending.get(mail.domain)
  if (waiting?.term === term) waiting.mails.push(told)
  else ask(loading, term, told)
}

/** Its attempt has a number, and stands in the timeline. */
function lostOf({ rules, now }: Shop, term: Term, mail: WaitingMail, markedAt: number): WaitingMail {
  const attempts = mail.attempts + 1
  const stays = { dueAt: mail.dueAt, attempts, refusedBy: mail.refusedBy }
  const said = unknownFate({ attempt: attempts, domain: mail.domain }, rules())
  const ref = refOf(mail.account, mail.deliveryId)
  term.done.push({ kind: 'answered', ref, said, at: now(), markedAt, end: null, stays })
  return { ...mail, attempts, dispatchedAt: null }
}

function ask(loading: Loading, term: Term, mail: WaitingMail): void {
  loading.pending.set(mail.domain, { term, mails: [mail] })
  loading.asked.push(mail.domain)
  pump(loading)
}

function pump(loading: Loading): void {
  while (loading.asking < LOOK_UPS) {
    const domain = loading.asked.shift()
    if (domain === undefined) return
    loading.asking += 1
    void loading.placeOf(domain).then((place) => {
      loading.asking -= 1
      settle(loading, domain, place)
      pump(loading)
    })
  }
}

function settle(loading: Loading, domain: string, place: Place): void {
  const waiting = loading.pending.get(domain)
  loading.pending.delete(domain)
  if (waiting === undefined || waiting.term.isEnding) return
  for (const mail of waiting.mails) enter(loading, waiting.term, { mail, place })
  loading.wake()
}

function enter({ shop, strings }: Loading, term: Term, { mail, place }: { readonly mail: WaitingMail; readonly place: Place }): void {
  const { deliveryId: id, account, acceptedAt, dueAt, attempts, refusedBy } = mail
  const [domain, senderDomain] = [shared(strings, mail.domain), shared(strings, mail.senderDomain)]
  const { site, gateway, mxSet } = place
  const to = { id, account, domain, senderDomain, site, gateway, mxSet, acceptedAt, attempts, dueAt }
  offer(term.queue, refusedBy.length === 0 ? to : { ...to, refusedBy }, shop.now())
}

function shared(strings: Map<string, string>, text: string): string {
  const known = strings.get(text)
  if (known !== undefined) return known
  if (strings.size >= MOST_STRINGS) strings.clear()
  strings.set(text, text)
  return text
}
