/**
 * hostile-connections - the patterns of connections that keep a server busy without sending a mail
 *
 * Each pattern comes from many addresses (127.66.0.0/16), runs until it is aborted, and tolerates every refusal. See also: bench/hostile.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export type HostileTarget = { readonly smtpPort: number; readonly httpPort: number; readonly submissionPort: number; readonly to: string }
type HostilePattern = { readonly name: string; readonly run: (target: HostileTarget, signal: AbortSignal) => Promise<void> }

/** Connections that one pattern holds at the same time. */
const HELD = 1_500

/** One of 500 addresses in 250 networks. */
const addressOf = (n: number): string => `127.66.${n % 250}.${1 + (n % 2)}`

/** Opens a connection that is destroyed with the signal. Never throws. */
function open(port: number, n: number, signal: AbortSignal): Socket {
  const socket = connect({ host: '127.0.0.1', port, localAddress: addressOf(n) })
  const end = (): void => void socket.destroy()
  socket.on('error', end)
  socket.once('close', () => signal.removeEventListener('abort', end))
  signal.addEventListener('abort', end, { once: true })
  socket.resume()
  return socket
}

/** Holds connections: opens each that ends again. `write` is called at its start and every 200 ms. */
async function hold(port: number, signal: AbortSignal, write: (socket: Socket, tick: number) => void): Promise<void> {
  const sockets = new Map<number, Socket>()
  for (let tick = 0; !signal.aborted; tick++) {
    for (let n = 0; n < HELD && !signal.aborted; n++) {
      const known = sockets.get(n)
      const socket = known === undefined || known.destroyed ? open(port, n, signal) : known
      sockets.set(n, socket)
      write(socket, tick)
      if (n % 100 === 99) await sleep(5)
    }
    await sleep(200)
  }
}

/** Runs short sessions one after another over 100 connections at once. */
async function churn(port: number, signal: AbortSignal, text: string, holdMs: number): Promise<void> {
  const one = async (first: number): Promise<void> => {
    for (let n = first; !signal.aborted; n += 100) {
      const socket = open(port, n, signal)
      socket.write(text)
      await sleep(holdMs)
      socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: 100 }, (_, n) => one(n)))
}

const EHLO = 'EHLO a.example.org\r\n'
const AUTH = `AUTH PLAIN ${Buffer.from('\0tester\0guess').toString('base64')}\r\n`
/** The start of a TLS handshake: a record header and a ClientHello that ends too early. */
const CLIENT_HELLO = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'

export const HOSTILE_CONNECTIONS: readonly HostilePattern[] = [
  {
    name: 'half-open HTTP requests',
    run: ({ httpPort }, signal) =>
      hold(httpPort, signal, (socket, tick) => void (tick === 0 && socket.write('GET /v1/events HTTP/1.1\r\nHost: a\r\n'))),
  },
  {
    name: 'HTTP headers byte by byte',
    run: ({ httpPort }, signal) =>
      hold(httpPort, signal, (socket, tick) => void socket.write(tick === 0 ? 'GET / HTTP/1.1\r\nHost: a\r\nX: ' : 'y')),
  },
  {
    name: 'HTTP bodies that never end',
    run: ({ httpPort }, signal) =>
      hold(
        httpPort,
        signal,
        (socket, tick) =>
          void socket.write(
            tick === 0
              ? `POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n${'['.repeat(1_000)}`
              : '[',
          ),
      ),
  },
  { name: 'idle SMTP sessions of 250 networks', run: ({ smtpPort }, signal) => hold(smtpPort, signal, () => undefined) },
  {
    name: 'SMTP commands byte by byte',
    run: ({ smtpPort }, signal) => hold(smtpPort, signal, (socket, tick) => void socket.write(tick === 0 ? EHLO : 'y')),
  },
  {
    name: 'floods of RCPT',
    run: ({ smtpPort, to }, signal) =>
      churn(smtpPort, signal, `${EHLO}MAIL FROM:<>\r\n${`RCPT TO:<${to}>\r\nRCPT TO:<x@elsewhere.example>\r\n`.repeat(500)}`, 50),
  },
  { name: 'guesses at AUTH', run: ({ submissionPort }, signal) => churn(submissionPort, signal, EHLO + AUTH.repeat(20), 50) },
  {
    name: 'TLS handshakes that end early',
    run: ({ smtpPort }, signal) => churn(smtpPort, signal, `${EHLO}STARTTLS\r\n${CLIENT_HELLO}`, 20),
  },
  { name: 'pipelined RSET and NOOP', run: ({ smtpPort }, signal) => churn(smtpPort, signal, EHLO + 'RSET\r\nNOOP\r\n'.repeat(5_000), 100) },
  { name: 'connections that close at once', run: ({ smtpPort }, signal) => churn(smtpPort, signal, '', 2) },
]
