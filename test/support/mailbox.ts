/**
 * mailbox - an SMTP server on loopback that accepts or refuses recipients and counts the accepted mails by Message-ID
 */
import { SMTPServer } from 'smtp-server'

export type Mailbox = {
  readonly port: number
  /** How often each Message-ID was accepted. */
  readonly accepted: Map<string, number>
  readonly close: () => Promise<void>
}

/** The refusal of a recipient; null: the mail is accepted. `attempt` counts from 1 for each recipient; `client` is the name in its EHLO. */
export type RefuseRecipient = (
  recipient: string,
  attempt: number,
  client: string,
) => { readonly code: number; readonly text: string } | null

/** Listens on a free port. `delayMs`: how long it takes to accept a mail. */
export async function startMailbox(refuseRecipient: RefuseRecipient = () => null, delayMs = 0): Promise<Mailbox> {
  const accepted = new Map<string, number>()
  const attempts = new Map<string, number>()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onRcptTo: (address, session, done) => {
      const n = (attempts.get(address.address) ?? 0) + 1
      attempts.set(address.address, n)
      const refusal = refuseRecipient(address.address, n, session.hostNameAppearsAs)
      if (refusal === null) done()
      else done(Object.assign(new Error(refusal.text), { responseCode: refusal.code }))
    },
    onData: (stream, _session, done) => {
      let head = ''
      stream.on('data', (chunk: Buffer) => {
        if (head.length < 8_192) head += chunk.toString('latin1')
      })
      stream.on('end', () => {
        const id = /^message-id:\s*<([^>]+)>/im.exec(head)?.[1] ?? ''
        accepted.set(id, (accepted.get(id) ?? 0) + 1)
        if (delayMs === 0) done()
        else setTimeout(done, delayMs)
      })
    },
  })
  // A killed client resets its connections.
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return { port, accepted, close: () => new Promise((resolve) => server.close(() => resolve())) }
}
