/**
 * hostile - what the 30 worst mails and the 10 worst patterns of connections cost everybody else
 *
 * A daemon with the limits of a public server (only 127.0.0.1 is exempt) is attacked by a thread from 127.66.0.0/16 while an honest client at 127.0.0.1
 * sends reports. For each attack: the longest pause of the daemon's event loop, as its own metric says, the longest wait of the honest client, and the
 * growth of its resident memory since the start.
 *
 *   npm run bench -- hostile
 *   npm run bench -- hostile --only=signature
 *
 * See also: bench/hostile-attacks, bench/hostile-attacker, bench/honest-client.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { startDaemon, type Daemon } from '../test/support/daemon.ts'
import type { Figure } from './figure.ts'
import { startHonestClient, type HonestClient } from './honest-client.ts'
import type { AttackOrder } from './hostile-attacker.ts'
import { ATTACK_MS, ATTACKS } from './hostile-attacks.ts'
import { register } from './target.ts'

/** For three minutes of twenty reports a second, and for mails that are refused. */
const HONEST_MAILS = 6_000
const SUBMISSION_PORT = 2_587

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
  const attacker = new Worker(new URL('./hostile-attacker.ts', import.meta.url))
  const honest = startHonestClient(daemon, () => mails.shift() ?? null)
  try {
    // The first mails compile what they run.
    await sleep(ATTACK_MS)
    await honest.take()
    const before = await readProcess(daemon)
    const figures: Figure[] = []
    for (const { name } of ATTACKS.filter((each) => each.name.includes(only)))
      figures.push(...(await measureAttack({ daemon, honest, attacker, to, before }, name)))
    return figures
  } finally {
    honest.stop()
    await attacker.terminate()
    await daemon.stop()
  }
}

type Measurement = {
  readonly daemon: Daemon
  readonly honest: HonestClient
  readonly attacker: Worker
  readonly to: string
  readonly before: ProcessFigures
}

async function measureAttack({ daemon, honest, attacker, to, before }: Measurement, name: string): Promise<readonly Figure[]> {
  await readProcess(daemon)
  const target = { smtpPort: daemon.smtpPort, httpPort: daemon.httpPort, submissionPort: SUBMISSION_PORT, to }
  const order: AttackOrder = { name, target }
  attacker.postMessage(order)
  await once(attacker, 'message')
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
