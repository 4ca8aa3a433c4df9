/**
 * command-socket - the Unix socket of a data folder, and the frames that are sent over it
 *
 * The daemon speaks HTTP on the socket: `POST /commands` takes `{"command": "block add", "input": {…}}` and returns NDJSON, one frame a
 * line. The last frame is `exit` or `fault`; a response that ends without one is incomplete.
 *
 * See also: daemon/command-server, daemon/command-client.
 */
import { closeSync, constants, openSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { Fault, FAULTS } from '../errors.ts'

type FaultCode = Fault['code']

/** `bytes` is base64. */
export type CommandFrame =
  | { readonly lines: readonly string[] }
  | { readonly bytes: string }
  | { readonly progress: { readonly unit: string; readonly done: number; readonly total: number } }
  | { readonly exit: number }
  | { readonly fault: { readonly code: FaultCode; readonly message: string } }

const isFaultCode = (code: string): code is FaultCode => Object.hasOwn(FAULTS, code)

const frameSchema = z.union([
  z.strictObject({ lines: z.array(z.string()) }),
  z.strictObject({ bytes: z.base64() }),
  z.strictObject({ progress: z.strictObject({ unit: z.string(), done: z.number(), total: z.number() }) }),
  z.strictObject({ exit: z.int() }),
  z.strictObject({ fault: z.strictObject({ code: z.string().refine(isFaultCode), message: z.string() }) }),
])

/** Reads one line of a response. Faults: internal (the line is not a frame of this version). */
export function parseFrame(line: string): CommandFrame {
  const parsed = frameSchema.safeParse(parseJson(line))
  if (parsed.success) return parsed.data
  throw new Fault('internal', 'the daemon sent a response that this version cannot read: restart the daemon after an upgrade')
}

/** A JSON value; undefined where the text is not JSON. Total. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const COMMANDS_PATH = '/commands'

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
