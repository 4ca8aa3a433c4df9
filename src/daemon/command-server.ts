/**
 * command-server - runs commands on the store for the command line, and takes mail of a pipe, over the Unix socket of the data folder
 *
 * Only the owner of the data folder can connect (mode 0600 in a folder of mode 0700), so a request carries no secret. A client that disconnects and
 * a daemon that shuts down abort the command's signal. The caller holds the serve lock: a socket file that is already there is stale and is removed.
 *
 * See also: daemon/command-socket (the frames), daemon/listeners/pipe-listener, daemon/store-command, daemon/serve-lock.
 */
import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { addAbortSignal } from 'node:stream'
import { z } from 'zod'
import { Fault, FAULTS } from '../errors.ts'
import { COMMANDS_PATH, MAILS_PATH, MAX_MAILS_QUERY, openSocketAddress, socketFileOf } from '../net/daemon-socket.ts'
import { parseJson, type CommandFrame } from './command-socket.ts'
import type { PipeListener } from './listeners/pipe-listener.ts'
import type { CommandContext, CommandOutput, StoreCommand } from './store-command.ts'

export type CommandServer = {
  /** Aborts the commands that run, waits for them, and removes the socket. */
  readonly close: () => Promise<void>
}

type CommandServerOptions = {
  readonly context: CommandContext
  readonly commands: readonly StoreCommand[]
  readonly receivePipedMail: PipeListener
}

const requestSchema = z.strictObject({ command: z.string(), input: z.unknown() })

type Request = z.output<typeof requestSchema>

/** A client that reads gets its last frame in milliseconds; one that is suspended must not hold the daemon. */
const CLOSE_TIMEOUT_MS = 2_000

/** Listens on the socket of the settings' data folder. Faults: config_invalid (the path is too long), conflict (the socket cannot be made). */
export async function startCommandServer({ context, commands, receivePipedMail }: CommandServerOptions): Promise<CommandServer> {
  const { data } = context.settings
  const byName = new Map(commands.map((command) => [command.name, command]))
  const shutdown = new AbortController()
  const running = new Set<Promise<void>>()
  const server = createServer({ maxHeaderSize: 2 * MAX_MAILS_QUERY }, (request, response) => {
    const isMail = request.url?.split('?', 1)[0] === MAILS_PATH
    const responding = isMail
      ? respondToMail({ context, receivePipedMail }, request, response)
      : respond({ context, byName, shutdown: shutdown.signal }, request, response)
    const answering = responding.finally(() => running.delete(answering))
    running.add(answering)
  })
  // A command may run for hours without output.
  server.requestTimeout = 0
  const { address, release } = openSocketAddress(data)
  rmSync(socketFileOf(data), { force: true })
  try {
    server.listen({ path: address })
    await once(server, 'listening')
    chmodSync(socketFileOf(data), 0o600)
  } catch (cause) {
    release()
    throw new Fault('conflict', `the command socket ${socketFileOf(data)} cannot be opened`, { cause })
  }
  return {
    close: async () => {
      shutdown.abort(new Fault('store_busy', 'the daemon is shutting down; try again'))
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS)
      await Promise.all(running)
      clearTimeout(timer)
      server.closeAllConnections()
      await closed
      rmSync(socketFileOf(data), { force: true })
      release()
    },
  }
}

type MailContext = Pick<CommandServerOptions, 'context' | 'receivePipedMail'>

/** Total. Unlike a command, a mail that has arrived is finished when the client leaves or the daemon stops: it would come again. */
async function respondToMail(
  { context, receivePipedMail }: MailContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => undefined)
  try {
    if (request.method !== 'POST') throw new Fault('method_not_allowed', `${MAILS_PATH} accepts only POST`)
    await receivePipedMail(request)
    response.writeHead(204).end()
  } catch (error) {
    const { code, message } =
      error instanceof Fault ? error : new Fault('internal', 'the mail could not be stored; see the log of the daemon')
    context.context.telemetry.log.warn({ err: error }, 'piped mail refused')
    const body = Buffer.from(JSON.stringify({ code, message }))
    // With a length, because the client reads the bytes of the body as they are.
    response.writeHead(FAULTS[code].http, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
  }
}

type Dispatcher = {
  readonly context: CommandContext
  readonly byName: ReadonlyMap<string, StoreCommand>
  readonly shutdown: AbortSignal
}

/** Total: an error becomes the last frame. */
async function respond({ context, byName, shutdown }: Dispatcher, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const disconnected = new AbortController()
  response.on('close', () => disconnected.abort(new Fault('request_timeout', 'the client disconnected')))
  response.on('error', () => disconnected.abort(new Fault('request_timeout', 'the client disconnected')))
  const signal = AbortSignal.any([shutdown, disconnected.signal])
  let exit = 0
  try {
    const { command: name, input } = await readRequest(addAbortSignal(signal, request), maxRequestBytes(context))
    const command = byName.get(name)
    if (command === undefined)
      throw new Fault('not_found', `the running daemon does not know the command "${name}": restart it after an upgrade`)
    response.setHeader('content-type', 'application/x-ndjson')
    response.flushHeaders()
    const output = createSocketOutput(response, signal, (status) => (exit = status))
    await command.execute(context, input, output)
    await endResponse(response, { exit })
  } catch (error) {
    const fault = faultOf(error, signal)
    if (!(fault === error || signal.aborted)) context.context.telemetry.log.error({ err: error }, 'command failed')
    if (!response.headersSent) response.writeHead(FAULTS[fault.code].http, { 'content-type': 'application/x-ndjson' })
    await endResponse(response, { fault: { code: fault.code, message: fault.message } })
  }
}

/** Waits until the last frame is passed to the kernel or the connection is closed. */
async function endResponse(response: ServerResponse, frame: CommandFrame): Promise<void> {
  if (response.closed) return
  const closed = once(response, 'close')
  response.end(frameLine(frame))
  await closed
}

function faultOf(error: unknown, signal: AbortSignal): Fault {
  if (error instanceof Fault) return error
  const reason: unknown = signal.reason
  if (reason instanceof Fault) return reason
  return new Fault('internal', 'the command failed in the daemon; see its log', { cause: error })
}

/** `replay` sends one mail per request in base64; the rest of a request is small. */
const maxRequestBytes = ({ settings }: CommandContext): number => settings.limits.mailSize * 2 + 1_048_576

/** Faults: bad_request, not_found, method_not_allowed, too_large. */
async function readRequest(request: IncomingMessage, maxBytes: number): Promise<Request> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    // Every request is read to its end, so that the client sees the answer and can reuse the connection.
    if (size <= maxBytes) chunks.push(bytes)
  }
  if (request.url !== COMMANDS_PATH) throw new Fault('not_found', `the only path is ${COMMANDS_PATH}`)
  if (request.method !== 'POST') throw new Fault('method_not_allowed', `${COMMANDS_PATH} accepts only POST`)
  if (size > maxBytes) throw new Fault('too_large', `a request may have at most ${maxBytes} bytes`)
  const body = parseJson(Buffer.concat(chunks).toString())
  const parsed = requestSchema.safeParse(body)
  if (!parsed.success) throw new Fault('bad_request', 'a request is a JSON object like {"command": "block list", "input": {}}')
  return parsed.data
}

const frameLine = (frame: CommandFrame): string => `${JSON.stringify(frame)}\n`

function createSocketOutput(response: ServerResponse, signal: AbortSignal, setExitStatus: (status: number) => void): CommandOutput {
  const send = async (frame: CommandFrame): Promise<void> => {
    signal.throwIfAborted()
    if (!response.write(frameLine(frame))) await once(response, 'drain', { signal })
  }
  return {
    printLines: (...lines) => send({ lines }),
    write: (bytes) => send({ bytes: Buffer.from(bytes).toString('base64') }),
    setProgress: (unit, done, total) => {
      // Skipped while the client is slow: the next progress replaces it.
      if (!response.writableNeedDrain) response.write(frameLine({ progress: { unit, done, total } }))
    },
    setExitStatus,
    signal,
  }
}
