/**
 * remote-site - a receiving server for the MTAs that tests start: on an address that is not loopback, because mail to loopback is only handed over
 *
 * `no@`, `no1@` and so on do not exist, the mailbox of `full@` is full, everybody else gets the mail.
 */
import { networkInterfaces } from 'node:os'
import { SMTPServer } from 'smtp-server'

/** An IPv4 address of this machine that is not loopback; null: it has none. */
export const ownAddress: string | null =
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null

type RemoteSite = { readonly port: number; readonly close: () => Promise<void> }

const refusal = (code: number, text: string): Error => Object.assign(new Error(text), { responseCode: code })

export async function startRemoteSite(): Promise<RemoteSite> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    onRcptTo: ({ address }, _session, callback) => {
      if (/^no\d?@/.test(address)) callback(refusal(550, '5.1.1 No such user here'))
      else if (address.startsWith('full@')) callback(refusal(452, '4.2.2 The mailbox is over quota'))
      else callback()
    },
    onData: (stream, _session, callback) => {
      stream.resume().once('end', () => callback())
    },
  })
  await new Promise<void>((resolve) => {
    server.listen(0, ownAddress ?? '127.0.0.1', resolve)
  })
  const address = server.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
      }),
  }
}
