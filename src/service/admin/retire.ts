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
import { LOOSE_FACT_KINDS } from '../../ledger/facts/fact-kinds.ts'
import { firstValidDeliveryId, TOKEN_PURPOSES } from '../../correlate/token.ts'
import { readMetadataForOperator, writeMetadataForOperator } from '../../store/engine/metadata.ts'
import { countRetiredDeliveries, removeRetiredDeliveries } from '../../store/facts/retired-deliveries.ts'
import {
  advanceRetentionCutoffForOperator,
  countOldDeliveries,
  countOldOutbox,
  listOldDeliveryIds,
  scanOldFacts,
  findNextOutboxEndpointForOperator,
  scanOldMailsForOperator,
  listOldOutbox,
  listOldSiteCountersForOperator,
  removeDeliveries,
  removeFacts,
  removeReceivedMailsForOperator,
  removeOutboxForOperator,
  removeSiteCountersForOperator,
} from '../../store/facts/retention.ts'
import { lowestIdAt } from '../notify/event-feed.ts'
import type { Context } from '../context.ts'

/** What goes, and how much of it went. */
export type RetireResult = {
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
  readonly shouldStop?: () => boolean
}

/** Rows one transaction removes: each has a dozen entries in indexes. */
const PAGE_SIZE = 200
/** The same of narrow rows. */
const NARROW_PAGE_SIZE = 1_000
/** Mails one look passes over: most of them are young. */
const SCAN_ROWS = 5_000
/** Between two steps, whatever they took: what waits for the writer has its turn. */
const MIN_STEP_DELAY_MS = 5

type Counts = { deliveries: number; facts: number; mails: number; events: number; remains: number }

const zeroCounts = (): Counts => ({ deliveries: 0, facts: 0, mails: 0, events: 0, remains: 0 })

type RetireRun = { readonly context: Context; readonly before: number; readonly counts: Counts; readonly shouldStop: () => boolean }

/** The start of the UTC month, so many months before the one that runs. Pure. */
export function retentionStart(now: number, months: number): number {
  const at = new Date(now)
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months, 1)
}

/** Retires all that is too old. Idempotent. Faults: store_busy. */
export async function retire(context: Context, { months, shouldStop = () => false }: RetireRules): Promise<RetireResult> {
  const before = await context.engine.tx((db) => advanceRetentionCutoffForOperator(db, retentionStart(context.now(), months)), {
    lockName: RETIRE_LOCK,
  })
  context.accountCache.invalidate()
  const run: RetireRun = { context, before, counts: zeroCounts(), shouldStop }
  for (const part of [retireDeliveries, retireMails, retireLooseFacts, retireOutbox, retireSiteCounters, purgeRetiredStep]) {
    if (!(await part(run))) return reportRun(run, false)
  }
  return reportRun(run, true)
}

/** Removes what is left of retired deliveries whose tokens have run out, and nothing else: where nothing is retired any more. */
export async function purgeRetiredDeliveries(context: Context, shouldStop: () => boolean): Promise<RetireResult> {
  const run: RetireRun = { context, before: 0, counts: zeroCounts(), shouldStop }
  return reportRun(run, await purgeRetiredStep(run))
}

/** The first id whose tokens still move lists. */
const firstValidTokenId = (context: Context): string =>
  firstValidDeliveryId(Math.max(TOKEN_PURPOSES.feedback.days, TOKEN_PURPOSES.unsubscribe.days), context.now())

/** One name for all steps: nodes take turns. */
const RETIRE_LOCK = 'retire'

function reportRun({ context: { telemetry }, before, counts }: RetireRun, isDone: boolean): RetireResult {
  for (const [what, n] of Object.entries(counts)) if (n > 0) telemetry.count('bounced_retired_total', { what }, n)
  if (Object.values(counts).some((n) => n > 0)) telemetry.log.info({ before, ...counts, isDone }, 'what was too old was removed')
  return { before, ...counts, isDone }
}

/** What would go: counted, and nothing changed. */
export async function previewRetirement(context: Context, months: number): Promise<Omit<RetireResult, 'facts' | 'isDone'>> {
  const { bulkRead: bulk } = context.engine
  const before = retentionStart(context.now(), months)
  let deliveries = 0
  let remains = 0
  for (const account of await accountsOf(context)) {
    deliveries += await countOldDeliveries(bulk, account, before)
    remains += await countRetiredDeliveries(bulk, account, firstValidTokenId(context))
  }
  let mails = 0
  for (let after: string | null = ''; after !== null;) {
    const seen: Awaited<ReturnType<typeof scanOldMailsForOperator>> = await scanOldMailsForOperator(bulk, before, {
      after,
      look: SCAN_ROWS,
    })
    mails += seen.mails.length
    after = seen.next
  }
  let events = 0
  for (let of = await findNextOutboxEndpointForOperator(bulk, null); of !== null; of = await findNextOutboxEndpointForOperator(bulk, of))
    events += await countOldOutbox(bulk, of, lowestIdAt(before))
  return { before, deliveries, mails, events, remains }
}

const accountsOf = async (context: Context): Promise<readonly number[]> =>
  (await context.accountCache.snapshot()).accounts.map(({ account }) => account)

/** One step, and a rest as long as it took. False: the run is over. */
async function runStep({ shouldStop }: RetireRun, work: () => Promise<void>): Promise<boolean> {
  const began = performance.now()
  await work()
  if (shouldStop()) return false
  await rest(Math.max(MIN_STEP_DELAY_MS, performance.now() - began))
  return true
}

async function retireDeliveries(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  for (const account of await accountsOf(run.context)) {
    for (;;) {
      const ids = await listOldDeliveryIds(engine.bulkRead, account, run.before, PAGE_SIZE)
      if (ids.length === 0) break
      const shouldContinue = await runStep(run, async () => {
        const { deliveries, facts } = await engine.tx(
          (db) => removeDeliveries(db, account, { ids, goodFrom: firstValidTokenId(run.context) }),
          {
            lockName: RETIRE_LOCK,
          },
        )
        run.counts.deliveries += deliveries
        run.counts.facts += facts
      })
      if (!shouldContinue) return false
    }
  }
  return true
}

/** Where the look through the mails is: their table has no order of time. `end`: it is done for this moment. */
type MailScanPosition = { readonly before: number; readonly after: string; readonly isEnd: boolean }
const MAIL_POSITION_KEY = 'retired_mails'

async function retireMails(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  let position = readMailPosition(await readMetadataForOperator(engine.bulkRead, MAIL_POSITION_KEY), run.before)
  while (!position.isEnd) {
    const { mails, next } = await scanOldMailsForOperator(engine.bulkRead, run.before, { after: position.after, look: SCAN_ROWS })
    const then: MailScanPosition = { before: run.before, after: next ?? '', isEnd: next === null }
    for (let at = 0; at <= mails.length; at += PAGE_SIZE) {
      const page = mails.slice(at, at + PAGE_SIZE)
      const isLast = at + PAGE_SIZE >= mails.length
      const shouldContinue = await runStep(run, () =>
        engine.tx(
          async (db) => {
            if (page.length > 0) await removeReceivedMailsForOperator(db, page)
            if (isLast) await writeMetadataForOperator(db, MAIL_POSITION_KEY, JSON.stringify(then))
          },
          { lockName: RETIRE_LOCK },
        ),
      )
      run.counts.mails += page.length
      if (!shouldContinue) return false
      if (isLast) break
    }
    position = then
  }
  return true
}

/** The checked door: what we wrote, or another moment's, which begins again. */
function readMailPosition(text: string | null, before: number): MailScanPosition {
  const position = text === null ? null : (JSON.parse(text) as MailScanPosition)
  return position?.before === before ? position : { before, after: '', isEnd: false }
}

/** Where the look through the facts is; an account that is not named is not begun. */
type FactScanPositions = { readonly before: number; readonly after: Readonly<Record<string, string>> }
const FACT_POSITIONS_KEY = 'retired_facts'

/** Ids are in the order of time, and what was looked at once for this moment is not looked at again. */
async function retireLooseFacts(run: RetireRun): Promise<boolean> {
  const { context, before } = run
  const text = await readMetadataForOperator(context.engine.bulkRead, FACT_POSITIONS_KEY)
  // The checked door: what we wrote.
  const known = text === null ? null : (JSON.parse(text) as FactScanPositions)
  let positions: FactScanPositions = known?.before === before ? known : { before, after: {} }
  for (const account of [0, ...(await accountsOf(context))]) {
    for (let seen = SCAN_ROWS; seen === SCAN_ROWS;) {
      const after = positions.after[account] ?? lowestIdAt(0)
      const facts = await scanOldFacts(context.engine.bulkRead, account, { after, before: lowestIdAt(before), look: SCAN_ROWS })
      seen = facts.length
      if (seen === 0) break
      positions = { before, after: { ...positions.after, [account]: facts.at(-1)?.id ?? after } }
      const ids = facts.filter(({ kind }) => LOOSE_FACT_KINDS.includes(kind)).map(({ id }) => id)
      if (!(await removeLooseFacts(run, { account, ids, places: positions }))) return false
    }
  }
  return true
}

/** A page a transaction; the last one moves the place. */
async function removeLooseFacts(
  run: RetireRun,
  { account, ids, places: positions }: { readonly account: number; readonly ids: readonly string[]; readonly places: FactScanPositions },
): Promise<boolean> {
  for (let at = 0; at === 0 || at < ids.length; at += PAGE_SIZE) {
    const page = ids.slice(at, at + PAGE_SIZE)
    const shouldContinue = await runStep(run, () =>
      run.context.engine.tx(
        async (db) => {
          if (page.length > 0) await removeFacts(db, account, page)
          if (at + PAGE_SIZE >= ids.length) await writeMetadataForOperator(db, FACT_POSITIONS_KEY, JSON.stringify(positions))
        },
        { lockName: RETIRE_LOCK },
      ),
    )
    run.counts.facts += page.length
    if (!shouldContinue) return false
  }
  return true
}

async function retireOutbox(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  for (
    let of = await findNextOutboxEndpointForOperator(engine.bulkRead, null);
    of !== null;
    of = await findNextOutboxEndpointForOperator(engine.bulkRead, of)
  ) {
    for (let hasMore = true; hasMore;) {
      const rows = await listOldOutbox(engine.bulkRead, of, lowestIdAt(run.before), PAGE_SIZE)
      hasMore = rows.length === PAGE_SIZE
      if (rows.length > 0 && !(await runStep(run, () => engine.tx((db) => removeOutboxForOperator(db, rows), { lockName: RETIRE_LOCK }))))
        return false
      run.counts.events += rows.length
    }
  }
  return true
}

async function retireSiteCounters(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  for (;;) {
    const rows = await listOldSiteCountersForOperator(engine.bulkRead, run.before, PAGE_SIZE)
    if (rows.length === 0) return true
    if (!(await runStep(run, () => engine.tx((db) => removeSiteCountersForOperator(db, rows), { lockName: RETIRE_LOCK })))) return false
  }
}

async function purgeRetiredStep(run: RetireRun): Promise<boolean> {
  const { engine } = run.context
  const page = { before: firstValidTokenId(run.context), limit: NARROW_PAGE_SIZE }
  for (const account of await accountsOf(run.context)) {
    for (let gone = NARROW_PAGE_SIZE; gone === NARROW_PAGE_SIZE;) {
      const shouldContinue = await runStep(run, async () => {
        gone = await engine.tx((db) => removeRetiredDeliveries(db, account, page), { lockName: RETIRE_LOCK })
        run.counts.remains += gone
      })
      if (!shouldContinue) return false
    }
  }
  return true
}
