/**
 * dial - opens a TCP connection to one address, from a given egress IP, in bounded time
 *
 * The queue decides which egress IP a message uses; if the system cannot bind to it, the connection fails. The simulator's providers listen on
 * loopback, so they learn the egress IP from a PROXY protocol header (version 1) instead.
 *
 * See also: smtp-client/smtp-transport, simulator/smtp/provider-server.
 */
import { connect, isIP, type Socket } from 'node:net'
import type { OwnFault } from '../ledger/decide/attempt-reading.ts'
import { errorOutcome } from './reply-outcome.ts'
import type { SmtpOutcome } from './transport.ts'

type DialOptions = {
  readonly name: string
  readonly address: string
  readonly port: number
  /** '' or anything that is not an address: the system chooses. */
  readonly egressIp: string
  readonly proxy: boolean
  readonly timeoutMs: number
}

type DialResult = { readonly kind: 'socket'; readonly socket: Socket } | { readonly kind: 'failed'; readonly outcome: SmtpOutcome }

/**
 * System errors that say nothing about the destination: the address is not one of this host or may not be used, files or ports are used up, or
 * the host has no route. EHOSTUNREACH is not among them: a router on the way sends it.
 */
const OWN_FAULTS: ReadonlyMap<unknown, OwnFault> = new Map([
  ['EADDRNOTAVAIL', 'egress'],
  ['EADDRINUSE', 'egress'],
  ['EACCES', 'egress'],
  ['EPERM', 'egress'],
  ['EMFILE', 'egress'],
  ['ENFILE', 'egress'],
  ['ENOBUFS', 'egress'],
  ['EAFNOSUPPORT', 'egress'],
  ['ENETUNREACH', 'no-route'],
])

/** Makes one attempt. Never rejects. */
export function dial({ name, address, port, egressIp, proxy, timeoutMs }: DialOptions): Promise<DialResult> {
  const isBound = !proxy && isIP(egressIp) !== 0
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, autoSelectFamily: false, ...(isBound ? { localAddress: egressIp } : {}) })
    const timer = setTimeout(() => fail('timeout', `connect ETIMEDOUT ${address}:${port}`), timeoutMs)
    const fail = (error: 'timeout' | 'connect', text: string, ownFault?: OwnFault): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ kind: 'failed', outcome: { ...errorOutcome(error, text, name), ...(ownFault === undefined ? {} : { ownFault }) } })
    }
    socket.on('error', (error) => fail('connect', error.message, 'code' in error ? OWN_FAULTS.get(error.code) : undefined))
    socket.once('connect', () => {
      clearTimeout(timer)
      if (proxy) socket.write(proxyHeader(egressIp, socket))
      resolve({ kind: 'socket', socket })
    })
  })
}

/** Both addresses of the header have the same family. */
function proxyHeader(egressIp: string, { localAddress = '', localPort = 0, remotePort = 0 }: Socket): string {
  const family = isIP(egressIp)
  if (family === 0) return `PROXY TCP4 ${isIP(localAddress) === 4 ? localAddress : '127.0.0.1'} 127.0.0.1 ${localPort} ${remotePort}\r\n`
  return `PROXY TCP${family} ${egressIp} ${family === 4 ? '127.0.0.1' : '::1'} ${localPort} ${remotePort}\r\n`
}
