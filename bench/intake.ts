/**
 * intake - durable reports a second, beside a Postfix that queues and discards the same, a bare smtp-server that discards mail, and Postfix's smtp-sink
 *
 * The programs run in processes of their own; the same client loads them in turn with mails that all differ. Further rows measure a store whose commits take 5 ms longer, and PostgreSQL
 * (with fsync) if it is installed.
 *
 * See also: bench/target, bench/stages (where the time goes).
 */
import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { start as startPostgres } from '../test/support/postgres.ts'
import type { Figure } from './figure.ts'
import {
  runInTurn,
  startBareServer,
  startBounced,
  startPostfixPeer,
  startSlowStore,
  startSmtpSink,
  type Load,
  type Measured,
  type Target,
} from './target.ts'

const ROUNDS = 3
const SLOWER_MS = 5

const KEPT_100: Load = { name: '100 kept connections', connections: 100, mailsPerConnection: Infinity, mails: 6_000 }

/** The targets of the ratios. */
type IntakeLoad = Load & { readonly ofBare?: string; readonly ofSink?: string; readonly ofPostfix?: string }

const LOADS: readonly IntakeLoad[] = [
  { name: '1 kept connection', connections: 1, mailsPerConnection: Infinity, mails: 300 },
  { name: '10 kept connections', connections: 10, mailsPerConnection: Infinity, mails: 2_000 },
  { ...KEPT_100, ofBare: '>= 0.5', ofSink: '>= 0.25', ofPostfix: '>= 5' },
  { name: 'a new connection a mail, 100 at once', connections: 100, mailsPerConnection: 1, mails: 3_000, ofPostfix: '>= 2' },
  { name: 'a new connection a mail, 500 at once', connections: 500, mailsPerConnection: 1, mails: 3_000, ofBare: '>= 0.7' },
]

const ON_POSTGRES: readonly Load[] = [
  { ...KEPT_100, name: `${KEPT_100.name}, one receiving domain` },
  { ...KEPT_100, name: `${KEPT_100.name}, 500 receiving domains`, domains: 500 },
]

export async function intake(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  const [ours, bare] = [await startBounced(), await startBareServer()]
  const [postfix, sink] = [await startPostfixPeer(), await startSmtpSink()]
  try {
    for (const load of LOADS) figures.push(...(await measureLoad(load, { ours, bare, postfix, sink })))
    figures.push(...(await slower()))
    figures.push(...(await onPostgres()))
  } finally {
    await Promise.all([ours.stop(), bare.stop(), postfix?.stop(), sink?.stop()])
  }
  return figures

  async function slower(): Promise<readonly Figure[]> {
    const slow = await startSlowStore(SLOWER_MS, KEPT_100.mails * (ROUNDS + 1))
    try {
      const [us, them] = await runInTurn([slow, bare], KEPT_100, ROUNDS)
      if (us === undefined || them === undefined) return []
      return [rateFigure(`durable intake, ${KEPT_100.name}, ${SLOWER_MS} ms more an fsync`, us, 'bare smtp-server', them, '>= 0.4')]
    } finally {
      await slow.stop()
    }
  }

  async function onPostgres(): Promise<readonly Figure[]> {
    const server = await startPostgres({ durable: true })
    if (server === null) return []
    const name = `bounced_${randomBytes(6).toString('hex')}`
    const admin = postgres(`${server.url}/postgres`, { max: 1, onnotice: () => undefined })
    await admin.unsafe(`create database ${name}`)
    await admin.end()
    const node = await startBounced({ BOUNCED_DATABASE: `${server.url}/${name}` })
    try {
      const figures: Figure[] = []
      for (const load of ON_POSTGRES) {
        const [pg, sqlite] = await runInTurn([node, ours], load, ROUNDS)
        if (pg !== undefined && sqlite !== undefined)
          figures.push(rateFigure(`durable intake, ${load.name}, one node on PostgreSQL`, pg, 'the same node on SQLite', sqlite, '>= 0.5'))
      }
      return figures
    } finally {
      await node.stop()
      await server.stop()
    }
  }
}

type Peers = { readonly ours: Target; readonly bare: Target; readonly postfix: Target | null; readonly sink: Target | null }

/** Loads all programs in turn, and compares ours with each of the others. */
async function measureLoad(load: IntakeLoad, { ours, bare, postfix, sink }: Peers): Promise<readonly Figure[]> {
  const figure = `durable intake, ${load.name}`
  const others = [
    { name: 'Postfix that queues and discards', target: load.ofPostfix ?? '', program: postfix },
    { name: 'bare smtp-server', target: load.ofBare ?? '', program: bare },
    { name: 'smtp-sink', target: load.ofSink ?? '', program: sink },
  ].flatMap(({ program, ...each }) => (program === null ? [] : [{ ...each, program }]))
  const [us, ...them] = await runInTurn([ours, ...others.map(({ program }) => program)], load, ROUNDS)
  if (us === undefined) return []
  return others.flatMap(({ name, target, program }, n) => {
    const measured = them[n]
    if (measured === undefined) return []
    const rate = rateFigure(figure, us, name, measured, target)
    return program === bare ? [rate, cpuFigure(figure, us, name, measured)] : [rate]
  })
}

function cpuFigure(figure: string, us: Measured, beside: string, them: Measured): Figure {
  return { figure: `${figure}: CPU, all threads`, value: us.cpu, unit: 'µs a mail', beside, ratio: us.cpu / them.cpu }
}

function rateFigure(figure: string, us: Measured, beside: string, them: Measured, target: string): Figure {
  return { figure, value: us.rate, unit: 'mails/s', beside, ratio: us.rate / them.rate, target }
}
