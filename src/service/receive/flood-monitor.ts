/**
 * flood-monitor - counts the reports that bear a valid token, and raises the alarm when they are too many
 *
 * Each node counts what it takes itself, in memory: nothing is written but the alarm. Replays are not counted, for they come all at once.
 *
 * See also: ledger/alert/flood (the rules), service/admin/blocks (what an operator may do then).
 */
import { LRUCache } from 'lru-cache'
import { draftFor } from '../../ledger/facts/fact-batch.ts'
import {
  countReport,
  decideFlood,
  type Flood,
  type FloodKind,
  type FloodRule,
  type Gauge,
  subjectOfFlood,
} from '../../ledger/alert/flood.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import type { Prepared } from './prepare.ts'
import type { Shop } from '../context.ts'

export type FloodRules = Readonly<Record<FloodKind, FloodRule>>

export type FloodWatch = {
  /** Counts one mail; never throws, and waits for nothing. */
  readonly count: (item: Prepared, page: Page) => void
  /** Resolves when no alarm is under way. */
  readonly idle: () => Promise<void>
}

/** Tokens and peers that are counted at once; what is pushed out begins anew. A few megabytes. */
const MAX_GAUGES = 20_000

/** Makes the watch of one node. */
export function createFloodWatch(shop: Shop, rules: FloodRules): FloodWatch {
  const gauges = new LRUCache<string, Gauge>({ max: MAX_GAUGES })
  const underWay = new Set<Promise<void>>()
  const countOne = (about: Pick<Flood, 'account' | 'kind' | 'name'>, at: number): void => {
    const { account, kind, name } = about
    const key = `${kind}/${account}/${name}`
    const { gauge, isFlood } = countReport(gauges.get(key) ?? null, at, rules[kind])
    gauges.set(key, gauge)
    if (!isFlood) return
    const raised = raise(shop, { ...about, since: gauge.since, reports: gauge.count }).finally(() => underWay.delete(raised))
    underWay.add(raised)
  }
  return {
    count: ({ mail, clues }, page) => {
      const clue = clues.find((each) => 'token' in each && each.token.state === 'valid')
      if (mail.source !== 'smtp' || clue === undefined || !('token' in clue)) return
      const account = page.accountOf(clue.token.account)?.account
      if (account === undefined) return
      const at = mail.receivedAt
      countOne({ account, kind: 'account', name: String(account) }, at)
      countOne({ account, kind: 'token', name: clue.token.deliveryId }, at)
      if (mail.peer !== null) countOne({ account, kind: 'peer', name: mail.peer }, at)
    },
    idle: async () => {
      await Promise.all(underWay)
    },
  }
}

/** One alarm a window, over all nodes. An alarm that cannot be written is told in the log: intake goes on. */
async function raise(shop: Shop, flood: Flood): Promise<void> {
  const { account, kind, name, reports } = flood
  const now = shop.now()
  shop.telemetry.log.warn({ account, flood: kind, name, reports }, 'a flood of reports')
  try {
    await shop.engine.tx(async (db) => {
      const { world } = await loadWorld(db, { subjects: [{ account, subject: subjectOfFlood(flood) }] })
      const draft = draftFor(world)
      if (!draft.add(decideFlood(flood, { at: now, receivedAt: now, ids: shop.ids }))) return
      applyFacts(world, draft.facts)
      await commitWorld(db, world, { now, notify: () => true })
      shop.telemetry.count('bounced_alarms_total', { alarm: 'flood' })
    })
  } catch (error) {
    shop.telemetry.log.error({ account, flood: kind, name, err: error }, 'an alarm could not be written')
  }
}
