/**
 * listen-backlog - how many connections the kernel keeps for a listener until they are accepted
 *
 * If the queue is full, the kernel drops the connection attempt, and its client tries again after one second, then after three: a burst of
 * connections makes honest clients wait although there is room for them. Node's default is 511.
 *
 * listen(2). See also: smtp-server/listener, daemon/listeners/http-listener.
 */
import type { ListenOptions } from 'node:net'

/** The usual limit of the kernel (net.core.somaxconn), which cuts larger values. */
export const LISTEN_BACKLOG = 4_096

/** A socket that listens already (`descriptor`) or the path of a Unix socket takes the place of host and port. */
export type ListenerAddress = {
  readonly host: string
  readonly port: number
  readonly descriptor?: number | undefined
  readonly socketPath?: string
}

/** Returns the options of `listen` for a server of node:net or node:tls. */
export function listenOptionsOf({ host, port, descriptor, socketPath }: ListenerAddress): ListenOptions & { readonly fd?: number } {
  if (descriptor !== undefined) return { fd: descriptor, backlog: LISTEN_BACKLOG }
  return { ...(socketPath === undefined ? { host, port } : { path: socketPath }), backlog: LISTEN_BACKLOG }
}
