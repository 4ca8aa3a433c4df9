/**
 * context - what every piece of work needs: the store, the rules in force, our domains, time and chance
 *
 * Made once by `app`; tests make one around a temporary store. See also: app, service/account-cache.
 */
import type { RuleTable } from '../classify/rule-table.ts'
import type { TokenDomains } from '../correlate/references.ts'
import type { FactIdGenerator } from '../ledger/facts/new-fact.ts'
import type { Engine } from '../store/engine/engine.ts'
import type { Telemetry } from '../telemetry.ts'
import type { AccountCache } from './account-cache.ts'
import type { CounterBuffer } from './alerts/counter-buffer.ts'

export type Context = {
  readonly engine: Engine
  /** The rules in force; a reload changes what this gives. */
  readonly rules: () => RuleTable
  readonly accountCache: AccountCache
  readonly domains: TokenDomains
  /** Where the one-click page is reached from outside, without a slash at its end. */
  readonly publicUrl: string
  /** Domains whose feedback loops are believed. */
  readonly reporters: ReadonlySet<string>
  /** The IPs that our own queue sends by; not given where this installation delivers nothing. */
  readonly egressIps?: ReadonlySet<string>
  readonly telemetry: Telemetry
  /** Hears of what was committed, for alerts. */
  readonly counterBuffer: CounterBuffer
  readonly now: () => number
  readonly ids: FactIdGenerator
}
