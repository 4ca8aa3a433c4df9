/**
 * stages - the CPU time of a report by stage: SMTP, parsing, references, verdict, and the rest of receiving
 *
 * Measures the main thread of this process: each stage alone on the same mails after a warm-up, then the whole receiver with 100 mails in flight. The difference is
 * loading, deciding, folding and batching. `other threads` are those of the store and the garbage collector.
 *
 * See also: bench/intake (the same behind a socket).
 */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { classify } from '../src/classify/classify.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import { findReferences } from '../src/correlate/references.ts'
import { NO_AUTHENTICATION_RESULTS } from '../src/mail-auth/verify-signatures.ts'
import { createIncomingRouter } from '../src/smtp-server/incoming-router.ts'
import { startReportListener } from '../src/smtp-server/listener.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { migrate } from '../src/store/engine/migrate.ts'
import type { IncomingMail } from '../src/service/receive/incoming-mail.ts'
import { createReceiver } from '../src/service/receive/receive.ts'
import { createRegister } from '../src/service/submit/register.ts'
import type { Context } from '../src/service/context.ts'
import { makeTemporaryFolder } from '../test/support/daemon.ts'
import { makeIncomingMail } from '../test/support/reports.ts'
import { makeContext, RETURN_PATH } from '../test/support/context.ts'
import { LIMITS } from '../test/support/smtp-listener.ts'
import type { Figure } from './figure.ts'
import { benchReport } from './report.ts'

const WARM = 6_000
const COUNTED = 8_000
const IN_FLIGHT = 100
const MANY = 1_000_000
const UNLIMITED = {
  connections: MANY,
  connectionsPerPeer: MANY,
  connectionsPerNetwork: MANY,
  connectionsPerAllocation: MANY,
  exemptPeers: [],
  stressPercent: 100,
  stressTimeoutMs: 300_000,
  mailsPerPeerMinute: MANY,
  mailsPerConnection: MANY,
  greetingDelayMs: 100,
  knownPeerMs: 3_600_000,
  commandsBetweenMails: MANY,
}

type Cost = { readonly mainThread: number; readonly otherThreads: number }

export async function stages(): Promise<readonly Figure[]> {
  const engine = await openEngine(`sqlite:${join(makeTemporaryFolder(), 'bounced.db')}`)
  await migrate(engine, Date.now())
  const clock = {
    get now() {
      return Date.now()
    },
  }
  const context = await makeContext(engine, clock)
  const mails = await makeMails(context, WARM + COUNTED)
  const total = await measureReceiver(context, mails)
  const stageCosts = await measureStages(context, mails)
  const listenerCost = await measureListener(context)
  await engine.close()
  const known = stageCosts.reduce((sum, { value }) => sum + value, 0)
  const row = (name: string, value: number): Figure => ({ figure: `a mail's CPU: ${name}`, value, unit: 'µs' })
  return [
    row('the door (SMTP, 100 kept connections)', listenerCost),
    ...stageCosts.map(({ name, value }) => row(name, value)),
    row('load, decide, fold, batch', total.mainThread - known),
    row('main thread, without SMTP', total.mainThread),
    row('other threads (store with packing and fsync, collector)', total.otherThreads),
  ]
}

async function makeMails(context: Context, count: number): Promise<readonly IncomingMail[]> {
  const register = createRegister(context)
  const mails: IncomingMail[] = []
  while (mails.length < count) {
    const from = mails.length
    const now = context.now()
    const { recipients } = await register(
      { account: 1, apiUser: 'bench', ip: '127.0.0.1' },
      {
        from: 'news@example.com',
        subject: 'Your order',
        recipients: Array.from({ length: 1_000 }, (_, n) => ({ recipient: `stage-${from + n}@example.org`, contactTypes: null })),
        label: null,
        broadcast: null,
        emailType: 'batch',
        headers: {},
      },
    )
    for (const { returnPath, recipient } of recipients) {
      const raw = benchReport(returnPath.split('@')[0] ?? '', recipient ?? '', mails.length)
      mails.push(makeIncomingMail(raw, returnPath, { at: now, receivedAt: now }))
    }
  }
  return mails
}

/** Microseconds for a mail: of this thread, and of all other threads. */
async function costOf(count: number, work: () => Promise<unknown>): Promise<Cost> {
  const thread = process.threadCpuUsage()
  const all = process.cpuUsage()
  await work()
  const mine = process.threadCpuUsage(thread)
  const every = process.cpuUsage(all)
  const main = (mine.user + mine.system) / count
  return { mainThread: main, otherThreads: (every.user + every.system) / count - main }
}

async function measureReceiver(context: Context, mails: readonly IncomingMail[]): Promise<Cost> {
  const receiver = createReceiver(context, { prover: async () => NO_AUTHENTICATION_RESULTS, dryRun: false, notifyReplays: false })
  const all = async (some: readonly IncomingMail[]): Promise<void> => {
    const remaining = some.values()
    const worker = async (): Promise<void> => {
      for (const mail of remaining) await receiver.submit(mail)
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  }
  await all(mails.slice(0, WARM))
  return costOf(COUNTED, () => all(mails.slice(WARM)))
}

type StageCost = { readonly name: string; readonly value: number }

async function measureStages(context: Context, mails: readonly IncomingMail[]): Promise<readonly StageCost[]> {
  const snapshot = await context.accountCache.snapshot()
  const { domains } = context
  const { keyFor } = snapshot
  const table = context.rules()
  const reports = mails.map(({ raw }) => parseReport(raw))
  const each = async (name: string, work: (at: number) => unknown): Promise<StageCost> => {
    const cost = await costOf(COUNTED, async () => {
      for (let at = WARM; at < mails.length; at++) work(at)
    })
    return { name, value: cost.mainThread }
  }
  return [
    await each('reading', (at) => parseReport(mails[at]?.raw ?? new Uint8Array(0))),
    await each('clues (tokens, names)', (at) => {
      const [report, mail] = [reports[at], mails[at]]
      return report === undefined || mail === undefined
        ? []
        : findReferences({ report, rcpt: mail.envelope.to, domains, keyFor, verpAddresses: [] })
    }),
    await each('verdict', (at) => reports[at]?.recipients.map((recipient) => classify(table, classifierInputOfReport(recipient)))),
  ]
}

/** The listener with a receiver that does nothing, loaded by a child process. The first round is a warm-up. */
async function measureListener(context: Context): Promise<number> {
  const listener = await startReportListener({
    host: '127.0.0.1',
    port: 0,
    hostname: RETURN_PATH,
    proxyPeers: [],
    trustedRelays: [],
    tls: null,
    limits: { ...LIMITS, ...UNLIMITED },
    telemetry: context.telemetry,
    now: Date.now,
    router: createIncomingRouter({
      domains: { returnPath: [RETURN_PATH], feedback: [] },
      reports: { submit: async () => undefined },
      inbound: null,
    }),
  })
  const load = (): Promise<unknown> =>
    new Promise((resolve) =>
      fork(join(import.meta.dirname, 'client.ts'), [String(listener.port), String(IN_FLIGHT), String(COUNTED)]).once('exit', resolve),
    )
  await load()
  const { mainThread: main } = await costOf(COUNTED, load)
  await listener.close()
  return main
}
