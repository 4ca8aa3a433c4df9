/**
 * unix-socket-file - the file of a Unix socket that a listener binds to
 *
 * A process that was killed leaves the file of its socket behind, and the next one cannot bind to it. The file is removed only if it is a socket
 * that nobody listens on.
 *
 * unix(7). See also: daemon/listeners/smtp-listeners.
 */
import { once } from 'node:events'
import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { Fault } from '../errors.ts'

/** Makes room for a socket at `path`. Faults: conflict (another kind of file, a socket that is in use, a folder of another user). */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new Fault('conflict', `${path} is not a socket; remove it, or choose another path`)
  if (await isInUse(path)) throw new Fault('conflict', `another program listens on ${path}; stop it, or choose another path`)
  rmSync(path, { force: true })
}

/** Lets every local user connect, like a port on loopback. The folder decides who reaches the file. */
export function openToLocalUsers(path: string): void {
  chmodSync(path, 0o666)
}

async function isInUse(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && (error.code === 'ECONNREFUSED' || error.code === 'ENOENT'))
  } finally {
    socket.destroy()
  }
}
