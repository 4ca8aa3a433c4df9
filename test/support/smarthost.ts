/**
 * smarthost - an SMTP server on loopback that accepts and keeps every mail, as the next hop of a daemon under test
 */
import { SMTPServer } from 'smtp-server'

export type Sent = { readonly from: string; readonly to: string; readonly raw: Buffer }

export type Smarthost = { readonly port: number; readonly sent: readonly Sent[]; readonly close: () => Promise<void> }

/** Accepts every mail. */
export async function startSmarthost(): Promise<Smarthost> {
  const sent: Sent[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    logger: false,
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const from = session.envelope.mailFrom === false ? '' : session.envelope.mailFrom.address
        sent.push({ from, to: session.envelope.rcptTo.map(({ address }) => address).join(), raw: Buffer.concat(chunks) })
        done()
      })
    },
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    sent,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
