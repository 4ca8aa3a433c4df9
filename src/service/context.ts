/**
 * context - what every service function takes: store, rules, domains, clock, ids, logger and caches
 *
 * Created once, at start-up (daemon/bootstrap); tests create one around a temporary store.
 *
 * See also: service/account-cache, service/transact.
 */
import type { CertificateState } from '../net/certificate-folder.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import type { TokenDomains } from '../correlate/references.ts'
import type { Reporter } from '../correlate/reporter.ts'
import type { FactIdGenerator } from '../ledger/facts/new-fact.ts'
import type { ShapingTable } from '../queue/shaping/shaping-table.ts'
import type { Engine } from '../store/engine/engine.ts'
import type { Telemetry } from '../telemetry.ts'
import type { AccountCache } from './account-cache.ts'
import type { CounterBuffer } from './alerts/counter-buffer.ts'
import type { DeliveryAttemptLog } from './deliver/observe/attempt-log.ts'
import type { DiskSpace } from './disk-space.ts'

export type Context = {
  readonly engine: Engine
  /** Returns the rules in force, which a reload replaces. */
  readonly rules: () => RuleTable
  readonly accountCache: AccountCache
  readonly domains: TokenDomains
  /** The base URL of the public pages, without a trailing slash. */
  readonly publicUrl: string
  /** The base URL of tracking links for accounts without a tracking domain of their own, without a trailing slash; null: there is none. */
  readonly sharedTrackingBase: string | null
  /** The operators of feedback loops whose signed reports are believed. */
  readonly reporters: readonly Reporter[]
  /** The local IP addresses of our own delivery queue; absent where this installation delivers nothing. */
  readonly egressIps?: ReadonlySet<string>
  /** The receiving sites that MX look-ups of this node found, by domain, bounded; absent where it looks none up. */
  readonly knownSites?: { readonly get: (domain: string) => string | undefined; readonly set: (domain: string, site: string) => unknown }
  /** Returns the limits of receiving sites, which a reload replaces; absent: there are none. */
  readonly shaping?: () => ShapingTable
  /** Takes the attempts of our own delivery queue after their commit; absent: they are not logged to a file. */
  readonly attemptLog?: DeliveryAttemptLog
  readonly telemetry: Telemetry
  readonly diskSpace: DiskSpace
  /** The certificates of the HTTPS listener of this node, which sets `current` when it opens; absent: there is none. */
  readonly certificates?: { current: () => readonly CertificateState[] }
  /** Counts committed facts for the alerts. */
  readonly counterBuffer: CounterBuffer
  /**
   * The current time by the clock of the store, epoch ms: due times and claims can be compared with those of other nodes. Never decreases, and ignores jumps of
   * the clock that last for minutes only (steady-clock, store/engine/shared-clock).
   */
  readonly now: () => number
  /** Milliseconds since any moment: for intervals, leases and deadlines, which no clock may stretch. */
  readonly elapsed: () => number
  readonly ids: FactIdGenerator
}
