/**
 * hostile - what the 30 worst mails and the 10 worst patterns of connections cost everybody else
 *
 * A daemon with the limits of a public server (only 127.0.0.1 is exempt) is attacked from 127.66.0.0/16 while an honest client at 127.0.0.1 sends
 * reports. For each attack: the longest pause of the daemon's event loop, as its own metric says, the longest wait of the honest client, and the
 * growth of its resident memory since the start.
 *
 *   npm run bench -- hostile
 *   npm run bench -- hostile --only=signature
 *
 * See also: bench/hostile-mails, bench/hostile-connections, bench/honest-client.
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startDaemon, type Daemon } from '../test/support/daemon.ts'
import type { Figure } from './figure.ts'
import { startHonestClient, type HonestClient } from './honest-client.ts'
import { HOSTILE_CONNECTIONS, type HostileTarget } from './hostile-connections.ts'
import { HOSTILE_MAILS, type HostileMail } from './hostile-mails.ts'
import { register } from './target.ts'

/** An attack lasts this long; forty of them fit into three minutes. */
const ATTACK_MS = 2_500
/** Sessions that send a hostile mail at the same time. */
const SENDERS = 4
/** For three minutes of twenty reports a second, and for mails that are refused. */
const HONEST_MAILS = 6_000
const SUBMISSION_PORT = 2_587

type Attack = { readonly name: string; readonly run: (target: HostileTarget, signal: AbortSignal) => Promise<void> }

const ATTACKS: readonly Attack[] = [
  { name: 'nothing', run: () => sleep(ATTACK_MS) },
  ...HOSTILE_MAILS.map((mail) => ({
    name: mail.name,
    run: (target: HostileTarget, signal: AbortSignal) => sendOver(mail, target, signal),
  })),
  ...HOSTILE_CONNECTIONS,
]

export async function hostile(): Promise<readonly Figure[]> {
  const only = process.argv.find((word) => word.startsWith('--only='))?.slice('--only='.length) ?? ''
  const env = {
    BOUNCED_LOG_LEVEL: 'error',
    BOUNCED_LIMITS_EXEMPT_PEERS: '127.0.0.1',
    BOUNCED_HTTP_EXEMPT_PEERS: '127.0.0.1',
    BOUNCED_SUBMISSION_PORT: String(SUBMISSION_PORT),
    BOUNCED_LIMITS_REQUESTS_PER_MINUTE: '1000000',
  }
  const daemon = await startDaemon({ env })
  const mails = [...(await register(daemon, 0, HONEST_MAILS))]
  const to = mails.pop()?.to ?? ''
  const honest = startHonestClient(daemon, () => mails.shift() ?? null)
  try {
    // The first mails compile what they run.
    await sleep(ATTACK_MS)
    await honest.take()
    const before = await readProcess(daemon)
    const figures: Figure[] = []
    for (const attack of ATTACKS.filter(({ name }) => name.includes(only)))
      figures.push(...(await measureAttack({ daemon, honest, to, before }, attack)))
    return figures
  } finally {
    honest.stop()
    await daemon.stop()
  }
}

type Measurement = { readonly daemon: Daemon; readonly honest: HonestClient; readonly to: string; readonly before: ProcessFigures }

async function measureAttack({ daemon, honest, to, before }: Measurement, { name, run }: Attack): Promise<readonly Figure[]> {
  await readProcess(daemon)
  const signal = AbortSignal.timeout(ATTACK_MS)
  const target = { smtpPort: daemon.smtpPort, httpPort: daemon.httpPort, submissionPort: SUBMISSION_PORT, to }
  await Promise.race([run(target, signal), sleep(ATTACK_MS + 500)])
  const { mailMs, readyMs, refused } = await honest.take()
  const after = await readProcess(daemon)
  return [
    { figure: `${name}: longest pause`, value: after.pauseMs, unit: 'ms', target: '<= 100' },
    { figure: `${name}: honest report`, value: mailMs, unit: 'ms', target: '<= 1000' },
    { figure: `${name}: /readyz`, value: readyMs, unit: 'ms', target: '<= 1000' },
    { figure: `${name}: honest clients refused`, value: refused, unit: '', target: '0' },
    {
      figure: `${name}: resident memory since the start`,
      value: (after.residentBytes - before.residentBytes) / 1_048_576,
      unit: 'MB',
      target: '',
    },
  ]
}

type ProcessFigures = { readonly pauseMs: number; readonly residentBytes: number }

/** Reads the metrics of the daemon. The longest pause is the one since they were read last. */
async function readProcess({ adminPort }: Daemon): Promise<ProcessFigures> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  const valueOf = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return { pauseMs: valueOf('nodejs_eventloop_lag_max_seconds') * 1_000, residentBytes: valueOf('process_resident_memory_bytes') }
}

/** Sends one hostile mail over and over, each time in a connection from another network. Refusals are expected. */
async function sendOver({ raw, recipients = 1 }: HostileMail, { smtpPort, to }: HostileTarget, signal: AbortSignal): Promise<void> {
  const body = Buffer.from(raw(to), 'latin1')
  const commands = ['EHLO a.example.org', 'MAIL FROM:<>', ...Array.from({ length: recipients }, () => `RCPT TO:<${to}>`), 'DATA']
  const sender = async (first: number): Promise<void> => {
    for (let n = first; !signal.aborted; n += SENDERS)
      await sendOnce(
        { port: smtpPort, localAddress: `127.66.${n % 250}.1`, commands, body: Buffer.concat([body, Buffer.from(`X-N: ${n}\r\n.\r\n`)]) },
        signal,
      )
  }
  await Promise.all(Array.from({ length: SENDERS }, (_, n) => sender(n)))
}

type HostileSession = { readonly port: number; readonly localAddress: string; readonly commands: readonly string[]; readonly body: Buffer }

/** Resolves when the mail is answered, refused or cut off. Never rejects. */
function sendOnce({ port, localAddress, commands, body }: HostileSession, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    const end = (): void => void socket.destroy()
    signal.addEventListener('abort', end, { once: true })
    socket.once('close', () => {
      signal.removeEventListener('abort', end)
      resolve()
    })
    socket.on('error', end)
    let isSent = false
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1')
      if (isSent) end()
      else if (/^354/m.test(text)) {
        isSent = true
        socket.write(body)
      } else if (/^(?:4|554)/m.test(text) && !/^(?:250|452)/m.test(text)) end()
    })
    socket.write(`${commands.join('\r\n')}\r\n`)
  })
}
