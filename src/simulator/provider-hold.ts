/**
 * provider-hold - how long a simulated provider refuses a sender, once it does
 *
 * The time doubles for a sender that is refused again soon, and each attempt in that time extends it, up to a bound. Mutates the given hold.
 * See also: simulator/provider-model.
 */
import type { LimitRow } from './provider-file.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** The provider refuses until `until`. `strikes`: how often it has done so lately. */
export type ProviderHold = { since: number; until: number; strikes: number }

/** How many times the duration doubles at most. */
const MAX_DOUBLINGS = 3
/** After this time without a refusal the doubling restarts. */
const STRIKE_RETENTION_MS = DAY_MS

/** The settings of a hold in the provider's file. */
type HoldSettings = Pick<LimitRow, 'holds_minutes' | 'extends_seconds' | 'holds_at_most_minutes'>

/** Whether the provider refuses at `at`. If so, the attempt extends the hold. */
export function extendHold(hold: ProviderHold, at: number, settings: HoldSettings): boolean {
  if (at >= hold.until) return false
  const latestEnd = Math.max(hold.until, hold.since + settings.holds_at_most_minutes * MINUTE_MS)
  hold.until = Math.min(latestEnd, hold.until + settings.extends_seconds * 1_000)
  return true
}

/** Starts a hold. */
export function startHold(hold: ProviderHold, at: number, settings: HoldSettings): void {
  if (at - hold.until > STRIKE_RETENTION_MS) hold.strikes = 0
  const length = Math.min(settings.holds_minutes * 2 ** hold.strikes, Math.max(settings.holds_minutes, settings.holds_at_most_minutes))
  hold.since = at
  hold.until = at + length * MINUTE_MS
  hold.strikes = Math.min(MAX_DOUBLINGS, hold.strikes + 1)
}

/** A hold that was never in force. */
export const createHold = (): ProviderHold => ({ since: 0, until: 0, strikes: 0 })
