/**
 * smtp-server-adapter - the only file that overrides or reads private members of the smtp-server package
 *
 * smtp-server splits commands at a bare LF, has no limit on slow peers and hides how far a session is. The base classes here open the
 * places that we need and give them public names. No other file uses a member that begins with an underscore.
 *
 * test/smtp-server/smtp-server-adapter.test.ts lists each private member with its expected type and the version that was checked. It fails
 * when an upgrade moves one. See also: smtp-server/connection, smtp-server/parser, smtp-server/refusals.
 */
import type { Socket } from 'node:net'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'

/** Reports that a chunk has been processed. */
export type ChunkDone = (error?: Error | null) => void

/** How the texts of smtp-server's own limit replies begin. The texts are no interface, so the test searches the package for them. */
export const LIBRARY_REPLIES = {
  idleTimeout: 'Timeout - closing connection',
  tooManyRecipients: 'Error: too many recipients',
  messageTooLarge: 'Error: message exceeds fixed maximum message size',
  tooManyUnknownCommands: 'Error: too many unrecognized commands',
  httpRequest: 'HTTP requests not allowed',
} as const

/** A session of smtp-server with a parser and a set of commands chosen by the subclass. */
export abstract class ConnectionAdapter extends SMTPConnection {
  /** Runs inside the constructor, before the subclass has its fields. Read them only in callbacks that run later. */
  protected abstract createParser(maxCommandBytes: number): ParserAdapter

  /** Returns whether a command exists on this connection. A command that does not is answered as unknown. */
  protected abstract isCommandOffered(command: string): boolean

  /** Milliseconds before the greeting in which a peer that does not wait for its turn gives itself away. Read once, at the start of the session. */
  protected abstract greetingDelayMs(): number

  /** Starts the session. smtp-server makes every peer wait 100 ms. */
  override init(): void {
    this._setListeners(() => {
      const delayMs = this.greetingDelayMs()
      if (delayMs === 0) this.connectionReady()
      else setTimeout(() => this.connectionReady(), delayMs).unref()
    })
  }

  override _createParser(): SMTPStream {
    return this.createParser(this._server.options.maxCommandLength ?? 0)
  }

  override _isSupported(command: string): boolean {
    return this.isCommandOffered(command) && super._isSupported(command)
  }

  /** False until the greeting has been sent. */
  protected get isGreeted(): boolean {
    return this._ready
  }

  /** True once the session has begun to close. */
  protected get isEnding(): boolean {
    return this._closing || this._closed
  }

  /** True between 354 and the end of the mail's data. */
  protected get isReceivingData(): boolean {
    return this._parser !== false && this._parser._dataMode
  }

  /** True while the peer waits for our reply: a handler runs, or a complete mail is being committed. */
  protected get isReplyPending(): boolean {
    return this._handlerPending || (Boolean(this._dataStream) && !this.isReceivingData)
  }

  /** Bytes of the current mail that have arrived. */
  protected get dataBytes(): number {
    return this._parser === false ? 0 : this._parser.dataBytes
  }

  /** The socket that replies are written to: the TLS socket after STARTTLS. */
  protected get replySocket(): Socket {
    return this._socket
  }

  /** Drops the mail that is being received. Does nothing when there is none. */
  protected discardData(): void {
    if (this._dataStream && !this._dataStream.writableEnded) this._dataStream.destroy()
  }

  /**
   * Lets smtp-server execute one command line. Resets the library's count of unknown commands, which would end the session at the tenth:
   * limits.errorsPerConnection replaces it.
   */
  protected executeCommand(line: Buffer, next: () => void): void {
    this._unrecognizedCommands = 0
    this._onCommand(line, next)
  }
}

/** A parser of smtp-server whose bytes are read by the subclass. */
export abstract class ParserAdapter extends SMTPStream {
  /** Reads one chunk; calls `done` when all of it has been processed. */
  protected abstract readChunk(chunk: Buffer, done: ChunkDone): void

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: ChunkDone): void {
    if (this.isClosed) next()
    else this.readChunk(chunk, next)
  }

  /** True between 354 and the end of the mail's data. */
  protected get isReceivingData(): boolean {
    return this._dataMode
  }

  /** Writes decoded bytes of a mail to its stream. Calls `done` when the stream can take more. */
  protected writeData(bytes: Buffer, done: ChunkDone): void {
    const stream = this._dataStream
    this._countDataBytes(bytes.length)
    if (stream === null || bytes.length === 0 || !stream.writable || stream.write(bytes)) return done()
    // A destroyed stream emits no `drain`, only `close`.
    const resume = (): void => {
      stream.off('drain', resume)
      stream.off('close', resume)
      done()
    }
    stream.once('drain', resume)
    stream.once('close', resume)
  }

  /** Writes the last bytes of a mail and ends its stream. `rest` is read as commands once the mail has been answered. */
  protected endData(bytes: Buffer, rest: Buffer, done: ChunkDone): void {
    this._countDataBytes(bytes.length)
    this._endDataMode(bytes, rest, done)
  }
}
