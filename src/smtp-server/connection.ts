/**
 * connection - one SMTP session: the commands of smtp-server with our parser, refusals and time limits
 *
 * Every reply passes through `send`. There a refusal gets the text that names its limit, is counted, and closes the session if its row says
 * so. A peer that sends before the greeting, before the reply to EHLO, or after a refused DATA is disconnected before any of those bytes
 * can be read as a command.
 *
 * A class, because smtp-server requires one. RFC 5321, RFC 2920 §3.1 (what may be pipelined), RFC 3030 (BDAT, not offered).
 * See also: smtp-server/smtp-server-adapter (the base class), smtp-server/parser, smtp-server/slow-peer.
 */
import type { Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SmtpParser } from './parser.ts'
import { isProxyHeaderPrefix } from './proxy-protocol.ts'
import { hasEnhancedStatus, findRefusal, REFUSALS, refusalTextOf, type SmtpRefusal, type RefusalName } from './refusals.ts'
import { idleSinceOf, slowPeerReasonOf, type SlowPeerLimits, type PeerProgress } from './slow-peer.ts'
import { ConnectionAdapter } from './smtp-server-adapter.ts'

export type ConnectionLimits = SlowPeerLimits & {
  readonly commandLength: number
  readonly commandsBetweenMails: number
  readonly errorsPerConnection: number
}

/** What a session needs from its listener. */
export type ConnectionContext = {
  readonly limits: ConnectionLimits
  readonly now: () => number
  /** Returns how long this peer waits for its greeting, in milliseconds. */
  readonly greetingDelayMs: () => number
  /** The refusal of a mail above SIZE. It names the setting that applies to this listener. */
  readonly oversizeRefusal: 'size' | 'submissionSize'
  /** Returns whether AUTH is offered on this connection in its present state. */
  readonly isAuthOffered: (session: { readonly address: string; readonly isSecure: boolean }) => boolean
  /** Counts a refusal. `command` stands for every reply about a single faulty command. */
  readonly onRefused: (name: RefusalName | 'command') => void
  /** Observes each command line before it is executed. */
  readonly onCommand: (line: Buffer) => void
  /** Observes each reply before it is written. `text` is the first line, without the basic code. */
  readonly onReply: (code: number, text: string) => void
}

/** Commands that must be the last of a pipelined group (RFC 2920 §3.1). */
const LAST_IN_GROUP: readonly string[] = ['EHLO', 'HELO', 'LHLO']

export class InboundConnection extends ConnectionAdapter {
  readonly #context: ConnectionContext
  #repliedAt: number
  /** The socket that holds back the replies to one group of commands. */
  #corkedSocket: Socket | null = null
  #commandCount = 0
  #errorCount = 0

  constructor(server: SMTPServer, socket: Socket, options: SMTPConnectionOptions & { readonly context: ConnectionContext }) {
    super(server, socket, options)
    this.#context = options.context
    this.#repliedAt = options.context.now()
  }

  protected override createParser(maxCommandBytes: number): SmtpParser {
    const parser = new SmtpParser(maxCommandBytes, {
      isReady: () => this.isGreeted,
      onEarlyData: (bytes) => this.closeWith(isProxyHeaderPrefix(bytes) ? 'proxy' : 'early'),
      onCommand: (line, bytesAfter, next) => this.#handleCommand(line, bytesAfter, next),
      onMalformedLine: (kind, next) => {
        this.send(REFUSALS[kind].code, refusalTextOf(kind))
        next()
      },
    })
    parser.on('error', () => this.close())
    return parser
  }

  protected override greetingDelayMs(): number {
    return this.#context.greetingDelayMs()
  }

  /** AUTH is an unknown command where it is not offered, so that no client is asked for a password over an unencrypted connection. */
  protected override isCommandOffered(command: string): boolean {
    return command !== 'AUTH' || this.#context.isAuthOffered({ address: this.remoteAddress, isSecure: this.secure })
  }

  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    if (this.isEnding) return
    this.#repliedAt = this.#context.now()
    if (code < 400) {
      if (context === 'DATA_OK') this.#commandCount = 0
      return this.#reply(code, data, hasEnhancedStatus(data) ? false : context)
    }
    const knownRefusal = typeof data === 'string' ? findRefusal(data) : null
    const name = knownRefusal === 'size' ? this.#context.oversizeRefusal : knownRefusal
    this.#context.onRefused(name ?? 'command')
    if (code >= 500) this.#errorCount++
    if (name !== null) this.#refuse(name)
    else this.#reply(code, data, hasEnhancedStatus(data) ? false : context)
    if (this.#errorCount > this.#context.limits.errorsPerConnection) this.closeWith('errors')
  }

  /** Sends a refusal, closes the session and drops the mail that is being received. */
  closeWith(name: RefusalName): void {
    this.send(REFUSALS[name].code, refusalTextOf(name))
    this.close()
    this.discardData()
  }

  /** Closes the session when its peer has broken a time limit. */
  closeIfSlow(isStressed: boolean): void {
    if (this.isEnding) return
    const { limits, now } = this.#context
    const reason = slowPeerReasonOf(this.#peerProgress(), limits, { now: now(), isStressed })
    if (reason !== null) this.closeWith(reason)
  }

  /** Since when the session does nothing but wait for its peer; null while it works. A session that has ended waits for the peer to close. */
  idleSince(): number | null {
    if (this.isEnding) return this.#repliedAt
    const { limits, now } = this.#context
    return idleSinceOf(this.#peerProgress(), limits, now())
  }

  /** Closes the session at once, because its place is needed. */
  evict(): void {
    if (this.isEnding) return void this.replySocket.destroy()
    this.closeWith('evicted')
    this.replySocket.destroySoon()
  }

  #peerProgress(): PeerProgress {
    const awaiting = this.isReceivingData ? 'data' : this.isReplyPending ? 'server' : 'command'
    return { awaiting, since: this.#repliedAt, bytes: this.dataBytes }
  }

  #reply(code: number, data?: string | string[] | null, context?: string | false): void {
    this.#context.onReply(code, (Array.isArray(data) ? data[0] : data) ?? '')
    super.send(code, data, context)
  }

  #refuse(name: RefusalName): void {
    const { code, closesConnection = false }: SmtpRefusal = REFUSALS[name]
    this.#reply(code, refusalTextOf(name), false)
    if (closesConnection) this.close()
  }

  /** Sends the replies to a pipelined group together (RFC 2920 §3.2): one packet and one system call instead of one for each reply. */
  #cork(): void {
    if (this.#corkedSocket !== null) return
    this.#corkedSocket = this.replySocket
    this.#corkedSocket.cork()
    setImmediate(() => this.#uncork())
  }

  #uncork(): void {
    this.#corkedSocket?.uncork()
    this.#corkedSocket = null
  }

  #handleCommand(line: Buffer, bytesAfter: number, next: () => void): void {
    const name = line.subarray(0, 16).toString('latin1').split(' ')[0]?.toUpperCase() ?? ''
    this.#commandCount++
    this.#context.onCommand(line)
    if (this.#commandCount > this.#context.limits.commandsBetweenMails) return this.closeWith('commands')
    if (bytesAfter > 0 && LAST_IN_GROUP.includes(name)) return this.closeWith('earlyPipelining')
    if (name === 'BDAT') return this.closeWith('bdat')
    if (name === 'PROXY') return this.closeWith('proxy')
    if (name === 'STARTTLS') this.#uncork()
    else if (bytesAfter > 0) this.#cork()
    this.executeCommand(line, () => {
      // DATA was refused, yet its mail already follows: its lines would be read as commands.
      if (name === 'DATA' && bytesAfter > 0 && !this.isReceivingData) this.closeWith('bodyBeforeData')
      next()
    })
  }
}
