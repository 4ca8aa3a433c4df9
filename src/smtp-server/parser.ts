/**
 * parser - splits the bytes of a connection into commands and mail data, with CR LF as the only line ending
 *
 * Replaces the parser of smtp-server, which also splits commands at a bare LF and removes a dot after one. `smtp-server/command-lines`
 * finds the commands, `smtp-server/data-decoder` finds the end of the mail. Each command arrives with the number of bytes after it, so
 * that the session can refuse commands that were pipelined too early.
 *
 * A class, because smtp-server requires one. See also: smtp-server/connection (creates it), smtp-server/smtp-server-adapter (the base class).
 */
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { createCommandLineReader, type LineToken, type MalformedLine } from './command-lines.ts'
import { DATA_START, decodeData } from './data-decoder.ts'
import { ParserAdapter, type ChunkDone } from './smtp-server-adapter.ts'

type ParserHandlers = {
  /** False before the greeting. Bytes that arrive earlier go to `onEarlyData`. */
  readonly isReady: () => boolean
  readonly onEarlyData: (bytes: Buffer) => void
  /** `bytesAfter`: how many bytes the same chunk holds after the command. `next` asks for the next command. */
  readonly onCommand: (line: Buffer, bytesAfter: number, next: () => void) => void
  readonly onMalformedLine: (kind: MalformedLine, next: () => void) => void
}

/** Commands of one chunk that are executed before other connections get a turn. A full chunk can hold 10,000 NOOPs, on each of many connections. */
const COMMANDS_BEFORE_YIELD = 16

/** The parser of one connection. STARTTLS creates a new one, so that bytes sent before TLS are never read as commands. */
export class SmtpParser extends ParserAdapter {
  readonly #commandLines
  readonly #handlers: ParserHandlers
  #dataState = DATA_START

  constructor(maxCommandBytes: number, handlers: ParserHandlers) {
    super()
    this.#commandLines = createCommandLineReader(maxCommandBytes)
    this.#handlers = handlers
  }

  override startDataMode(maxBytes?: number | string | null): ReturnType<SMTPStream['startDataMode']> {
    this.#dataState = DATA_START
    return super.startDataMode(maxBytes)
  }

  protected override readChunk(chunk: Buffer, done: ChunkDone): void {
    if (this.#handlers.isReady()) this.#readCommands(chunk, done)
    else {
      this.#handlers.onEarlyData(chunk)
      done()
    }
  }

  /** Executes the commands of one chunk. Loops while commands finish at once, so that a long chunk does not grow the call stack. */
  #readCommands(chunk: Buffer, done: ChunkDone): void {
    let offset = 0
    let isRunning = false
    let shouldContinue = false
    let commandCount = 0
    const processNext = (): void => {
      shouldContinue = true
      if (isRunning) return
      isRunning = true
      try {
        while (shouldContinue) {
          shouldContinue = false
          if (this.isClosed) return done()
          if (this.isReceivingData) return this.#readData(chunk.subarray(offset), done)
          const token = this.#commandLines.next(chunk, offset)
          if (token === null) return done()
          offset = token.end
          if (++commandCount % COMMANDS_BEFORE_YIELD === 0) setImmediate(() => this.#dispatch(token, chunk.length - offset, processNext))
          else this.#dispatch(token, chunk.length - offset, processNext)
        }
      } finally {
        isRunning = false
      }
    }
    processNext()
  }

  #dispatch(token: LineToken, bytesAfter: number, next: () => void): void {
    if (this.isClosed) next()
    else if (token.kind === 'line') this.#handlers.onCommand(token.line, bytesAfter, next)
    else this.#handlers.onMalformedLine(token.kind, next)
  }

  #readData(chunk: Buffer, done: ChunkDone): void {
    const { text, state, end } = decodeData(this.#dataState, chunk)
    this.#dataState = state
    if (end === null) this.writeData(text, done)
    else this.endData(text, chunk.subarray(end), done)
  }
}
