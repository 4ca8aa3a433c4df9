/**
 * listen-errors - explains why a listener cannot be opened
 *
 * See also: daemon/listeners/http-listener, daemon/smtp-listeners.
 */
import { Fault } from '../../errors.ts'

/** Explanations of the errors that keep a listener from opening. */
const LISTEN_ERRORS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'requires a privilege that this user lacks',
  EADDRNOTAVAIL: 'is not available: the host is not an address of this machine',
}

/** `variables`: what an operator sets to choose another port or address. */
type ListenAddress = { readonly host: string; readonly port: number; readonly variables: string }

/** Opens a listener and turns its errors into a Fault that names the port and the variables that set it. Faults: conflict. */
export async function explainListenErrors<T>({ host, port, variables }: ListenAddress, open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : null
    const explanation = typeof code === 'string' ? LISTEN_ERRORS[code] : undefined
    if (explanation === undefined) throw cause
    throw new Fault('conflict', `port ${port} on ${host} ${explanation}; choose another with ${variables}`, { cause })
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
