/**
 * receive - hands the mail on standard input to the running daemon, for a pipe of another MTA
 *
 * Exit status 0 means that the daemon has stored the mail durably, as 250 does in SMTP. Any other status is one of sysexits(3), as pipe(8) of
 * Postfix and the aliases of every MTA read them: 75 lets the MTA try again, the others return the mail to its sender. An unexpected error is
 * 75. The process starts once for each mail, so this file and what it imports load neither a store nor rules nor a library.
 *
 * See also: bin/bounced.mjs (comes here directly), net/daemon-socket, daemon/listeners/pipe-listener (the other end), docs/RECEIVING.md.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { parseArgs } from 'node:util'
import type { FAULTS } from '../errors.ts'
import { MAILS_PATH, MAX_MAILS_QUERY, openSocketAddress } from '../net/daemon-socket.ts'
import { readDataFolder } from '../settings/data-folder.ts'
import type { DefineCommand } from './command.ts'

/** sysexits(3). */
const EXIT = { ok: 0, usage: 64, dataError: 65, noUser: 67, unavailable: 69, temporaryFailure: 75, noPermission: 77 } as const

type ExitStatus = (typeof EXIT)[keyof typeof EXIT]

/** The status for a refusal of the daemon. Faults that may go away by themselves, and all unlisted ones, are 75. */
const EXIT_OF_FAULT: Partial<Record<string, ExitStatus>> = {
  bad_request: EXIT.usage,
  too_large: EXIT.dataError,
  not_found: EXIT.noUser,
  forbidden: EXIT.unavailable,
} satisfies Partial<Record<keyof typeof FAULTS, ExitStatus>>

/** The MTA keeps the mail and tries again, so a daemon that hangs must not hold its processes for long. */
const TIMEOUT_MS = 10_000

/** The default of limits.advertisedSize. The whole mail is in memory, and an endless one must not fill it. */
const MAX_BYTES = 64 * 1024 * 1024

/** What a run ends with; `message` is for the log of the MTA. */
type Outcome = { readonly status: ExitStatus; readonly message: string | null }

type Options = { readonly from?: string | undefined; readonly data?: string | undefined }

type Envelope = { readonly from: string | null; readonly to: readonly string[] }

/** For the help, and for a start through src/cli.ts. */
export const receiveCommand: DefineCommand = (command) => {
  command
    .argument('[recipient...]', 'envelope recipients (default: those that the header names)')
    .option('-f, --from <address>', 'envelope sender (default: Return-Path)')
    .option('--data <folder>', 'data folder of the daemon (default: the setting data)')
    .action(async (to: string[], options: Options) => {
      const { config }: { config?: string } = command.optsWithGlobals()
      process.exitCode = await receiveAndReport(options, config ?? null, to)
    })
}

/** Runs the command. `args`: all words of the command line. Total: resolves to the exit status. */
export async function receiveFromArguments(args: readonly string[]): Promise<ExitStatus> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, from: { type: 'string', short: 'f' }, data: { type: 'string' } },
    })
    // The first word is `receive` itself.
    return await receiveAndReport(values, values.config ?? null, positionals.slice(1))
  } catch (error) {
    return report({ status: EXIT.usage, message: messageOf(error) })
  }
}

async function receiveAndReport({ from, data }: Options, config: string | null, to: readonly string[]): Promise<ExitStatus> {
  try {
    return report(await receive(data ?? (await readDataFolder(process.env, config)), { from: from ?? null, to }))
  } catch (error) {
    return report({ status: statusOfError(error), message: messageOf(error) })
  }
}

function report({ status, message }: Outcome): ExitStatus {
  if (message !== null) process.stderr.write(`bounced: ${message.replaceAll(/\p{Cc}+/gu, ' ')}\n`)
  return status
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** EACCES: the folder or the socket belongs to another user. */
function statusOfError(error: unknown): ExitStatus {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'EACCES' || code === 'EPERM' ? EXIT.noPermission : EXIT.temporaryFailure
}

/** Reads the mail and hands it over. Rejects where the daemon cannot be reached. */
async function receive(folder: string, envelope: Envelope): Promise<Outcome> {
  if (process.stdin.isTTY) return { status: EXIT.usage, message: 'receive reads one mail from standard input; pipe it in' }
  const mail = await readMail()
  if (mail === null) return { status: EXIT.dataError, message: `the mail has more than ${MAX_BYTES} bytes` }
  if (mail.length === 0) return { status: EXIT.dataError, message: 'standard input was empty' }
  const query = queryOf(envelope)
  if (query.length > MAX_MAILS_QUERY) return { status: EXIT.usage, message: 'too many recipients; hand the mail over several times' }
  const { address, release } = openSocketAddress(folder)
  try {
    return outcomeOf(await post(address, query, mail))
  } finally {
    release()
  }
}

/** All of standard input; null where it is too large. */
async function readMail(): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_BYTES) return null
    chunks.push(bytes)
  }
  return withoutSeparator(Buffer.concat(chunks))
}

/** Without the line `From sender date` that many MTAs write first. Its date is another one when the mail is tried again. RFC 4155. */
function withoutSeparator(mail: Buffer): Buffer {
  return mail.toString('latin1', 0, 5) === 'From ' ? mail.subarray(mail.indexOf('\n') + 1 || mail.length) : mail
}

const queryOf = ({ from, to }: Envelope): string =>
  String(new URLSearchParams([...(from === null ? [] : [['from', from]]), ...to.map((recipient) => ['to', recipient])]))

/**
 * One HTTP/1.1 request on a socket of its own. node:http would double the time of a start. Resolves to the bytes of the response.
 */
async function post(address: string, query: string, mail: Buffer): Promise<string> {
  const socket = connect(address)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  signal.addEventListener('abort', () => socket.destroy(new Error('the daemon did not answer in time; try again later')))
  await once(socket, 'connect')
  const head = [`POST ${MAILS_PATH}?${query} HTTP/1.1`, 'host: bounced', 'connection: close', `content-length: ${mail.length}`]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  socket.write(mail)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}

/** Reads the response: a status line, a header, and a body of JSON. */
function outcomeOf(response: string): Outcome {
  const [head = '', body = ''] = response.split('\r\n\r\n', 2)
  if (/^HTTP\/1\.1 2\d\d /.test(head)) return { status: EXIT.ok, message: null }
  const { code, message } = refusalOf(body)
  return { status: EXIT_OF_FAULT[code] ?? EXIT.temporaryFailure, message }
}

function refusalOf(body: string): { readonly code: string; readonly message: string } {
  try {
    const { code, message }: { code?: unknown; message?: unknown } = JSON.parse(body)
    if (typeof code === 'string' && typeof message === 'string') return { code, message }
  } catch {
    // Not JSON: the response broke off, or an older daemon wrote it.
  }
  return { code: 'internal', message: 'the daemon ended, or is of another version, before it stored the mail; try again later' }
}
