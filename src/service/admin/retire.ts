/**
 * retire - what is older than its time goes, in steps so small that intake never waits for them
 *
 * First the time is closed: from then on reports on its mails go to the inbox as `expired`, and its counters are what they are, for
 * rebuilds leave them alone. Then deliveries go with their facts (what their tokens may still ask of a list remains until they run out), mails with
 * theirs, events that no endpoint heard, and counters of sites: each step finds its rows beside the writer, removes a page in one transaction, and rests as long as it took. A run that is cut off is taken up by
 * the next, here or on another node. Lists are never touched: an unsubscribe is for ever.
 *
 * See also: store/facts/retention, chores (when), settings (retention.months), docs/RETENTION.md.
 */
import { setTimeout as rest } from 'node:timers/promises'
import type { Fact } from '../../ledger/facts/fact.ts'
import { firstGoodId, PURPOSES } from '../../correlate/token.ts'
import { readMetaForOperator, writeMetaForOperator } from '../../store/engine/metadata.ts'
import { countRemains, removeRemains } from '../../store/facts/retired-deliveries.ts'
import {
  closeBeforeForOperator,
  countOldDeliveries,
  countOldOutbox,
  oldDeliveries,
  oldFacts,
  nextOutboxForOperator,
  oldMailsForOperator,
  oldOutbox,
  oldSiteCountersForOperator,
  removeDeliveries,
  removeFacts,
  removeMailsForOperator,
  removeOutboxForOperator,
  removeSiteCountersForOperator,
} from '../../store/facts/retention.ts'
import { floorOf } from '../notify/event-feed.ts'
import type { Shop } from '../context.ts'

/** What goes, and how much of it went. */
export type Retired = {
  readonly before: number
  readonly deliveries: number
  readonly facts: number
  readonly mails: number
  readonly events: number
  /** What was kept of deliveries that were retired before, and whose tokens have run out. */
  readonly remains: number
  /** False: it was told to stop, and there is more. */
  readonly isDone: boolean
}

export type RetireRules = {
  /** Whole months that are kept before the one that runs. */
  readonly months: number
  /** Asked after each step; true ends the run. */
  readonly mustStop?: () => boolean
}

/** Rows one transaction removes: each has a dozen entries in indexes. */
const PAGE = 200
/** The same of narrow rows. */
const NARROW_PAGE = 1_000
/** Mails one look passes over: most of them are young. */
const LOOK = 5_000
/** Between two steps, whatever they took: what waits for the writer has its turn. */
const LEAST_REST_MS = 5

type Counts = { deliveries: number; facts: number; mails: number; events: number; remains: number }

const nothing = (): Counts => ({ deliveries: 0, facts: 0, mails: 0, events: 0, remains: 0 })

type Run = { readonly shop: Shop; readonly before: number; readonly counts: Counts; readonly isOver: () => boolean }

/** The start of the UTC month, so many months before the one that runs. Pure. */
export function keptFrom(now: number, months: number): number {
  const at = new Date(now)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months, 1)
}

/** Retires all that is too old. Idempotent. Faults: store_busy. */
export async function retire(shop: Shop, { months, mustStop = () => false }: RetireRules): Promise<Retired> {
  const before = await shop.engine.tx((db) => closeBeforeForOperator(db, keptFrom(shop.now(), months)), { lock: LOCK })
  shop.book.turn()
  const run: Run = { shop, before, counts: nothing(), isOver: mustStop }
  for (const part of [retireDeliveries, retireMails, retireLooseFacts, retireOutbox, retireSiteCounters, retireRemains]) {
    if (!(await part(run))) return tell(run, false)
  }
  return tell(run, true)
}

/** Removes what is left of retired deliveries whose tokens have run out, and nothing else: where nothing is retired any more. */
export async function retireOldRemains(shop: Shop, mustStop: () => boolean): Promise<Retired> {
  const run: Run = { shop, before: 0, counts: nothing(), isOver: mustStop }
  return tell(run, await retireRemains(run))
}

/** The first id whose tokens still move lists. */
const goodFrom = (shop: Shop): string => firstGoodId(Math.max(PURPOSES.feedback.days, PURPOSES.unsubscribe.days), shop.now())

/** One name for all steps: nodes take turns. */
const LOCK = 'retire'

function tell({ shop: { telemetry }, before, counts }: Run, isDone: boolean): Retired {
  for (const [what, n] of Object.entries(counts)) if (n > 0) telemetry.count('bounced_retired_total', { what }, n)
  if (Object.values(counts).some((n) => n > 0)) telemetry.log.info({ before, ...counts, isDone }, 'what was too old was removed')
  return { before, ...counts, isDone }
}

/** What would go: counted, and nothing changed. */
export async function foreseeRetirement(shop: Shop, months: number): Promise<Omit<Retired, 'facts' | 'isDone'>> {
  const { bulk } = shop.engine
  const before = keptFrom(shop.now(), months)
  let deliveries = 0
  let remains = 0
  for (const account of await accountsOf(shop)) {
    deliveries += await countOldDeliveries(bulk, account, before)
    remains += await countRemains(bulk, account, goodFrom(shop))
  }
  let mails = 0
  for (let after: string | null = ''; after !== null;) {
    const seen: Awaited<ReturnType<typeof oldMailsForOperator>> = await oldMailsForOperator(bulk, before, { after, look: LOOK })
    mails += seen.mails.length
    after = seen.next
  }
  let events = 0
  for (let of = await nextOutboxForOperator(bulk, null); of !== null; of = await nextOutboxForOperator(bulk, of))
    events += await countOldOutbox(bulk, of, floorOf(before))
  return { before, deliveries, mails, events, remains }
}

const accountsOf = async (shop: Shop): Promise<readonly number[]> => (await shop.book.open()).accounts.map(({ account }) => account)

/** One step, and a rest as long as it took. False: the run is over. */
async function step({ isOver }: Run, work: () => Promise<void>): Promise<boolean> {
  const began = performance.now()
  await work()
  if (isOver()) return false
  await rest(Math.max(LEAST_REST_MS, performance.now() - began))
  return true
}

async function retireDeliveries(run: Run): Promise<boolean> {
  const { engine } = run.shop
  for (const account of await accountsOf(run.shop)) {
    for (;;) {
      const ids = await oldDeliveries(engine.bulk, account, run.before, PAGE)
      if (ids.length === 0) break
      const goesOn = await step(run, async () => {
        const { deliveries, facts } = await engine.tx((db) => removeDeliveries(db, account, { ids, goodFrom: goodFrom(run.shop) }), {
          lock: LOCK,
        })
        run.counts.deliveries += deliveries
        run.counts.facts += facts
      })
      if (!goesOn) return false
    }
  }
  return true
}

/** Where the look through the mails is: their table has no order of time. `end`: it is done for this moment. */
type MailPlace = { readonly before: number; readonly after: string; readonly isEnd: boolean }
const PLACE = 'retired_mails'

async function retireMails(run: Run): Promise<boolean> {
  const { engine } = run.shop
  let place = placeOf(await readMetaForOperator(engine.bulk, PLACE), run.before)
  while (!place.isEnd) {
    const { mails, next } = await oldMailsForOperator(engine.bulk, run.before, { after: place.after, look: LOOK })
    const then: MailPlace = { before: run.before, after: next ?? '', isEnd: next === null }
    for (let at = 0; at <= mails.length; at += PAGE) {
      const page = mails.slice(at, at + PAGE)
      const isLast = at + PAGE >= mails.length
      const goesOn = await step(run, () =>
        engine.tx(
          async (db) => {
            if (page.length > 0) await removeMailsForOperator(db, page)
            if (isLast) await writeMetaForOperator(db, PLACE, JSON.stringify(then))
          },
          { lock: LOCK },
        ),
      )
      run.counts.mails += page.length
      if (!goesOn) return false
      if (isLast) break
    }
    place = then
  }
  return true
}

/** The checked door: what we wrote, or another moment's, which begins again. */
function placeOf(text: string | null, before: number): MailPlace {
  const place = text === null ? null : (JSON.parse(text) as MailPlace)
  return place?.before === before ? place : { before, after: '', isEnd: false }
}

/** Of what no delivery and no report carries away: transitions of the queue, and mail that came for accounts. */
const LOOSE: readonly Fact['kind'][] = ['queue', 'route']

/** Where the look through the facts is; an account that is not named is not begun. */
type FactPlaces = { readonly before: number; readonly after: Readonly<Record<string, string>> }
const FACT_PLACES = 'retired_facts'

/** Ids are in the order of time, and what was looked at once for this moment is not looked at again. */
async function retireLooseFacts(run: Run): Promise<boolean> {
  const { shop, before } = run
  const text = await readMetaForOperator(shop.engine.bulk, FACT_PLACES)
  // The checked door: what we wrote.
  const known = text === null ? null : (JSON.parse(text) as FactPlaces)
  let places: FactPlaces = known?.before === before ? known : { before, after: {} }
  for (const account of [0, ...(await accountsOf(shop))]) {
    for (let seen = LOOK; seen === LOOK;) {
      const after = places.after[account] ?? floorOf(0)
      const facts = await oldFacts(shop.engine.bulk, account, { after, before: floorOf(before), look: LOOK })
      seen = facts.length
      if (seen === 0) break
      places = { before, after: { ...places.after, [account]: facts.at(-1)?.id ?? after } }
      const ids = facts.filter(({ kind }) => LOOSE.includes(kind)).map(({ id }) => id)
      if (!(await removeLoose(run, { account, ids, places }))) return false
    }
  }
  return true
}

/** A page a transaction; the last one moves the place. */
async function removeLoose(
  run: Run,
  { account, ids, places }: { readonly account: number; readonly ids: readonly string[]; readonly places: FactPlaces },
): Promise<boolean> {
  for (let at = 0; at === 0 || at < ids.length; at += PAGE) {
    const page = ids.slice(at, at + PAGE)
    const goesOn = await step(run, () =>
      run.shop.engine.tx(
        async (db) => {
          if (page.length > 0) await removeFacts(db, account, page)
          if (at + PAGE >= ids.length) await writeMetaForOperator(db, FACT_PLACES, JSON.stringify(places))
        },
        { lock: LOCK },
      ),
    )
    run.counts.facts += page.length
    if (!goesOn) return false
  }
  return true
}

async function retireOutbox(run: Run): Promise<boolean> {
  const { engine } = run.shop
  for (let of = await nextOutboxForOperator(engine.bulk, null); of !== null; of = await nextOutboxForOperator(engine.bulk, of)) {
    for (let full = true; full;) {
      const rows = await oldOutbox(engine.bulk, of, floorOf(run.before), PAGE)
      full = rows.length === PAGE
      if (rows.length > 0 && !(await step(run, () => engine.tx((db) => removeOutboxForOperator(db, rows), { lock: LOCK })))) return false
      run.counts.events += rows.length
    }
  }
  return true
}

async function retireSiteCounters(run: Run): Promise<boolean> {
  const { engine } = run.shop
  for (;;) {
    const rows = await oldSiteCountersForOperator(engine.bulk, run.before, PAGE)
    if (rows.length === 0) return true
    if (!(await step(run, () => engine.tx((db) => removeSiteCountersForOperator(db, rows), { lock: LOCK })))) return false
  }
}

async function retireRemains(run: Run): Promise<boolean> {
  const { engine } = run.shop
  const page = { before: goodFrom(run.shop), limit: NARROW_PAGE }
  for (const account of await accountsOf(run.shop)) {
    for (let gone = NARROW_PAGE; gone === NARROW_PAGE;) {
      const goesOn = await step(run, async () => {
        gone = await engine.tx((db) => removeRemains(db, account, page), { lock: LOCK })
        run.counts.remains += gone
      })
      if (!goesOn) return false
    }
  }
  return true
}
