/**
 * daemon-socket - the Unix socket of a data folder: its address, and the paths that the daemon serves on it
 *
 * The daemon speaks HTTP on the socket. Only the owner of the data folder can connect. This file imports next to nothing, because
 * `bounced receive` starts once for each mail.
 *
 * See also: daemon/command-socket (commands), daemon/listeners/pipe-listener (mail of a pipe), commands/receive.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { Fault } from '../errors.ts'

/** `POST /commands` runs a command on the store. */
export const COMMANDS_PATH = '/commands'

/** `POST /mails?from=…&to=…` takes one mail, in the body as it is. */
export const MAILS_PATH = '/mails'

/** The longest query of `MAILS_PATH`, in characters: it names the sender and the recipients, some thousands of them. */
export const MAX_MAILS_QUERY = 512 * 1024

const SOCKET_FILE = 'bounced.sock'

/** Octets of a socket's address with the NUL that ends it: 104 on macOS and the BSDs, 108 on Linux (unix(7), sun_path). */
const MAX_ADDRESS_OCTETS = process.platform === 'linux' ? 107 : 103

export const socketFileOf = (folder: string): string => join(folder, SOCKET_FILE)

/** `address` is good until `release`. */
type SocketAddress = { readonly address: string; readonly release: () => void }

/**
 * An address of the folder's socket that fits into `sun_path`: the absolute path, the path from the working directory, or, on Linux, a path through
 * an open descriptor of the folder. The folder must exist. Faults: config_invalid (none of them fits).
 */
export function openSocketAddress(folder: string): SocketAddress {
  const absolute = socketFileOf(resolve(folder))
  const fits = [absolute, relative(process.cwd(), absolute)].find((path) => Buffer.byteLength(path) <= MAX_ADDRESS_OCTETS)
  if (fits !== undefined) return { address: fits, release: () => undefined }
  if (process.platform !== 'linux')
    throw new Fault(
      'config_invalid',
      `the path ${absolute} is too long for a socket (${MAX_ADDRESS_OCTETS} octets at most); choose a shorter data folder with BOUNCED_DATA, or start in it`,
    )
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  return { address: `/proc/self/fd/${descriptor}/${SOCKET_FILE}`, release: () => closeSync(descriptor) }
}
