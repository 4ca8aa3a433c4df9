/**
 * flood-monitor - counts the reports that bear a valid token, and raises the alarm when they are too many
 *
 * Each node counts what it takes itself, in memory: nothing is written but the alarm. Replays are not counted, for they come all at once.
 *
 * See also: ledger/alert/flood (the rules), service/admin/blocks (what an operator may do then).
 */
import { LRUCache } from 'lru-cache'
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import {
  countReport,
  decideFlood,
  type Flood,
  type FloodKind,
  type FloodRule,
  type FloodGauge,
  subjectOfFlood,
} from '../../ledger/alert/flood.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import type { PreparedMail } from './prepare.ts'
import type { Context } from '../context.ts'

export type FloodRules = Readonly<Record<FloodKind, FloodRule>>

export type FloodMonitor = {
  /** Counts one mail; never throws, and waits for nothing. */
  readonly count: (item: PreparedMail, snapshot: AccountSnapshot) => void
  /** Resolves when no alarm is under way. */
  readonly waitUntilIdle: () => Promise<void>
}

/** Tokens and peers that are counted at once; what is pushed out begins anew. A few megabytes. */
const MAX_GAUGES = 20_000

/** Makes the watch of one node. */
export function createFloodMonitor(context: Context, rules: FloodRules): FloodMonitor {
  const gauges = new LRUCache<string, FloodGauge>({ max: MAX_GAUGES })
  const pendingAlarms = new Set<Promise<void>>()
  const countOne = (about: Pick<Flood, 'account' | 'kind' | 'name'>, at: number): void => {
    const { account, kind, name } = about
    const key = `${kind}/${account}/${name}`
    const { gauge, isFlood } = countReport(gauges.get(key) ?? null, at, rules[kind])
    gauges.set(key, gauge)
    if (!isFlood) return
    const pendingAlarm = raiseFloodAlarm(context, { ...about, since: gauge.since, reports: gauge.count }).finally(() =>
      pendingAlarms.delete(pendingAlarm),
    )
    pendingAlarms.add(pendingAlarm)
  }
  return {
    count: ({ mail, references }, snapshot) => {
      const reference = references.find((each) => 'token' in each && each.token.state === 'valid')
      if (mail.source !== 'smtp' || reference === undefined || !('token' in reference)) return
      const account = snapshot.accountOf(reference.token.account)?.account
      if (account === undefined) return
      const at = mail.receivedAt
      countOne({ account, kind: 'account', name: String(account) }, at)
      countOne({ account, kind: 'token', name: reference.token.deliveryId }, at)
      if (mail.peer !== null) countOne({ account, kind: 'peer', name: mail.peer }, at)
    },
    waitUntilIdle: async () => {
      await Promise.all(pendingAlarms)
    },
  }
}

/** One alarm a window, over all nodes. An alarm that cannot be written is told in the log: intake goes on. */
async function raiseFloodAlarm(context: Context, flood: Flood): Promise<void> {
  const { account, kind, name, reports } = flood
  const now = context.now()
  context.telemetry.log.warn({ account, flood: kind, name, reports }, 'a flood of reports')
  try {
    await context.engine.tx(async (db) => {
      const { ledgerState } = await loadLedgerState(db, { subjects: [{ account, subject: subjectOfFlood(flood) }] })
      const draft = createFactBatch(ledgerState)
      if (!draft.add(decideFlood(flood, { at: now, receivedAt: now, ids: context.ids }))) return
      applyFacts(ledgerState, draft.facts)
      await commitLedgerState(db, ledgerState, { now, notify: () => true })
      context.telemetry.count('bounced_alarms_total', { alarm: 'flood' })
    })
  } catch (error) {
    context.telemetry.log.error({ account, flood: kind, name, err: error }, 'an alarm could not be written')
  }
}
