/**
 * intake - durable reports a second, beside a bare smtp-server that throws mail away and Postfix's smtp-sink
 *
 * Every program runs in a process of its own and is loaded by the same client, kept connections first, then a new
 * connection for each mail.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startDaemon } from '../test/support/daemon.ts'
import { sendLoad, type LoadMail } from '../test/support/smtpload.ts'
import type { Figure } from './bench.ts'
import { benchReport } from './report.ts'

type Load = {
  readonly name: string
  readonly connections: number
  readonly mailsPerConnection: number
  readonly mails: number
  readonly beside: string
  readonly target: string
}

const LOADS: readonly Load[] = [
  { name: '1 kept connection', connections: 1, mailsPerConnection: Infinity, mails: 600, beside: 'bare smtp-server', target: '' },
  { name: '10 kept connections', connections: 10, mailsPerConnection: Infinity, mails: 5_000, beside: 'bare smtp-server', target: '' },
  {
    name: '100 kept connections',
    connections: 100,
    mailsPerConnection: Infinity,
    mails: 12_000,
    beside: 'bare smtp-server',
    target: '>= 0.5',
  },
  {
    name: 'a new connection a mail, 500 at once',
    connections: 500,
    mailsPerConnection: 1,
    mails: 5_000,
    beside: 'bare smtp-server',
    target: '>= 0.7',
  },
]

export async function intake(): Promise<readonly Figure[]> {
  const rates = { ours: new Map<string, number>(), bare: new Map<string, number>(), sink: new Map<string, number>() }
  const mails = await withOurs(rates.ours)
  await withProgram(spawn(process.execPath, [join(import.meta.dirname, 'sink.ts')]), rates.bare, mails)
  const sink = await startSmtpSink()
  if (sink !== null) await withPort(sink.port, rates.sink, mails, sink.child)
  return LOADS.flatMap((load) => {
    const ours = rates.ours.get(load.name) ?? 0
    const figure = `durable intake, ${load.name}`
    const bare: Figure = {
      figure,
      value: ours,
      unit: 'mails/s',
      beside: load.beside,
      ratio: ours / (rates.bare.get(load.name) ?? NaN),
      target: load.target,
    }
    const postfix = rates.sink.get(load.name)
    const target = load.connections === 100 ? '>= 0.25' : ''
    return postfix === undefined
      ? [bare]
      : [bare, { figure, value: ours, unit: 'mails/s', beside: 'smtp-sink', ratio: ours / postfix, target }]
  })
}

/** Registers the recipients with a fresh daemon, loads it, and gives back the mails for the others. */
async function withOurs(rates: Map<string, number>): Promise<ReadonlyMap<string, readonly LoadMail[]>> {
  // The load comes from one address, which no real peer's does.
  const limits = { MAILS_PER_PEER_MINUTE: '1000000', CONNECTIONS_PER_PEER: '2000', CONNECTIONS_PER_NETWORK: '2000', CONNECTIONS: '2000' }
  const raised = Object.fromEntries(Object.entries(limits).map(([name, value]) => [`BOUNCED_LIMITS_${name}`, value]))
  const daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'warn', ...raised } })
  const mails = new Map<string, readonly LoadMail[]>()
  for (const load of LOADS) mails.set(load.name, await register(daemon, load))
  for (const load of LOADS) rates.set(load.name, await mailsASecond(daemon.smtpPort, load, mails.get(load.name) ?? []))
  await daemon.stop()
  return mails
}

async function register(daemon: Awaited<ReturnType<typeof startDaemon>>, load: Load): Promise<readonly LoadMail[]> {
  const mails: LoadMail[] = []
  while (mails.length < load.mails) {
    const recipients = Array.from(
      { length: Math.min(1_000, load.mails - mails.length) },
      (_, n) => `${load.name.replaceAll(/\W/g, '')}-${mails.length + n}@example.org`,
    )
    const { body } = await daemon.api('POST', '/v1/messages', { from: 'news@example.com', subject: 'Your order', recipients })
    const rows: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'recipients') : []
    if (!Array.isArray(rows)) throw new Error(`registration failed: ${JSON.stringify(body)}`)
    for (const row of rows) {
      const to = String(Reflect.get(row, 'returnPath')).replaceAll(/[<>]/g, '')
      const recipient = String(Reflect.get(row, 'recipient'))
      mails.push({ id: recipient, from: '', to, raw: benchReport(to.split('@')[0] ?? '', recipient, mails.length) })
    }
  }
  return mails
}

async function withProgram(
  child: ChildProcess,
  rates: Map<string, number>,
  mails: ReadonlyMap<string, readonly LoadMail[]>,
): Promise<void> {
  if (child.stdout === null) throw new Error('no output')
  const lines = createInterface({ input: child.stdout })
  const port = await new Promise<number>((resolve) => {
    lines.once('line', (line) => resolve(Number(line)))
  })
  await withPort(port, rates, mails, child)
}

async function withPort(
  port: number,
  rates: Map<string, number>,
  mails: ReadonlyMap<string, readonly LoadMail[]>,
  child: ChildProcess,
): Promise<void> {
  for (const load of LOADS) rates.set(load.name, await mailsASecond(port, load, mails.get(load.name) ?? []))
  child.kill()
}

async function mailsASecond(port: number, load: Load, mails: readonly LoadMail[]): Promise<number> {
  let at = 0
  let taken = 0
  const began = performance.now()
  await sendLoad({
    host: '127.0.0.1',
    port,
    connections: load.connections,
    mailsPerConnection: load.mailsPerConnection,
    next: () => mails[at++] ?? null,
    onAnswer: (_mail, code) => {
      if (code === 250) taken++
    },
  })
  return (taken * 1000) / (performance.now() - began)
}

/** Postfix's smtp-sink where it is installed. */
async function startSmtpSink(): Promise<{ port: number; child: ChildProcess } | null> {
  const program = ['/usr/sbin/smtp-sink', '/usr/lib/postfix/sbin/smtp-sink', 'smtp-sink'].find(
    (each) => spawnSync(each, ['-h'], { stdio: 'ignore' }).error === undefined,
  )
  if (program === undefined) return null
  const port = await freePort()
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn(program, [...user, `inet:127.0.0.1:${port}`, '1024'], { stdio: 'ignore' })
  await new Promise((resolve) => setTimeout(resolve, 500))
  return child.exitCode === null ? { port, child } : null
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
