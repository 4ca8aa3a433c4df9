/**
 * hostile-attacks - every attack of the bench by its name: nothing, the worst mails, the worst patterns of connections
 *
 * See also: bench/hostile (measures), bench/hostile-attacker (the thread that runs them).
 */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { HOSTILE_CONNECTIONS, type HostileTarget } from './hostile-connections.ts'
import { HOSTILE_MAILS, type HostileMail } from './hostile-mails.ts'

/** An attack lasts this long; forty of them fit into three minutes. */
export const ATTACK_MS = 2_500
/** Sessions that send a hostile mail at the same time. */
const SENDERS = 4

type Attack = { readonly name: string; readonly run: (target: HostileTarget, signal: AbortSignal) => Promise<void> }

export const ATTACKS: readonly Attack[] = [
  { name: 'nothing', run: () => sleep(ATTACK_MS) },
  ...HOSTILE_MAILS.map((mail) => ({
    name: mail.name,
    run: (target: HostileTarget, signal: AbortSignal) => sendOver(mail, target, signal),
  })),
  ...HOSTILE_CONNECTIONS,
]

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
