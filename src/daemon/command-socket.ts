/**
 * command-socket - the frames of a command that runs over the Unix socket of a data folder
 *
 * `POST /commands` takes `{"command": "block add", "input": {…}}` and returns NDJSON, one frame a
 * line. The last frame is `exit` or `fault`; a response that ends without one is incomplete.
 *
 * See also: net/daemon-socket (its address), daemon/command-server, daemon/command-client.
 */
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
