/**
 * connection - one SMTP session: smtp-server's dialogue with our parser, our refusals and our clocks
 *
 * Every reply passes `send`: there a refusal gets the words that name its limit, is counted, and ends the session where the table says so. Who speaks
 * before the greeting, before the answer to EHLO, or behind a refused DATA is ended before a byte of it can pass for a command.
 *
 * A class, since smtp-server demands one; of its insides it overrides `_createParser`, `_isSupported` and `send` (the version is pinned, the tests
 * hold the contract). RFC 5321, RFC 2920 §3.1 (what may be pipelined), RFC 3030 (BDAT, not offered). See also: smtp-server/parser, smtp-server/slow-peer.
 */
import type { Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { slowPeerReasonOf, type SlowPeerLimits, type PeerProgress } from './slow-peer.ts'
import { SmtpParser } from './parser.ts'
import { isProxyHeaderPrefix } from './proxy-protocol.ts'
import { hasEnhancedStatus, findRefusal, REFUSALS, refusalTextOf, type SmtpRefusal, type RefusalName } from './refusals.ts'

export type ConnectionLimits = SlowPeerLimits & {
  readonly commandLength: number
  readonly commandsBetweenMails: number
  readonly errorsPerConnection: number
}

export type ConnectionContext = {
  readonly limits: ConnectionLimits
  readonly now: () => number
  /** Whether AUTH is offered here and now. */
  readonly tooLarge: 'size' | 'submissionSize'
  readonly offersAuth: (session: { readonly address: string; readonly isSecure: boolean }) => boolean
  /** Counts a refusal; `command` stands for all that were wrong in themselves. */
  readonly refused: (name: RefusalName | 'command') => void
}

/** Behind these nothing may stand before they are answered. */
const LAST_IN_GROUP: readonly string[] = ['EHLO', 'HELO', 'LHLO']

export class InboundConnection extends SMTPConnection {
  readonly #door: ConnectionContext
  #repliedAt: number
  /** The socket that holds back the replies of one group of commands. */
  #gathering: Socket | null = null
  #commands = 0
  #errors = 0

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions & { readonly door: ConnectionContext }) {
    super(server, socket, options)
    this.#door = options.door
    this.#repliedAt = options.door.now()
  }

  /** Called by the constructor above us too, so that it reaches for `#door` only later, in what it hands over. */
  override _createParser(): SmtpParser {
    const commandLength = this._server.options.maxCommandLength ?? 0
    const parser = new SmtpParser(commandLength, {
      isReady: () => this._ready,
      onEarlyData: (bytes) => this.closeWith(isProxyHeaderPrefix(bytes) ? 'proxy' : 'early'),
      onCommand: (line, bytesAfter, next) => this.#command(line, bytesAfter, next),
      onMalformedLine: (kind, next) => {
        this.send(REFUSALS[kind].code, refusalTextOf(kind))
        next()
      },
    })
    parser.on('error', () => this.close())
    return parser
  }

  /** Where it is not offered, AUTH is an unknown command: nobody is asked for a password in plain sight. */
  override _isSupported(command: string): boolean {
    const isOffered = command !== 'AUTH' || this.#door.offersAuth({ address: this.remoteAddress, isSecure: this.secure })
    return isOffered && super._isSupported(command)
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (this._closing || this._closed) return
    this.#repliedAt = this.#door.now()
    if (code < 400) {
      if (context === 'DATA_OK') this.#commands = 0
      return super.send(code, data, hasEnhancedStatus(data) ? false : context)
    }
    const knownRefusal = typeof data === 'string' ? findRefusal(data) : null
    const name = knownRefusal === 'size' ? this.#door.tooLarge : knownRefusal
    this.#door.refused(name ?? 'command')
    if (code >= 500) this.#errors++
    if (name !== null) this.#refuse(name)
    else super.send(code, data, hasEnhancedStatus(data) ? false : context)
    if (this.#errors > this.#door.limits.errorsPerConnection) this.closeWith('errors')
  }

  /** Says a refusal that ends the session, and forgets the mail that was coming. */
  closeWith(name: RefusalName): void {
    this.send(REFUSALS[name].code, refusalTextOf(name))
    this.close()
    if (this._dataStream && !this._dataStream.writableEnded) this._dataStream.destroy()
  }

  /** Ends the session when its peer has been too slow. */
  closeIfSlow(): void {
    if (this._closing || this._closed) return
    const { limits, now } = this.#door
    const slowness = slowPeerReasonOf(this.#progress(), limits, now())
    if (slowness !== null) this.closeWith(slowness)
  }

  #progress(): PeerProgress {
    const parser = this._parser
    const isMail = parser !== false && parser._dataMode
    const isOurs = this._handlerPending || (this._dataStream && !isMail)
    return {
      awaiting: isMail ? 'data' : isOurs ? 'ours' : 'command',
      since: this.#repliedAt,
      bytes: parser === false ? 0 : parser.dataBytes,
    }
  }

  #refuse(name: RefusalName): void {
    const { code, closesConnection: ends = false }: SmtpRefusal = REFUSALS[name]
    super.send(code, refusalTextOf(name), false)
    if (ends) this.close()
  }

  /** The replies to commands that came together leave together (RFC 2920 §3.2): one packet and one system call in the place of three. */
  #gather(): void {
    if (this.#gathering !== null) return
    this.#gathering = this._socket
    this._socket.cork()
    setImmediate(() => this.#letGo())
  }

  #letGo(): void {
    this.#gathering?.uncork()
    this.#gathering = null
  }

  #command(line: Buffer, bytesAfter: number, next: () => void): void {
    const name = line.subarray(0, 16).toString('latin1').split(' ')[0]?.toUpperCase() ?? ''
    this.#commands++
    // The library ends a session at its tenth unknown command; our own count has a setting.
    this._unrecognizedCommands = 0
    if (this.#commands > this.#door.limits.commandsBetweenMails) return this.closeWith('commands')
    if (bytesAfter > 0 && LAST_IN_GROUP.includes(name)) return this.closeWith('earlyPipelining')
    if (name === 'BDAT') return this.closeWith('bdat')
    if (name === 'PROXY') return this.closeWith('proxy')
    if (name === 'STARTTLS') this.#letGo()
    else if (bytesAfter > 0) this.#gather()
    const proceed = (): void => {
      const parser = this._parser
      if (name === 'DATA' && bytesAfter > 0 && parser !== false && !parser._dataMode) this.closeWith('bodyBeforeData')
      next()
    }
    this._onCommand(line, proceed)
  }
}
