/**
 * parser - smtp-server's parser with our law of line ends
 *
 * smtp-server splits commands at a bare LF too, and keeps a dot behind one for a stuffed dot. This takes its place: `smtp-server/command-lines` finds the
 * commands, `smtp-server/data-decoder` the mail, and the bytes that wait behind a command are known to who answers it. A class, since smtp-server demands one.
 *
 * See also: smtp-server/connection (who makes it), smtp-server's own stream (the contract that is kept: startDataMode, continue, isClosed).
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { DATA_START, decodeData } from './data-decoder.ts'
import { createCommandLineReader, type MalformedLine } from './command-lines.ts'

export type ParserHandlers = {
  /** False before the greeting: whatever comes then is for `early`. */
  readonly isReady: () => boolean
  readonly onEarlyData: (bytes: Buffer) => void
  /** `behind`: how many bytes the same chunk holds behind the command. `next` asks for more. */
  readonly onCommand: (line: Buffer, bytesAfter: number, next: () => void) => void
  readonly onMalformedLine: (kind: MalformedLine, next: () => void) => void
}

type Done = (error?: Error | null) => void

/** Commands of one chunk that are answered before others have their turn; a full chunk of NOOPs is 10,000. */
const COMMANDS_BEFORE_YIELD = 100

/** The parser of one connection (and a new one behind STARTTLS, so that nothing of the old one's bytes is ever read). */
export class SmtpParser extends SMTPStream {
  readonly #lines
  readonly #door: ParserHandlers
  #data = DATA_START

  constructor(commandLength: number, handlers: ParserHandlers) {
    super()
    this.#lines = createCommandLineReader(commandLength)
    this.#door = handlers
  }

  override startDataMode(maxBytes?: number | string | null): ReturnType<SMTPStream['startDataMode']> {
    this.#data = DATA_START
    return super.startDataMode(maxBytes)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: Done): void {
    if (this.isClosed) next()
    else if (this.#door.isReady()) this.#read(chunk, next)
    else {
      this.#door.onEarlyData(chunk)
      next()
    }
  }

  /** Goes through one chunk. A command that is answered at once is followed in a loop, one that is answered later by its `next`. */
  #read(chunk: Buffer, done: Done): void {
    let offset = 0
    let isRunning = false
    let shouldContinue = false
    let count = 0
    const processNext = (): void => {
      shouldContinue = true
      if (isRunning) return
      isRunning = true
      try {
        while (shouldContinue) {
          shouldContinue = false
          if (this.isClosed) return done()
          if (this._dataMode) return this.#readMail(chunk.subarray(offset), done)
          const token = this.#lines.next(chunk, offset)
          if (token === null) return done()
          offset = token.end
          if (++count % COMMANDS_BEFORE_YIELD === 0) setImmediate(() => this.#answer(token, chunk.length - offset, processNext))
          else this.#answer(token, chunk.length - offset, processNext)
        }
      } finally {
        isRunning = false
      }
    }
    processNext()
  }

  #answer(token: NonNullable<ReturnType<ReturnType<typeof createCommandLineReader>['next']>>, bytesAfter: number, next: () => void): void {
    if (this.isClosed) next()
    else if (token.kind === 'line') this.#door.onCommand(token.line, bytesAfter, next)
    else this.#door.onMalformedLine(token.kind, next)
  }

  #readMail(chunk: Buffer, done: Done): void {
    const stream = this._dataStream
    const { text, state, end } = decodeData(this.#data, chunk)
    this.#data = state
    this._countDataBytes(text.length)
    if (end !== null) return this._endDataMode(text, chunk.subarray(end), done)
    if (stream === null || text.length === 0 || !stream.writable || stream.write(text)) return done()
    // A stream that is destroyed never drains, it only closes.
    const resume = (): void => {
      stream.off('drain', resume)
      stream.off('close', resume)
      done()
    }
    stream.once('drain', resume)
    stream.once('close', resume)
  }
}
