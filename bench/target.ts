/**
 * target - a server under load: its port, its mails, the mails that it accepts in a second, and their CPU
 *
 * The servers are our daemon, a Postfix that queues and discards, a bare smtp-server and Postfix's smtp-sink, each in processes of its own. The targets run in turn, so that other load on the
 * machine affects all of them. The best round counts, because noise only slows.
 */
import { fork, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../test/support/daemon.ts'
import { postfixProblem, startPostfix } from '../test/support/postfix.ts'
import { sendLoad, type LoadMail } from '../test/support/smtp-load.ts'
import { benchReport } from './report.ts'

export type Target = {
  readonly port: number
  readonly pid: number
  /** Creates mails that are new to the target. A target that stores nothing may return the same mails again. */
  readonly mails: (count: number, domains: number) => Promise<readonly LoadMail[]>
  readonly stop: () => Promise<unknown>
}

/** `domains`: the mails bounce at so many receiving domains. */
export type Load = {
  readonly name: string
  readonly connections: number
  readonly mailsPerConnection: number
  readonly mails: number
  readonly domains?: number
}

/** Mails a second, and microseconds of CPU for a mail over all threads (0 if unknown). */
export type Measured = { readonly rate: number; readonly cpu: number }

const MANY = '1000000'
export const UNLIMITED = {
  BOUNCED_LOG_LEVEL: 'warn',
  BOUNCED_LIMITS_MAILS_PER_PEER_MINUTE: MANY,
  BOUNCED_LIMITS_MAILS_PER_CONNECTION: MANY,
  BOUNCED_LIMITS_CONNECTIONS_PER_PEER: '2000',
  BOUNCED_LIMITS_CONNECTIONS_PER_NETWORK: '2000',
  BOUNCED_LIMITS_REQUESTS_PER_MINUTE: MANY,
} as const

/** The daemon. Its mails are registered by the API when they are created. */
export async function startBounced(env: Readonly<Record<string, string>> = {}): Promise<Target & { readonly daemon: Daemon }> {
  const daemon = await startDaemon({ env: { ...UNLIMITED, ...env } })
  let made = 0
  const mails = async (count: number, domains: number): Promise<readonly LoadMail[]> => {
    const registered = await register(daemon, made, count, domains)
    made += count
    return registered
  }
  return { port: daemon.smtpPort, pid: daemon.process.pid ?? 0, mails, stop: daemon.stop, daemon }
}

/** Registers recipients and returns a report for each. */
export async function register(daemon: Daemon, first: number, count: number, domains = 1): Promise<readonly LoadMail[]> {
  const domainOf = (n: number): string => (domains === 1 ? 'example.org' : `d${n % domains}.example`)
  const mails: LoadMail[] = []
  while (mails.length < count) {
    const recipients = Array.from({ length: Math.min(1_000, count - mails.length) }, (_, n) => {
      const number = first + mails.length + n
      return `p${number}@${domainOf(number)}`
    })
    const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Your order', recipients })
    const rows: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'recipients') : []
    if (!Array.isArray(rows)) throw new Error(`registration failed: ${JSON.stringify(body)}`)
    for (const row of rows) mails.push(mailOf(String(Reflect.get(row, 'recipient')), String(Reflect.get(row, 'returnPath')), mails.length))
  }
  return mails
}

function mailOf(recipient: string, returnPath: string, n: number): LoadMail {
  const to = returnPath.replaceAll(/[<>]/g, '')
  return { id: recipient, from: '', to, raw: benchReport(to.split('@')[0] ?? '', recipient, n) }
}

/** The listener on a store with delayed commits. */
export async function startSlowStore(commitDelayMillis: number, count: number): Promise<Target> {
  const child = fork(join(import.meta.dirname, 'node.ts'), [makeTemporaryFolder(), String(commitDelayMillis), String(count)])
  const ready = await new Promise<unknown>((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`bench/node ended with ${code}`)))
  })
  const known: unknown = Reflect.get(Object(ready), 'known')
  const mails = (Array.isArray(known) ? known : []).map((each: unknown, n) =>
    mailOf(String(Reflect.get(Object(each), 'recipient')), String(Reflect.get(Object(each), 'returnPath')), n),
  )
  return {
    port: Number(Reflect.get(Object(ready), 'port')),
    pid: child.pid ?? 0,
    mails: async (wanted) => mails.splice(0, wanted),
    stop: async () => child.kill(),
  }
}

/** A bare smtp-server that discards everything. */
export async function startBareServer(): Promise<Target> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'sink.ts')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise<number>((resolve) => {
    lines.once('line', (line) => resolve(Number(line)))
  })
  return sinkTarget(child, port)
}

/**
 * A Postfix with a queue of its own, which makes each mail durable as ours does (an fsync before its 250) and delivers it to its discard transport; null if
 * none can run here. Its defaults hold, but for two that would slow it down: it does not wait while its queue grows, and it has a process for
 * each connection. The CPU of its processes is not measured.
 */
export async function startPostfixPeer(): Promise<Target | null> {
  if (postfixProblem !== null) {
    console.error(`no figures beside Postfix: ${postfixProblem}`)
    return null
  }
  const main = ['default_transport = discard:', 'in_flow_delay = 0', 'default_process_limit = 600']
  const { port, stop } = await startPostfix({ main })
  return { port, pid: 0, mails: async (count) => inventMails(count), stop }
}

/** Postfix's smtp-sink; null if it is not installed. */
export async function startSmtpSink(): Promise<Target | null> {
  const program = ['/usr/sbin/smtp-sink', '/usr/lib/postfix/sbin/smtp-sink', 'smtp-sink'].find(
    (each) => spawnSync(each, ['-h'], { stdio: 'ignore' }).error === undefined,
  )
  if (program === undefined) return null
  const port = await freePort()
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn(program, [...user, `inet:127.0.0.1:${port}`, '1024'], { stdio: 'ignore' })
  await new Promise((resolve) => setTimeout(resolve, 500))
  return child.exitCode === null ? sinkTarget(child, port) : null
}

function sinkTarget(child: ChildProcess, port: number): Target {
  return { port, pid: child.pid ?? 0, mails: async (count) => inventMails(count), stop: async () => child.kill() }
}

/** Mails for a target that stores nothing of them: all different, as those of our daemon. */
const inventMails = (count: number): readonly LoadMail[] =>
  Array.from({ length: count }, (_, n) => mailOf(`p${n}@example.org`, `${'a'.repeat(30)}@bounce.example.com`, n))

/** The best of several rounds of each target, run in turn after a short warm-up. */
export async function runInTurn(targets: readonly Target[], load: Load, rounds: number): Promise<readonly Measured[]> {
  const best = targets.map(() => ({ rate: 0, cpu: Infinity }))
  for (let round = 0; round <= rounds; round++) {
    for (const [n, target] of targets.entries()) {
      const measured = await measure(target, round === 0 ? { ...load, mails: Math.ceil(load.mails / 3) } : load)
      const before = best[n]
      if (round > 0 && before !== undefined)
        best[n] = { rate: Math.max(before.rate, measured.rate), cpu: Math.min(before.cpu, measured.cpu) }
    }
  }
  return best
}

async function measure(target: Target, load: Load): Promise<Measured> {
  const mails = await target.mails(load.mails, load.domains ?? 1)
  let at = 0
  let acceptedCount = 0
  const cpu = cpuMicros(target.pid)
  const startedAt = performance.now()
  await sendLoad({
    host: '127.0.0.1',
    port: target.port,
    connections: load.connections,
    mailsPerConnection: load.mailsPerConnection,
    next: () => mails[at++] ?? null,
    onReply: (_mail, code) => {
      if (code === 250) acceptedCount++
    },
  })
  return { rate: (acceptedCount * 1000) / (performance.now() - startedAt), cpu: (cpuMicros(target.pid) - cpu) / Math.max(acceptedCount, 1) }
}

/** User and system time of all threads; Linux counts hundredths of a second. */
function cpuMicros(pid: number): number {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return 0
  const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
}
