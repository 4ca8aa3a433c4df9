/**
 * flood-monitor - counts reports that carry a valid token, or an id that we did not make, and raises an alarm when there are too many
 *
 * Each node counts the reports that it receives by SMTP, in memory; only the alarm is stored. Replayed mails are not counted, because they
 * arrive all at once.
 *
 * See also: ledger/alert/flood (the rules), service/admin/blocks (how an operator blocks the source).
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../../net/cache-bound.ts'
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
import { findForgedId } from '../../correlate/forged-id.ts'
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
  const createGauges = (): LRUCache<string, FloodGauge> => new LRUCache(upToEntries(MAX_GAUGES))
  const gaugesOfKind = {
    account: createGauges(),
    peer: createGauges(),
    token: createGauges(),
    guess: createGauges(),
  } as const satisfies Record<FloodKind, unknown>
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
    count: (item, snapshot) => {
      if (item.mail.source !== 'smtp') return
      for (const { nameOf, ...about } of countsOf(context, item, snapshot)) countOne(about, item.mail.receivedAt, nameOf)
    },
    waitUntilIdle: async () => {
      await Promise.all(pendingAlarms)
    },
  }
}

type Count = Pick<Flood, 'account' | 'kind' | 'name'> & { readonly nameOf?: () => string }

/** What a mail counts for: the delivery in its first valid token; without one, a guess. */
function countsOf(context: Context, item: PreparedMail, snapshot: AccountSnapshot): readonly Count[] {
  const { mail, references } = item
  const reference = references.find((each) => 'token' in each && each.token.state === 'valid')
  if (reference === undefined || !('token' in reference)) return guessesOf(context, item, snapshot)
  const { token } = reference
  const account = snapshot.accountOf(token.account)?.account
  if (account === undefined) return []
  const peer = mail.peer === null ? [] : [{ account, kind: 'peer' as const, name: clientBlockOf(mail.peer) }]
  return [
    { account, kind: 'account', name: String(account) },
    { account, kind: 'token', name: token.deliveryId, nameOf: tokenNamer(context, snapshot, token) },
    ...peer,
  ]
}

/** The mails that have counted as a guess: one guess for each, whatever the number of its recipients. */
const guessingMails = new WeakSet<Uint8Array>()

function guessesOf(context: Context, item: PreparedMail, snapshot: AccountSnapshot): readonly Count[] {
  const account = guessingMails.has(item.mail.raw) ? null : forgedAccountOf(context, item, snapshot)
  if (account === null) return []
  guessingMails.add(item.mail.raw)
  context.telemetry.count('bounced_forged_ids_total')
  return [{ account, kind: 'guess', name: String(account) }]
}

/** By snapshot: a stranger's mail must not cost a pass over all accounts. */
const knownSenderDomains = new WeakMap<AccountSnapshot, ReadonlySet<string>>()

function senderDomainsOf(snapshot: AccountSnapshot): ReadonlySet<string> {
  const known = knownSenderDomains.get(snapshot)
  if (known !== undefined) return known
  const domains = new Set(snapshot.accounts.flatMap(({ settings }) => settings.senderDomains))
  knownSenderDomains.set(snapshot, domains)
  return domains
}

/** The account that a mail guesses ids of; null: it does not, or the account is unknown. The peer that brought it may be an honest relay. */
function forgedAccountOf({ domains }: Context, { mail, report }: PreparedMail, snapshot: AccountSnapshot): number | null {
  const number = findForgedId({
    report,
    rcpt: mail.envelope.to,
    domains,
    senderDomains: senderDomainsOf(snapshot),
    keyFor: snapshot.keyFor,
  })
  return number === null ? null : (snapshot.accountOf(number)?.account ?? null)
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
