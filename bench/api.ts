/**
 * api - how long a question takes while reports come in at half of what the node can take, and how soon it is ready with much in its store
 *
 * `--deliveries=N` (100,000 unless told; 10,000,000 takes a quarter of an hour and 20 GB). Two clients ask one
 * question after the other; the 99th percentile counts.
 */
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { freshFolder, startDaemon, type Daemon } from '../test/support/daemon.ts'
import { sendLoad, type LoadMail } from '../test/support/smtpload.ts'
import type { Figure } from './bench.ts'
import { fill } from './fill.ts'
import { register, UNLIMITED } from './target.ts'

const DELIVERIES = Number(process.argv.find((word) => word.startsWith('--deliveries='))?.split('=')[1] ?? 100_000)
const CONNECTIONS = 100
const MAILS = 4_000
const QUESTIONS = 1_000
const ASKED_AT_ONCE = 2

export async function api(): Promise<readonly Figure[]> {
  const data = freshFolder()
  const first = await startDaemon({ data, env: { ...UNLIMITED } })
  await register(first, 0, 1)
  await first.stop()
  const emailIds = fill(join(data, 'bounced.db'), DELIVERIES, QUESTIONS)
  const daemon = await startDaemon({ data, env: { ...UNLIMITED } })
  const ready = daemon.readyAfter / 1_000
  const many = DELIVERIES.toLocaleString('en')
  const full = await flow(daemon, await register(daemon, 1, MAILS), Infinity)
  const half = full / 2
  const loading = flow(daemon, await register(daemon, 1 + MAILS, MAILS), half)
  const status = await percentile99(daemon, emailIds, (id) => ['GET', `/v1/messages/${encodeURIComponent(id)}`, undefined])
  const check = await percentile99(daemon, emailIds, (id) => [
    'POST',
    '/v1/suppressions/check',
    { addresses: [id.slice(id.indexOf('$') + 1)] },
  ])
  await loading
  await daemon.stop()
  const under = `intake at ${Math.round(half)}/s, ${many} deliveries`
  return [
    { figure: `start to ready, ${many} deliveries`, value: ready, unit: 's', target: '<= 1.5' },
    { figure: `emailStatus by id, p99, ${under}`, value: status, unit: 'ms', target: '<= 5' },
    { figure: `suppression check, p99, ${under}`, value: check, unit: 'ms', target: '<= 5' },
  ]
}

/** Sends mails at so many a second at most; how many a second it were. Kept connections, each mail at its time. */
async function flow(daemon: Daemon, mails: readonly LoadMail[], rate: number): Promise<number> {
  const began = performance.now()
  const left = mails.entries()
  await sendLoad({
    host: '127.0.0.1',
    port: daemon.smtpPort,
    connections: CONNECTIONS,
    mailsPerConnection: Infinity,
    next: async () => {
      const next = left.next().value
      if (next === undefined) return null
      const due = began + (next[0] * 1_000) / rate - performance.now()
      if (due > 0) await rest(due)
      return next[1]
    },
    onAnswer: () => undefined,
  })
  return (mails.length * 1_000) / (performance.now() - began)
}

type Question = (emailId: string) => readonly [string, string, unknown]

async function percentile99(daemon: Daemon, emailIds: readonly string[], question: Question): Promise<number> {
  const times: number[] = []
  const left = emailIds.values()
  const lane = async (): Promise<void> => {
    for (const emailId of left) {
      const [method, path, body] = question(emailId)
      const began = performance.now()
      const { status } = await daemon.api(method, path, body)
      times.push(performance.now() - began)
      if (status !== 200) throw new Error(`${method} ${path} was answered with ${status}`)
    }
  }
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, lane))
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? NaN
}
