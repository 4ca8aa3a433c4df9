/**
 * dial - a TCP connection to one address, from one of our own, in bounded time
 *
 * Which of our addresses a mail leaves by is the queue's decision: where that one cannot be had, nothing leaves. To our own laboratory, which
 * stands on loopback, the address is told in a PROXY header instead. Never rejects.
 *
 * PROXY protocol, version 1. See also: smtp-client/client-session.
 */
import { connect, isIP, type Socket } from 'node:net'
import { errorOutcome } from './reply-outcome.ts'
import type { SmtpOutcome } from './transport.ts'

export type DialOptions = {
  readonly name: string
  readonly address: string
  readonly port: number
  /** '' or no address: the system chooses. */
  readonly egressIp: string
  readonly proxy: boolean
  readonly timeoutMs: number
}

export type DialResult = { readonly kind: 'socket'; readonly socket: Socket } | { readonly kind: 'failed'; readonly outcome: SmtpOutcome }

/** Calls once. */
export function dial({ name, address, port, egressIp, proxy, timeoutMs }: DialOptions): Promise<DialResult> {
  const isBound = !proxy && isIP(egressIp) !== 0
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, autoSelectFamily: false, ...(isBound ? { localAddress: egressIp } : {}) })
    const timer = setTimeout(() => fail('timeout', `connect ETIMEDOUT ${address}:${port}`), timeoutMs)
    const fail = (error: 'timeout' | 'connect', text: string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ kind: 'failed', outcome: errorOutcome(error, text, name) })
    }
    socket.on('error', (error) => fail('connect', error.message))
    socket.once('connect', () => {
      clearTimeout(timer)
      if (proxy) socket.write(proxyHeader(egressIp, socket))
      resolve({ kind: 'socket', socket })
    })
  })
}

/** Only one family may stand in a line. */
function proxyHeader(egressIp: string, { localAddress = '', localPort = 0, remotePort = 0 }: Socket): string {
  const family = isIP(egressIp)
  if (family === 0) return `PROXY TCP4 ${isIP(localAddress) === 4 ? localAddress : '127.0.0.1'} 127.0.0.1 ${localPort} ${remotePort}\r\n`
  return `PROXY TCP${family} ${egressIp} ${family === 4 ? '127.0.0.1' : '::1'} ${localPort} ${remotePort}\r\n`
}
