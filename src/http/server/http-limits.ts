/**
 * http-limits - the limits of an HTTP server's clients, with their defaults
 *
 * See also: settings/http (the settings and their reasons), http/server/connection-limits, http/server/body-limits.
 */
import type { ConnectionTableLimits } from '../../net/connection-table.ts'

/** Times are in seconds, sizes in bytes. */
export type HttpLimits = ConnectionTableLimits & {
  /** Peers without limits by peer and network: addresses or networks. */
  readonly exemptPeers: readonly string[]
  readonly stressSeconds: number
  readonly headerSeconds: number
  readonly requestSeconds: number
  readonly bodyIdleSeconds: number
  readonly responseIdleSeconds: number
  readonly bodyBudget: number
}

/** The defaults; settings/http explains them. */
export const HTTP_LIMITS: HttpLimits = {
  connections: 2_000,
  connectionsPerPeer: 100,
  connectionsPerNetwork: 300,
  connectionsPerAllocation: 600,
  exemptPeers: ['127.0.0.0/8', '::1'],
  stressPercent: 80,
  stressSeconds: 5,
  headerSeconds: 30,
  requestSeconds: 300,
  bodyIdleSeconds: 30,
  responseIdleSeconds: 60,
  bodyBudget: 64 * 1024 * 1024,
}
