/**
 * flood-monitor - counts reports that carry a valid token, and raises an alarm when there are too many
 *
 * Each node counts the reports that it receives by SMTP, in memory; only the alarm is stored. Replayed mails are not counted, because they
 * arrive all at once.
 *
 * See also: ledger/alert/flood (the rules), service/admin/blocks (how an operator blocks the source).
 */
import { LRUCache } from 'lru-cache'
import { clientBlockOf } from '../../net/peer-network.ts'
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
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { signMailTokens } from '../submit/mail-tokens.ts'
import type { PreparedMail } from './prepare.ts'

export type FloodRules = Readonly<Record<FloodKind, FloodRule>>

export type FloodMonitor = {
  /** Counts one report. Never throws and never blocks: an alarm is raised in the background. */
  readonly count: (item: PreparedMail, snapshot: AccountSnapshot) => void
  /** Resolves when no alarm is being raised. */
  readonly waitUntilIdle: () => Promise<void>
}

/**
 * Gauges of one kind kept at once, a few megabytes. The count of an evicted gauge restarts at 0. Each kind has a table of its own, so that somebody
 * who sends from many addresses cannot evict the gauges of accounts and tokens.
 */
const MAX_GAUGES = 10_000

/** Creates the flood monitor of one node. */
export function createFloodMonitor(context: Context, rules: FloodRules): FloodMonitor {
  const createGauges = (): LRUCache<string, FloodGauge> => new LRUCache({ max: MAX_GAUGES })
  const gaugesOfKind = { account: createGauges(), peer: createGauges(), token: createGauges() } as const satisfies Record<
    FloodKind,
    unknown
  >
  const pendingAlarms = new Set<Promise<void>>()
  const countOne = (about: Pick<Flood, 'account' | 'kind' | 'name'>, at: number, nameOf: () => string = () => about.name): void => {
    const { account, kind, name } = about
    const gauges = gaugesOfKind[kind]
    const key = `${account}/${name}`
    const { gauge, isFlood } = countReport(gauges.get(key) ?? null, at, rules[kind])
    gauges.set(key, gauge)
    if (!isFlood) return
    context.telemetry.log.warn({ account, flood: kind, name, reports: gauge.count }, 'flood of reports detected')
    const pendingAlarm = raiseFloodAlarm(context, { ...about, name: nameOf(), since: gauge.windowStart, reports: gauge.count }).finally(
      () => pendingAlarms.delete(pendingAlarm),
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
      countOne({ account, kind: 'token', name: reference.token.deliveryId }, at, tokenNamer(context, snapshot, reference.token))
      if (mail.peer !== null) countOne({ account, kind: 'peer', name: clientBlockOf(mail.peer) }, at)
    },
    waitUntilIdle: async () => {
      await Promise.all(pendingAlarms)
    },
  }
}

/** The alarm leaves by webhooks, so it names a delivery by a token. */
const tokenNamer = (context: Context, snapshot: AccountSnapshot, token: { deliveryId: string; keyIndex: number }) => (): string =>
  signMailTokens(snapshot, context.domains, token).feedback

/** Raises at most one alarm a window over all nodes. A failure is logged and does not disturb the reports. */
async function raiseFloodAlarm(context: Context, flood: Flood): Promise<void> {
  const { account, kind, name } = flood
  try {
    await transact(context, { subjects: [{ account, subject: subjectOfFlood(flood) }] }, ({ ledgerState, moment }) => {
      const batch = createFactBatch(ledgerState)
      batch.add(decideFlood(flood, moment))
      return { result: null, facts: batch.facts }
    })
  } catch (error) {
    context.telemetry.log.error({ account, flood: kind, name, err: error }, 'flood alarm could not be stored')
  }
}
