/**
 * replay-smtp - sends mails to a daemon by SMTP, as any remote server does
 *
 * Loads nodemailer when it is needed. Does not check the daemon's certificate, which may be self-signed.
 *
 * See also: commands/reading/replay.
 */
import { Fault } from '../../errors.ts'
import type { IncomingMail } from '../../service/receive/incoming-mail.ts'

type ReplaySmtpClient = { readonly send: (mail: IncomingMail) => Promise<null>; readonly close: () => void }

/** Concurrent connections. Mails that wait at the same time share a commit. */
const CONNECTIONS = 20

/** Creates a client of `host:port`. Faults: bad_request. */
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
