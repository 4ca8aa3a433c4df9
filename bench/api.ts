/**
 * api - latency and CPU of API queries, alone and while reports arrive at half of the node's capacity, and the time of a start
 *
 * `--deliveries=N,M…` sets the sizes of the store (100,000 by default; 10,000,000 needs some minutes and 8 GB). A child process sends the queries one after
 * the other over two connections. Latency depends on the machine; the CPU of a query does not, and must not grow with the table.
 */
import { setTimeout as rest } from 'node:timers/promises'
import type { Daemon } from '../test/support/daemon.ts'
import { sendLoad, type LoadMail } from '../test/support/smtp-load.ts'
import type { Query, QueryLatencies } from './ask.ts'
import type { Figure } from './figure.ts'
import { runQueryProcess, DELIVERY_COUNTS, cpuMillis, withFilledStore } from './filled.ts'
import { register } from './target.ts'

const CONNECTIONS = 100
/** Enough to measure the full rate: a fraction of a second. */
const MAILS = 2_000
const SECONDS = Number(process.argv.find((word) => word.startsWith('--seconds='))?.split('=')[1] ?? 5)
const QUERY_CONNECTIONS = 2
const DAY_MS = 86_400_000

const recipientOf = (id: string): string => id.slice(id.indexOf('$') + 1)
const searchQuery = (query: Readonly<Record<string, string>>): Query => ({
  method: 'GET',
  path: `/v1/messages?${new URLSearchParams(query).toString()}`,
})
const dayFilter = (n: number): Readonly<Record<string, string>> => {
  const until = Date.now() - (n % 20) * DAY_MS
  return { since: new Date(until - DAY_MS).toISOString(), until: new Date(until).toISOString() }
}

/** `n`: the number of the mail. */
type QueryOfMail = (emailId: string, n: number) => Query

/** The queries, with the id of a mail. */
export const QUERIES = {
  'emailStatus by id': (id) => ({ method: 'GET', path: `/v1/messages/${encodeURIComponent(id)}` }),
  'emailStatus by recipient': (id) => searchQuery({ recipient: recipientOf(id) }),
  'emailStatus by status and day, 20 rows': (_, n) => searchQuery({ status: '4', limit: '20', ...dayFilter(n) }),
  'emailStatus by sending IP and day, 20 rows': (_, n) => searchQuery({ egressIp: `198.51.100.${n % 8}`, limit: '20', ...dayFilter(n) }),
  'suppression check': (id) => ({ method: 'POST', path: '/v1/suppressions/check', body: { addresses: [recipientOf(id)] } }),
} as const satisfies Readonly<Record<string, QueryOfMail>>

export async function api(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const count of DELIVERY_COUNTS) figures.push(...(await withFilledStore(count, (daemon, ids) => measure(daemon, ids, count))))
  return figures
}

async function measure(daemon: Daemon, emailIds: readonly string[], deliveries: number): Promise<readonly Figure[]> {
  const many = deliveries.toLocaleString('en')
  const figures: Figure[] = [
    { figure: `start to ready, ${many} deliveries`, value: daemon.readyAfterMs / 1_000, unit: 's', target: '<= 1.5' },
  ]
  const maxRate = await sendAtRate(daemon, await registerNew(daemon, MAILS), Infinity)
  for (const [name, query] of Object.entries<QueryOfMail>(QUERIES)) {
    const about = `${name}, ${many}`
    figures.push(...(await measureAlone(daemon, emailIds.map(query), about)))
    figures.push(...(await measureDuringIntake(daemon, emailIds.map(query), { about, rate: maxRate / 2 })))
  }
  return figures
}

async function measureAlone(daemon: Daemon, queries: readonly Query[], about: string): Promise<readonly Figure[]> {
  await runQueryProcess({ port: daemon.httpPort, questions: queries, seconds: 1, connections: QUERY_CONNECTIONS })
  const before = cpuMillis(daemon)
  const { p50, p99, rate, count } = await runQueryProcess({
    port: daemon.httpPort,
    questions: queries,
    seconds: SECONDS,
    connections: QUERY_CONNECTIONS,
  })
  return [
    { figure: `${about}, CPU`, value: (cpuMillis(daemon) - before) / count, unit: 'ms' },
    { figure: `${about}, p50`, value: p50, unit: 'ms' },
    { figure: `${about}, p99`, value: p99, unit: 'ms' },
    { figure: `${about}, rate`, value: rate, unit: 'a second' },
  ]
}

/** A store that is kept has recipients of earlier runs. */
let registered = Date.now()

/** Registers recipients that the store has not seen yet, and returns a report for each. */
export function registerNew(daemon: Daemon, count: number): Promise<readonly LoadMail[]> {
  registered += count
  return register(daemon, registered - count, count)
}

async function measureDuringIntake(
  daemon: Daemon,
  queries: readonly Query[],
  { about, rate }: { readonly about: string; readonly rate: number },
): Promise<readonly Figure[]> {
  const { p50, p99 } = await queryDuringIntake(daemon, queries, { rate, seconds: SECONDS })
  const label = `${about}, intake at ${Math.round(rate)}/s`
  return [
    { figure: `${label}, p50`, value: p50, unit: 'ms' },
    { figure: `${label}, p99`, value: p99, unit: 'ms', target: '<= 5' },
  ]
}

/** Sends the queries while mails arrive at a rate. */
export async function queryDuringIntake(
  daemon: Daemon,
  queries: readonly Query[],
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
): Promise<QueryLatencies> {
  const loading = sendAtRate(daemon, await registerNew(daemon, Math.ceil(rate * seconds)), rate)
  const latencies = await runQueryProcess({ port: daemon.httpPort, questions: queries, seconds, connections: QUERY_CONNECTIONS })
  await loading
  return latencies
}

/** Sends mails at a rate over kept connections. Returns the rate that it reached. */
export async function sendAtRate(daemon: Daemon, mails: readonly LoadMail[], rate: number, connections = CONNECTIONS): Promise<number> {
  const startedAt = performance.now()
  const remaining = mails.entries()
  await sendLoad({
    host: '127.0.0.1',
    port: daemon.smtpPort,
    connections,
    mailsPerConnection: Infinity,
    next: async () => {
      const next = remaining.next().value
      if (next === undefined) return null
      const due = startedAt + (next[0] * 1_000) / rate - performance.now()
      if (due > 0) await rest(due)
      return next[1]
    },
    onReply: () => undefined,
  })
  return (mails.length * 1_000) / (performance.now() - startedAt)
}
