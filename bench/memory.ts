/**
 * memory - resident memory of the daemon when idle and under load, and the time of its start
 */
import { join } from 'node:path'
import { startDaemon } from '../test/support/daemon.ts'
import { sendLoad } from '../test/support/smtp-load.ts'
import type { Figure } from './figure.ts'
import { AS_IN_THE_CONTAINER, residentMegabytes } from './filled.ts'
import { benchReport } from './report.ts'

const MAILS = 12_000
/** What the image runs. A first start writes the compiled code, which later ones find. */
const PROGRAM = [join(import.meta.dirname, '../bin/bounced.mjs'), 'serve']

export async function memory(): Promise<readonly Figure[]> {
  await (await startDaemon({ program: PROGRAM, env: AS_IN_THE_CONTAINER })).stop()
  const daemon = await startDaemon({
    program: PROGRAM,
    env: { ...AS_IN_THE_CONTAINER, BOUNCED_LOG_LEVEL: 'warn', BOUNCED_LIMITS_MAILS_PER_PEER_MINUTE: '1000000' },
  })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const atRest = residentMegabytes(daemon, 'VmRSS')
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
  const underLoad = residentMegabytes(daemon, 'VmHWM')
  await daemon.stop()
  return [
    { figure: 'start to ready, empty store', value: daemon.readyAfterMs / 1000, unit: 's', target: '<= 1.5' },
    { figure: 'memory at rest', value: atRest, unit: 'MB', target: '<= 160' },
    { figure: 'memory, peak under 100 connections', value: underLoad, unit: 'MB', target: '<= 350' },
  ]
}
