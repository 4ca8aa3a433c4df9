/**
 * replay-smtp - sends mails to a running daemon as any remote server does
 *
 * nodemailer is loaded when it is needed. The daemon's certificate may be of its own making, and is not checked.
 */
import { Fault } from '../../errors.ts'
import type { IncomingMail } from '../../service/receive/incoming-mail.ts'

type ReplaySmtpClient = { readonly send: (mail: IncomingMail) => Promise<null>; readonly close: () => void }

/** Connections at once: a commit is shared by those that wait. */
const CONNECTIONS = 20

/** A client of `host:port`. Faults: bad_request. */
export async function createReplaySmtpClient(target: string): Promise<ReplaySmtpClient> {
  const colon = target.lastIndexOf(':')
  const port = Number(target.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port) || port < 1) throw new Fault('bad_request', '--smtp takes host:port')
  const { createTransport } = await import('nodemailer')
  const pool = { pool: true, maxConnections: CONNECTIONS, maxMessages: Infinity } as const
  const transport = createTransport({ host: target.slice(0, colon), port, ...pool, tls: { rejectUnauthorized: false } })
  return {
    send: async (mail) => {
      await transport.sendMail({ envelope: { from: mail.envelope.from, to: mail.envelope.to }, raw: Buffer.from(mail.raw) })
      return null
    },
    close: () => transport.close(),
  }
}
