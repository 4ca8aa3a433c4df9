/**
 * provider-hold - how long a simulated provider says no, once it does
 *
 * A time that doubles for who is soon back, and that each knock meanwhile makes longer, up to a bound. Mutates the Hold that it is given.
 * See also: simulator/provider-model.
 */
import type { LimitRow } from './provider-file.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** It says no until `until`; `strikes` are how often it did so lately. */
export type ProviderHold = { since: number; until: number; strikes: number }

/** A provider doubles its no for who comes back too early, so many times at most. */
const MAX_DOUBLINGS = 3
/** After so long without a no it begins anew. */
const STRIKE_RETENTION_MS = DAY_MS

/** What a provider's file says of it. */
type HoldSettings = Pick<LimitRow, 'holds_minutes' | 'extends_seconds' | 'holds_at_most_minutes'>

/** Whether it says no; if so, the knock is remembered. */
export function extendHold(hold: ProviderHold, at: number, settings: HoldSettings): boolean {
  if (at >= hold.until) return false
  const latestEnd = Math.max(hold.until, hold.since + settings.holds_at_most_minutes * MINUTE_MS)
  hold.until = Math.min(latestEnd, hold.until + settings.extends_seconds * 1_000)
  return true
}

/** It begins to say no. */
export function startHold(hold: ProviderHold, at: number, settings: HoldSettings): void {
  if (at - hold.until > STRIKE_RETENTION_MS) hold.strikes = 0
  const length = Math.min(settings.holds_minutes * 2 ** hold.strikes, Math.max(settings.holds_minutes, settings.holds_at_most_minutes))
  hold.since = at
  hold.until = at + length * MINUTE_MS
  hold.strikes = Math.min(MAX_DOUBLINGS, hold.strikes + 1)
}

/** It has never said no. */
export const createHold = (): ProviderHold => ({ since: 0, until: 0, strikes: 0 })
