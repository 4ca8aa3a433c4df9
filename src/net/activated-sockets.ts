/**
 * activated-sockets - the listening sockets that systemd opens and passes to the daemon (socket activation)
 *
 * systemd binds the port with its own rights, so the daemon needs none for ports below 1024, and connections wait in the kernel while the
 * daemon restarts. A socket unit names each socket with FileDescriptorName=. The variables count for one process only (LISTEN_PID), so a child
 * process that inherits them takes nothing.
 *
 * Pure. sd_listen_fds(3), systemd.socket(5). See also: daemon/listeners (uses the sockets), commands/setup (prints the units).
 */
import { Fault } from '../errors.ts'

/** The listeners that may get their socket from systemd: those with a port below 1024. */
const SOCKET_NAMES = ['smtp', 'submission', 'https'] as const

type SocketName = (typeof SOCKET_NAMES)[number]

/** The file descriptor of each socket that was passed. */
export type ActivatedSockets = ReadonlyMap<SocketName, number>

/** SD_LISTEN_FDS_START. */
const FIRST_DESCRIPTOR = 3

const isSocketName = (name: string): name is SocketName => SOCKET_NAMES.some((each) => each === name)

/**
 * Reads the variables of systemd. Without them, and if they are for another process, nothing was passed. Faults: config_invalid (a socket has no
 * name of a listener, or two have the same).
 *
 *     activatedSocketsOf({ LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'smtp' }, 7) → smtp: 3
 */
export function activatedSocketsOf(env: Readonly<Record<string, string | undefined>>, pid: number): ActivatedSockets {
  const sockets = new Map<SocketName, number>()
  const count = Number(env['LISTEN_FDS'] ?? '')
  if (env['LISTEN_PID'] !== String(pid) || !Number.isInteger(count)) return sockets
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':')
  for (let index = 0; index < count; index++) {
    const name = names[index] ?? ''
    if (!isSocketName(name) || sockets.has(name))
      throw new Fault(
        'config_invalid',
        `systemd passed a socket named "${name}": set FileDescriptorName= in its socket unit to one of ${SOCKET_NAMES.join(', ')}, each at most once`,
      )
    sockets.set(name, FIRST_DESCRIPTOR + index)
  }
  return sockets
}
