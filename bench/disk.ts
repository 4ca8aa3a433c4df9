/**
 * disk - what a received mail costs on disk: a usual report, and a large mail to a hundred recipients
 *
 * The size of the database file, after the daemon has stopped and its log is in the file.
 */
import { randomBytes } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { startDaemon } from '../test/support/daemon.ts'
import { sendLoad, type LoadMail } from '../test/support/smtp-load.ts'
import type { Figure } from './figure.ts'
import { benchReport } from './report.ts'

const REPORTS = 2_000
const RECIPIENTS = 100
/** Random bytes, so that nothing is saved by compression: the worst case. */
const LARGE_BYTES = 5_000_000

export async function disk(): Promise<readonly Figure[]> {
  const empty = await fileSizeAfter(() => Promise.resolve())
  const reports = await fileSizeAfter((port) => sendReports(port))
  const large = await fileSizeAfter(sendLargeMail)
  return [
    { figure: 'disk, a report that names no mail of ours', value: (reports - empty) / REPORTS / 1_000, unit: 'kB', target: '<= 8' },
    { figure: 'disk, a mail of 5 MB to 100 recipients', value: (large - empty) / 1_000_000, unit: 'MB', target: '<= 6' },
  ]
}

/** The size of the store of a daemon that has received something. */
async function fileSizeAfter(send: (port: number) => Promise<void>): Promise<number> {
  const daemon = await startDaemon({ env: { BOUNCED_LOG_LEVEL: 'warn', BOUNCED_LIMITS_MAILS_PER_PEER_MINUTE: '1000000' } })
  await send(daemon.smtpPort)
  await daemon.stop()
  return statSync(join(daemon.data, 'bounced.db')).size
}

async function sendReports(port: number): Promise<void> {
  let sent = 0
  await sendLoad({
    host: '127.0.0.1',
    port,
    connections: 20,
    mailsPerConnection: Infinity,
    next: (): LoadMail | null => {
      if (sent === REPORTS) return null
      const n = sent++
      return { id: String(n), from: '', to: 'fbl@fbl.example.com', raw: benchReport('fbl', `nobody-${n}@example.org`, n) }
    },
    onReply: () => undefined,
  })
}

/** One DATA. Loopback may name many recipients. */
async function sendLargeMail(port: number): Promise<void> {
  const text = randomBytes((LARGE_BYTES * 3) / 4)
    .toString('base64')
    .replace(/.{76}/g, '$&\r\n')
  const transport = createTransport({ host: '127.0.0.1', port, tls: { rejectUnauthorized: false } })
  const to = Array.from({ length: RECIPIENTS }, (_, n) => `nobody-${n}@bounce.example.com`)
  await transport.sendMail({ envelope: { from: '', to }, raw: `From: joe@example.org\r\nSubject: large\r\n\r\n${text}\r\n` })
  transport.close()
}
