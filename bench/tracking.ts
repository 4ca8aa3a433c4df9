/**
 * tracking - open images and click redirects a second, and how long each takes, alone and while reports arrive at half of the node's capacity
 *
 * Every mail is opened and clicked once, so that each request is a fact of its own. A child process requests the links at the rate of the target.
 * With `tracking.durable` a response waits for the commit. Runs on SQLite, and on PostgreSQL (with fsync) if it is installed.
 * `--seconds=N` and `--rate=N` change the load.
 *
 * See also: bench/link-client (the load), service/track/engagement-recorder.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import postgres from 'postgres'
import type { Daemon } from '../test/support/daemon.ts'
import { start as startPostgres } from '../test/support/postgres.ts'
import { registerTrackedMails, type TrackedMail } from '../test/support/tracked-mails.ts'
import { sendAtRate } from './api.ts'
import type { Figure } from './figure.ts'
import { cpuMillis } from './filled.ts'
import type { LinkLatencies, LinkLoad } from './link-client.ts'
import { register, startBounced } from './target.ts'

const numberOf = (name: string, fallback: number): number =>
  Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? fallback)
const SECONDS = numberOf('seconds', 10)
const RATE = numberOf('rate', 5_000)
const CONNECTIONS = 200
/** Enough to measure the full rate of reports. */
const REPORTS = 3_000

type Node = { readonly daemon: Daemon; readonly name: string; readonly stop: () => Promise<unknown> }

export async function tracking(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const durable of [false, true]) {
    const env = { BOUNCED_TRACKING_DURABLE: String(durable) }
    const name = durable ? 'durable' : 'not durable'
    figures.push(...(await measureNode(await startBounced(env), `SQLite, ${name}`)))
    figures.push(...(await onPostgres(env, `PostgreSQL, ${name}`)))
  }
  return figures
}

async function onPostgres(env: Readonly<Record<string, string>>, name: string): Promise<readonly Figure[]> {
  const server = await startPostgres({ durable: true })
  if (server === null) return []
  const database = `bounced_${randomBytes(6).toString('hex')}`
  const admin = postgres(`${server.url}/postgres`, { max: 1, onnotice: () => undefined })
  await admin.unsafe(`create database ${database}`)
  await admin.end()
  try {
    return await measureNode(await startBounced({ ...env, BOUNCED_DATABASE: `${server.url}/${database}` }), name)
  } finally {
    await server.stop()
  }
}

async function measureNode({ daemon, stop }: Omit<Node, 'name'>, name: string): Promise<readonly Figure[]> {
  try {
    const mails = await registerTrackedMails(daemon, RATE * SECONDS)
    await requestLinks(daemon, mails.slice(0, RATE))
    const maxRate = await sendAtRate(daemon, await register(daemon, 0, REPORTS), Infinity)
    const alone = await measureLinks(daemon, mails.slice(0, mails.length / 2), name)
    const reports = await register(daemon, REPORTS, Math.ceil((maxRate / 2) * SECONDS))
    const [beside, reportRate] = await Promise.all([
      measureLinks(daemon, mails.slice(mails.length / 2), `${name}, reports at half`),
      sendAtRate(daemon, reports, maxRate / 2),
    ])
    return [
      ...alone,
      ...beside,
      {
        figure: `${name}: reports beside the links`,
        value: reportRate,
        unit: 'a second',
        beside: 'of the most',
        ratio: reportRate / maxRate,
      },
    ]
  } finally {
    await stop()
  }
}

/** Opens and clicks each mail. */
async function measureLinks(daemon: Daemon, mails: readonly TrackedMail[], name: string): Promise<readonly Figure[]> {
  const [before, cpuBefore] = [await readCounts(daemon), cpuMillis(daemon)]
  const { rate, other, open, click } = await requestLinks(daemon, mails)
  const cpu = (cpuMillis(daemon) - cpuBefore) / (mails.length * 2)
  const after = await readCounts(daemon)
  return [
    { figure: `${name}: opens and clicks`, value: rate, unit: 'a second', target: `>= ${RATE}` },
    { figure: `${name}: open image, p50`, value: open.p50, unit: 'ms' },
    { figure: `${name}: open image, p99`, value: open.p99, unit: 'ms', target: '< 20' },
    { figure: `${name}: click redirect, p50`, value: click.p50, unit: 'ms' },
    { figure: `${name}: click redirect, p99`, value: click.p99, unit: 'ms', target: '< 20' },
    { figure: `${name}: the longest`, value: Math.max(open.longest, click.longest), unit: 'ms' },
    { figure: `${name}: CPU of one, all threads`, value: cpu * 1_000, unit: 'µs' },
    { figure: `${name}: not answered by the image or the redirect`, value: other, unit: '', target: '0' },
    { figure: `${name}: answered and not recorded`, value: after.dropped - before.dropped, unit: '', target: '0' },
  ]
}

async function requestLinks({ httpPort }: Daemon, mails: readonly TrackedMail[]): Promise<LinkLatencies> {
  const child = fork(join(import.meta.dirname, 'link-client.ts'))
  const paths = [...mails.map(({ openPath }) => openPath), ...mails.map(({ clickPath }) => clickPath)]
  child.send({ port: httpPort, paths: interleave(paths), perSecond: RATE, connections: CONNECTIONS } satisfies LinkLoad)
  return new Promise((resolve, reject) => {
    // Checked cast: bench/link-client sends this.
    child.once('message', (message) => resolve(message as LinkLatencies))
    child.once('exit', (code) => reject(new Error(`bench/link-client ended with ${code}`)))
  })
}

/** An open and a click in turn. */
const interleave = (paths: readonly string[]): readonly string[] =>
  paths.map((_, n) => paths[(n % 2) * (paths.length / 2) + Math.floor(n / 2)] ?? '')

async function readCounts({ adminPort }: Daemon): Promise<{ readonly dropped: number }> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  const lines = [...text.matchAll(/^bounced_engagement_dropped_total(?:\{[^}]*\})? (\d+)/gm)]
  return { dropped: lines.reduce((sum, [, count]) => sum + Number(count), 0) }
}
