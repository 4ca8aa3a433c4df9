/**
 * sender-connections - the connections of a simulated sender from one egress IP to one provider
 *
 * As the product's client keeps them: the connection that was used last carries the next message, until it has carried as many as the shaping of the site
 * allows, has been idle for too long, or is closed by the provider; a probe uses a new one. Where the shaping limits new connections, they are spread
 * evenly. Whether a connection is encrypted follows from the sender's setting, the rules, the shaping, and what the provider offers.
 *
 * Mutable, owned by one simulation. See also: smtp-client/connection-pool, smtp-client/opening-pace, queue/shaping/limits-in-force, simulator/simulate.
 */
import type { RuleTable } from '../classify/rule-table.ts'
import type { Dispatch } from '../queue/message.ts'
import type { Queue } from '../queue/queue.ts'
import { connectionLimitsOf } from '../queue/shaping/limits-in-force.ts'
import { tlsPolicyFor } from '../queue/shaping/tls-policy.ts'
import type { ProviderFile } from './provider-file.ts'
import type { ProviderResponse, SessionAtMail } from './provider-model.ts'
import type { Scenario } from './scenario.ts'

const MINUTE_MS = 60_000

/** One connection. `mails`: what it has carried, delivered or not. */
export type SenderConnection = { mails: number; idleSince: number }

export type SenderConnections = {
  readonly maxMails: number
  readonly maxIdleMs: number
  /** Null: no limit. */
  readonly newPerMinute: number | null
  readonly isEncrypted: boolean
  /** The sender demands TLS, and the provider does not offer it. */
  readonly lacksTls: boolean
  /** In use and idle. */
  open: number
  /** The one that was used last at the end. */
  readonly idle: SenderConnection[]
  nextOpeningAt: number
}

type SenderPath = {
  readonly queue: Queue
  readonly rules: RuleTable
  readonly sender: Scenario['sender']
  readonly file: ProviderFile
  readonly dispatch: Dispatch
}

/** No connection from the egress IP of a dispatch to the provider. */
export function createSenderConnections({ queue, rules, sender, file, dispatch }: SenderPath): SenderConnections {
  const limits = connectionLimitsOf(queue, dispatch)
  const shaped = queue.shaping?.table.siteShaping(dispatch.site, null)
  const asked = shaped?.options.tls
  // No provider here has an MTA-STS policy.
  const shapedTls =
    asked === undefined || asked === 'mta-sts' ? null : { tls: asked, isOperators: shaped?.origins.tls?.isOperators ?? false }
  const tls = tlsPolicyFor(rules, { setting: sender.tls, host: file.mx, shaped: shapedTls })
  const isOffered = file.tls?.offered ?? true
  return {
    maxMails: Math.min(sender.connection_mails, limits?.mails ?? Infinity),
    maxIdleMs: sender.connection_idle_seconds * 1_000,
    newPerMinute: limits?.newPerMinute ?? null,
    isEncrypted: isOffered && tls !== 'off',
    lacksTls: !isOffered && (tls === 'required' || tls === 'verified'),
    open: 0,
    idle: [],
    nextOpeningAt: 0,
  }
}

/** Takes an idle connection; null: there is none, or a probe needs a new one. */
export function takeIdle(connections: SenderConnections, { probe }: Dispatch, now: number): SenderConnection | null {
  const { idle, maxIdleMs } = connections
  let expired = 0
  while (expired < idle.length && now - (idle[expired]?.idleSince ?? now) >= maxIdleMs) expired += 1
  if (expired > 0) {
    idle.splice(0, expired)
    connections.open -= expired
  }
  return probe ? null : (idle.pop() ?? null)
}

/** Takes the next moment for a new connection. Returns the milliseconds until it. */
export function reserveOpening(connections: SenderConnections, now: number): number {
  if (connections.newPerMinute === null) return 0
  const openAt = Math.max(now, connections.nextOpeningAt)
  connections.nextOpeningAt = openAt + MINUTE_MS / connections.newPerMinute
  return Math.ceil(openAt - now)
}

/** Opens a connection. */
export function openConnection(connections: SenderConnections): SenderConnection {
  connections.open += 1
  return { mails: 0, idleSince: 0 }
}

/** The session before the next message of a connection. */
export const sessionOf = ({ isEncrypted }: SenderConnections, { mails }: SenderConnection): SessionAtMail => ({
  isNew: mails === 0,
  mails,
  isEncrypted,
})

/** The end of an attempt: the connection waits for the next message, or is closed. */
export function releaseConnection(
  connections: SenderConnections,
  connection: SenderConnection,
  { closes }: ProviderResponse,
  now: number,
): void {
  connection.mails += 1
  if (closes || connection.mails >= connections.maxMails) {
    connections.open -= 1
    return
  }
  connection.idleSince = now
  connections.idle.push(connection)
}
