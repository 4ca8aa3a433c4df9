/**
 * command-client - runs a command in the running daemon of a data folder
 *
 * See also: daemon/command-socket (the protocol), commands/command-runner (decides between the daemon and the store).
 */
import { once } from 'node:events'
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Fault } from '../errors.ts'
import { COMMANDS_PATH, openSocketAddress } from '../net/daemon-socket.ts'
import { parseFrame, type CommandFrame } from './command-socket.ts'
import type { CommandOutput } from './store-command.ts'

type CommandClient = {
  /**
   * Runs a command in the daemon and passes its output on. Throws the Fault that the handler threw. Faults: store_busy (the daemon ended
   * before the command did).
   */
  readonly run: (command: string, input: unknown, output: CommandOutput) => Promise<void>
  readonly close: () => void
}

/** Concurrent commands of one client. Further ones wait. */
const MAX_CONNECTIONS = 100

/** A client of the daemon of a data folder. Faults: config_invalid (the path of the socket is too long). */
export function createCommandClient(folder: string): CommandClient {
  const { address, release } = openSocketAddress(folder)
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS })
  return {
    run: async (command, input, output) => {
      const body = JSON.stringify({ command, input })
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const request = httpRequest({ socketPath: address, path: COMMANDS_PATH, method: 'POST', agent, headers, signal: output.signal })
      request.end(body)
      await readResponse(await responseTo(request), output)
    },
    close: () => {
      agent.destroy()
      release()
    },
  }
}

/** Codes of a connection to a socket without a listener: the daemon is starting, is shutting down, or was killed. */
const NOT_LISTENING = new Set(['ECONNREFUSED', 'ENOENT'])

/** Whether a daemon listens on the socket of a data folder. Faults: forbidden (the folder is another user's), config_invalid. */
export async function isDaemonListening(folder: string): Promise<boolean> {
  const { address, release } = openSocketAddress(folder)
  const socket = connect(address)
  try {
    await once(socket, 'connect')
    return true
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && NOT_LISTENING.has(String(cause.code))) return false
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('forbidden', `the command socket of the daemon cannot be opened: ${reason}; run the command as the daemon's user`, {
      cause,
    })
  } finally {
    socket.destroy()
    release()
  }
}

/** Faults: store_busy. */
async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  try {
    const [response]: unknown[] = await once(request, 'response')
    // Checked cast: this is what the event carries.
    return response as IncomingMessage
  } catch (cause) {
    throw new Fault('store_busy', 'the connection to the daemon was lost before the command began; try again', { cause })
  }
}

/** Reads to the end of the response, so that the connection can serve the next command. */
async function readResponse(response: IncomingMessage, output: CommandOutput): Promise<void> {
  let isComplete = false
  for await (const line of linesOf(response)) isComplete = await isLastFrame(parseFrame(line), output)
  if (!isComplete) throw new Fault('store_busy', 'the daemon stopped before the command ended')
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } catch (cause) {
    throw new Fault('store_busy', 'the connection to the daemon was lost before the command ended', { cause })
  }
}

/** Shows one frame. Throws the Fault of a `fault` frame. */
async function isLastFrame(frame: CommandFrame, output: CommandOutput): Promise<boolean> {
  if ('fault' in frame) throw new Fault(frame.fault.code, frame.fault.message)
  if ('lines' in frame) await output.printLines(...frame.lines)
  else if ('bytes' in frame) await output.write(Buffer.from(frame.bytes, 'base64'))
  else if ('progress' in frame) output.setProgress(frame.progress.unit, frame.progress.done, frame.progress.total)
  else output.setExitStatus(frame.exit)
  return 'exit' in frame
}
