/**
 * listen-errors - explains why a listener cannot be opened
 *
 * See also: daemon/listeners/http-listener, daemon/listeners/smtp-listeners.
 */
import { Fault } from '../../errors.ts'
import type { ListenerAddress } from '../../net/listen-backlog.ts'

/** `variables`: what an operator sets to choose another port or address. With a descriptor, systemd chose them. */
type ConfiguredAddress = ListenerAddress & { readonly variables: string }

/** The cause and the remedy of each error that keeps a listener from opening. */
const LISTEN_ERRORS: Readonly<Record<string, (address: ConfiguredAddress) => string>> = {
  EADDRINUSE: ({ port, variables }) =>
    `is in use by another program (ss -ltnp 'sport = :${port}' shows it); end that program, or choose another port with ${variables}`,
  EACCES: ({ variables }) =>
    `requires a right that this user lacks: ports below 1024 are for root. Let systemd pass the socket, redirect the port, or give the process ` +
    `CAP_NET_BIND_SERVICE (docs/PRODUCTION.md, Port 25), or choose another port with ${variables}`,
  EADDRNOTAVAIL: ({ host, variables }) =>
    `is not available: ${host} is not an address of this machine (ip address lists them); choose another with ${variables}`,
  ENOTFOUND: ({ host, variables }) => `is not available: DNS does not know the name ${host}; set an address with ${variables}`,
  EAI_AGAIN: ({ host, variables }) => `is not available: DNS gives no answer for ${host}; set an address with ${variables}`,
  EAFNOSUPPORT: ({ variables }) => `is not available: this machine has no such address family; choose another with ${variables}`,
}

/** Opens a listener and turns its errors into a Fault that names the port and the variables that set it. Faults: conflict. */
export async function explainListenErrors<T>(address: ConfiguredAddress, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
    if (address.descriptor !== undefined && code !== '')
      throw new Fault(
        'conflict',
        `the socket that systemd passed as descriptor ${address.descriptor} cannot be used (${code}): its unit needs ListenStream= with a port, and Accept=no`,
        { cause },
      )
    const explain = LISTEN_ERRORS[code]
    if (explain === undefined) throw cause
    throw new Fault('conflict', `port ${address.port} on ${address.host} ${explain(address)}`, { cause })
  }
}

/** Opens a listener on a Unix socket and turns its errors into a Fault that names the path. Faults: conflict. */
export async function explainSocketErrors<T>(path: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('conflict', `the socket ${path} cannot be opened (${reason}); its folder must exist and belong to the daemon's user`, {
      cause,
    })
  }
}
