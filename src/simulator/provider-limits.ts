/**
 * provider-limits - what a simulated provider counts for each egress IP and sender domain, and when it refuses them
 *
 * A sender that passes a limit, or loses its reputation, is refused for a time (simulator/provider-hold). Each attempt in that time extends
 * it, up to a bound: that is why a sender should pause. Every accepted message makes the egress IP better known.
 *
 * Mutates the SenderRecords that it is given. See also: simulator/provider-model, simulator/limit-allowance, simulator/sliding-window.
 */
import { endOfProviderDay } from '../queue/backoff/provider-day.ts'
import { allowanceOf } from './limit-allowance.ts'
import type { LimitRow, ProviderFile } from './provider-file.ts'
import { createHold, extendHold, type ProviderHold, startHold } from './provider-hold.ts'
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Whom or what a provider refuses, apart from the message itself. An attempt that meets such a refusal is wasted. */
export type RefusalKind = 'ip' | 'sender-domain' | 'quota' | 'connections' | 'listed' | 'down'

/** `recent`: what was accepted in the window of the limit, for a limit without days. */
type LimitUsage = { readonly recent: SlidingWindow; day: number; dayEndsAt: number; readonly hold: ProviderHold }

type IpReputation = {
  acceptedCount: number
  readonly seen: SlidingWindow
  readonly unknown: SlidingWindow
  readonly complaints: SlidingWindow
  readonly hold: ProviderHold
}

export type SenderRecords = {
  readonly reputations: Map<string, IpReputation>
  /** By limit, then by egress IP or sender domain. */
  readonly limitUsage: ReadonlyMap<LimitRow, Map<string, LimitUsage>>
  /** Messages that an egress IP delivered here before the simulation began. */
  readonly priorDeliveries: ReadonlyMap<string, number>
}

/** One attempt, as the limits see it. */
type LimitedAttempt = { readonly at: number; readonly ip: string; readonly senderDomain: string }

/** Empty records. */
export const createSenderRecords = (file: ProviderFile, priorDeliveries: SenderRecords['priorDeliveries']): SenderRecords => ({
  reputations: new Map(),
  limitUsage: new Map(file.limit.map((limit) => [limit, new Map<string, LimitUsage>()])),
  priorDeliveries,
})

function reputationOf({ reputations, priorDeliveries }: SenderRecords, ip: string): IpReputation {
  const known = reputations.get(ip)
  if (known !== undefined) return known
  const window = (): SlidingWindow => createSlidingWindow(24, HOUR_MS)
  const created: IpReputation = {
    acceptedCount: priorDeliveries.get(ip) ?? 0,
    seen: window(),
    unknown: window(),
    complaints: window(),
    hold: createHold(),
  }
  reputations.set(ip, created)
  return created
}

/** Whom a limit counts. */
const HOLDERS = {
  ip: ({ ip }) => ip,
  'sender-domain': ({ senderDomain }) => senderDomain,
  subnet: ({ ip }) => (ip.includes(':') ? ip.split(':').slice(0, 4).join(':') : ip.slice(0, ip.lastIndexOf('.'))),
  'all-ips': () => '',
} as const satisfies Record<LimitRow['key'], (attempt: LimitedAttempt) => string>

/** Number and width of the buckets. A day is counted from its midnight, without a window. */
const WINDOW_BUCKETS = {
  second: [10, 100],
  minute: [60, 1_000],
  hour: [60, MINUTE_MS],
  day: [1, HOUR_MS],
} as const satisfies Record<LimitRow['window'], readonly [buckets: number, bucketMs: number]>

function limitUsageOf({ limitUsage }: SenderRecords, limit: LimitRow, attempt: LimitedAttempt): LimitUsage {
  const name = HOLDERS[limit.key](attempt)
  const known = limitUsage.get(limit)?.get(name)
  if (known !== undefined) return known
  const [buckets, bucketMs] = WINDOW_BUCKETS[limit.window]
  const created = { recent: createSlidingWindow(buckets, bucketMs), day: 0, dayEndsAt: 0, hold: createHold() }
  limitUsage.get(limit)?.set(name, created)
  return created
}

/** The refusal that is in force for this sender now. Extends it. Null: none is. */
export function activeHoldOf(
  records: SenderRecords,
  file: ProviderFile,
  attempt: LimitedAttempt,
): { readonly answer: string; readonly kind: RefusalKind } | null {
  const { reputation } = file
  if (reputation !== undefined && extendHold(reputationOf(records, attempt.ip).hold, attempt.at, reputation))
    return { answer: reputation.answer, kind: 'ip' }
  for (const limit of file.limit) {
    if (extendHold(limitUsageOf(records, limit, attempt).hold, attempt.at, limit))
      return { answer: limit.answer, kind: limit.window === 'day' ? 'quota' : limit.key === 'sender-domain' ? 'sender-domain' : 'ip' }
  }
  return null
}

/** Counts a message that the provider examines. Returns the answer of the limit that this message passes; null: it passes none. */
export function applyLimits(records: SenderRecords, file: ProviderFile, attempt: LimitedAttempt, isUnknownUser: boolean): string | null {
  const { at } = attempt
  const reputation = reputationOf(records, attempt.ip)
  for (const limit of file.limit) {
    const usage = limitUsageOf(records, limit, attempt)
    if (limit.window === 'day' && at >= usage.dayEndsAt) {
      usage.day = 0
      usage.dayEndsAt = endOfProviderDay(at, file.zone)
    }
    const used = limit.window === 'day' ? usage.day : usage.recent.sum(at)
    if (used < allowanceOf(limit, limit.key === 'ip' ? reputation.acceptedCount : 0)) continue
    if (limit.window === 'day') usage.hold.until = usage.dayEndsAt
    else {
      startHold(usage.hold, at, limit)
      // The refusal is the penalty. Afterwards the count restarts.
      usage.recent.scale(0)
    }
    return limit.answer
  }
  for (const limit of file.limit) {
    const usage = limitUsageOf(records, limit, attempt)
    usage.day += 1
    usage.recent.add(at)
  }
  reputation.seen.add(at)
  if (isUnknownUser) reputation.unknown.add(at)
  return judgeReputation(file, reputation, at)
}

/** The answer for an egress IP that has just lost its reputation; null: it has not. */
function judgeReputation(file: ProviderFile, reputation: IpReputation, at: number): string | null {
  const { reputation: settings } = file
  if (settings === undefined) return null
  const seen = reputation.seen.sum(at)
  if (seen < settings.floor) return null
  const isBad = reputation.unknown.sum(at) > seen * settings.unknown || reputation.complaints.sum(at) > seen * settings.complaints
  if (!isBad) return null
  startHold(reputation.hold, at, settings)
  // The refusal is the penalty. Half of what led to it is forgiven, or nothing could be delivered on the same day.
  for (const window of [reputation.seen, reputation.unknown, reputation.complaints]) window.scale(0.5)
  return settings.answer
}

/** Records an accepted message, and whether its reader complains. */
export function recordAcceptance(records: SenderRecords, { ip, at }: LimitedAttempt, isComplaint: boolean): void {
  const reputation = reputationOf(records, ip)
  reputation.acceptedCount += 1
  if (isComplaint) reputation.complaints.add(at)
}
