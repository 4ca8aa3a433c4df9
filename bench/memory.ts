/**
 * memory - resident memory of the daemon when idle and under load, and the time of its start
 */
import { readFileSync } from 'node:fs'
import { startDaemon, type Daemon } from '../test/support/daemon.ts'
import { sendLoad } from '../test/support/smtp-load.ts'
import type { Figure } from './figure.ts'
import { benchReport } from './report.ts'

const MAILS = 12_000
/** The variables of the Dockerfile. */
const AS_IN_THE_CONTAINER = { NODE_OPTIONS: '--max-semi-space-size=8', MALLOC_ARENA_MAX: '2' }

export async function memory(): Promise<readonly Figure[]> {
  const daemon = await startDaemon({
    env: { ...AS_IN_THE_CONTAINER, BOUNCED_LOG_LEVEL: 'warn', BOUNCED_LIMITS_MAILS_PER_PEER_MINUTE: '1000000' },
  })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const atRest = residentMegabytes(daemon)
  let sent = 0
  await sendLoad({
    host: '127.0.0.1',
    port: daemon.smtpPort,
    connections: 100,
    mailsPerConnection: Infinity,
    next: () => {
      if (sent === MAILS) return null
      const n = sent++
      return { id: String(n), from: '', to: 'fbl@fbl.example.com', raw: benchReport('fbl', `nobody-${n}@example.org`, n) }
    },
    onReply: () => undefined,
  })
  const underLoad = peakMegabytes(daemon)
  await daemon.stop()
  return [
    { figure: 'start to ready, empty store', value: daemon.readyAfterMs / 1000, unit: 's', target: '<= 1.5' },
    { figure: 'memory at rest', value: atRest, unit: 'MB', target: '<= 160' },
    { figure: 'memory, peak under 100 connections', value: underLoad, unit: 'MB', target: '<= 350' },
  ]
}

function statusOf(daemon: Daemon, field: string): number {
  const text = readFileSync(`/proc/${daemon.process.pid}/status`, 'utf8')
  return Number(new RegExp(String.raw`^${field}:\s+(\d+) kB`, 'm').exec(text)?.[1] ?? NaN) / 1024
}

const residentMegabytes = (daemon: Daemon): number => statusOf(daemon, 'VmRSS')
const peakMegabytes = (daemon: Daemon): number => statusOf(daemon, 'VmHWM')
