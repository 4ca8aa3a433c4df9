/**
 * scheduled-jobs - what the daemon does by itself from time to time
 *
 * One chore at a time; a chore that fails is told in the log and comes again. Old raw mail goes, what is older than its months goes, rotated keys end, mails that nobody
 * closed are given up.
 *
 * See also: settings (retention, giveUpDays), service/deliver/give-up.
 */
import type { LookUp } from '../net/dns.ts'
import type { Settings } from '../settings/schema.ts'
import { removeExpiredCredentialsForOperator } from '../store/account/credentials.ts'
import type { Db } from '../store/engine/engine.ts'
import { removeRawMailsForOperator } from '../store/mail/raw-mail.ts'
import { removeRouteMailsForOperator } from '../store/mail/forwarded-mails.ts'
import { removeWatchCountsForOperator } from '../store/facts/watch-counters.ts'
import { removeRecordsForOperator } from '../store/webhook/attempts.ts'
import { removeOldReportsForOperator } from '../store/queue/backoff-keys.ts'
import { dropSettledCommandsForOperator } from '../store/queue/commands.ts'
import { removeOldSubmissionsForOperator } from '../store/mail/submissions.ts'
import { tendDkimKeys } from '../service/admin/dkim.ts'
import { giveUpOverdue } from '../service/deliver/give-up.ts'
import { retire, retireOldRemains } from '../service/admin/retire.ts'
import type { Shop } from '../service/context.ts'
import { REPEAT_MS } from '../service/submit/submit.ts'

type Chore = { readonly name: string; readonly run: () => Promise<unknown> }

/** Often enough that a limit of days holds to the minute that people see, seldom enough to cost nothing. */
const EVERY_MS = 5 * 60_000
const DAY_MS = 86_400_000

/** Of each round: other chores wait for it, and a month of mails takes some hours. */
const RETIRE_MS = 60_000

/** The longest look back of an alert is four weeks. */
const WATCHED_DAYS = 35

/** Rows that one transaction removes: a long one would hold the writer. */
const PAGE = 500

/** `watch` evaluates the alerts. */
type World = { readonly lookUp: LookUp; readonly watch: () => Promise<void> }

/** Begins; the answer ends them, after the one that runs. */
export function startChores(shop: Shop, settings: Settings, { lookUp, watch }: World): () => Promise<void> {
  const state = { isClosing: false }
  const chores: readonly Chore[] = [
    { name: 'alerts', run: watch },
    ...choresOf(shop, settings, { lookUp, isClosing: () => state.isClosing }),
  ]
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(() => runAll(shop, chores))
  }, EVERY_MS)
  timer.unref()
  return () => {
    state.isClosing = true
    clearInterval(timer)
    return running
  }
}

type Tools = { readonly lookUp: LookUp; readonly isClosing: () => boolean }

/** Where nobody delivers any more, nobody takes them; the queue's classes look back hours. */
const REPORT_DAYS = 7

/** Who asks what became of an order asks within days; the audit keeps who gave it. */
const ORDERS_MS = 7 * DAY_MS

function choresOf(shop: Shop, settings: Settings, { lookUp, isClosing }: Tools): readonly Chore[] {
  const { engine, now } = shop
  return [
    { name: 'raw mail', run: () => removeOldMail(shop, settings.retention.rawDays) },
    { name: 'routed mail', run: () => removeOld(shop, settings.retention.routeDays, removeRouteMailsForOperator) },
    { name: 'records of webhooks', run: () => removeOld(shop, settings.webhooks.recordDays, removeRecordsForOperator) },
    { name: 'counts for alerts', run: () => removeOld(shop, WATCHED_DAYS, removeWatchCountsForOperator) },
    { name: 'retirement', run: () => retireForAWhile(shop, settings.retention.months, isClosing) },
    { name: 'give up', run: () => giveUpOverdue(shop) },
    { name: 'rotated keys', run: () => engine.tx((db) => removeExpiredCredentialsForOperator(db, now())) },
    { name: 'answers given', run: () => removeOld(shop, REPEAT_MS / DAY_MS, removeOldSubmissionsForOperator) },
    { name: 'reports for the queue', run: () => removeOld(shop, REPORT_DAYS, removeOldReportsForOperator) },
    { name: 'orders to the queue', run: () => engine.tx((db) => dropSettledCommandsForOperator(db, now() - ORDERS_MS)) },
    { name: 'signing keys', run: () => tendDkimKeys(shop, lookUp) },
  ]
}

async function runAll({ telemetry }: Shop, chores: readonly Chore[]): Promise<void> {
  for (const { name, run } of chores) {
    try {
      await run()
    } catch (error) {
      telemetry.log.error({ chore: name, err: error }, 'a chore failed; it comes again')
    }
  }
}

async function retireForAWhile(shop: Shop, months: number, isClosing: () => boolean): Promise<void> {
  const until = shop.now() + RETIRE_MS
  const mustStop = (): boolean => isClosing() || shop.now() > until
  await (months === 0 ? retireOldRemains(shop, mustStop) : retire(shop, { months, mustStop }))
}

/** Removes raw mail older than so many days, a page a transaction, so that intake goes on between them. */
export function removeOldMail(shop: Shop, rawDays: number): Promise<void> {
  return removeOld(shop, rawDays, removeRawMailsForOperator)
}

type Remove = (db: Db, before: number, limit: number) => Promise<number>

async function removeOld({ engine, now }: Shop, age: number, remove: Remove): Promise<void> {
  const before = now() - age * DAY_MS
  for (let gone = PAGE; gone === PAGE;) gone = await engine.tx((db) => remove(db, before, PAGE))
}
