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
import { DIALOGUE_STAGES, type DialogueStage, type LimitRow, phaseOfAnswer, type ProviderFile } from './provider-file.ts'
import { createHold, extendHold, type ProviderHold, startHold } from './provider-hold.ts'
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/**
 * Whom or what a provider refuses, apart from the message itself. An attempt that meets such a refusal is wasted. `session`: the connection has carried
 * its messages; `tls`: the connection is not encrypted.
 */
export type RefusalKind = 'ip' | 'sender-domain' | 'quota' | 'connections' | 'session' | 'tls' | 'listed' | 'down'

/** `kind` null: the first refusal, of which the sender could not know. */
export type LimitRefusal = { readonly answer: string; readonly kind: RefusalKind | null }

/** `recent`: what was accepted in a sliding window; `inWindow`: in a day or another fixed window. `isFull`: the last one was refused. */
type LimitUsage = { readonly recent: SlidingWindow; inWindow: number; windowEndsAt: number; isFull: boolean; readonly hold: ProviderHold }

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
  readonly stages: Readonly<Record<DialogueStage, StageLimits>>
  /** Messages that an egress IP delivered here before the simulation began. */
  readonly priorDeliveries: ReadonlyMap<string, number>
}

/** What is checked and counted at one stage of a dialogue. A limit that refuses at the greeting may count messages. */
type StageLimits = { readonly checked: readonly LimitRow[]; readonly counted: readonly LimitRow[]; readonly hasReputation: boolean }

/** One attempt, as the limits see it. */
type LimitedAttempt = { readonly at: number; readonly ip: string; readonly senderDomain: string }

/** Empty records. */
export const createSenderRecords = (file: ProviderFile, priorDeliveries: SenderRecords['priorDeliveries']): SenderRecords => ({
  reputations: new Map(),
  limitUsage: new Map(file.limit.map((limit) => [limit, new Map<string, LimitUsage>()])),
  stages: { connection: limitsOfStage(file, 'connection'), mail: limitsOfStage(file, 'mail'), message: limitsOfStage(file, 'message') },
  priorDeliveries,
})

function limitsOfStage(file: ProviderFile, stage: DialogueStage): StageLimits {
  const checkedAt = ({ counts, answer }: LimitRow): DialogueStage =>
    counts === 'connections' ? 'connection' : DIALOGUE_STAGES[phaseOfAnswer(file, answer)]
  const countedAt = (limit: LimitRow): DialogueStage =>
    limit.counts === 'messages' && checkedAt(limit) === 'connection' ? 'message' : checkedAt(limit)
  return {
    checked: file.limit.filter((limit) => checkedAt(limit) === stage),
    counted: file.limit.filter((limit) => countedAt(limit) === stage),
    hasReputation: file.reputation !== undefined && DIALOGUE_STAGES[phaseOfAnswer(file, file.reputation.answer)] === stage,
  }
}

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

/** Number and width of the buckets. A day is counted from its midnight, in one window. */
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
  const created = { recent: createSlidingWindow(buckets, bucketMs), inWindow: 0, windowEndsAt: 0, isFull: false, hold: createHold() }
  limitUsage.get(limit)?.set(name, created)
  return created
}

/** The refusal that is in force for this sender at a stage of the dialogue. Extends it. Null: none is. */
export function activeHoldOf(
  records: SenderRecords,
  file: ProviderFile,
  attempt: LimitedAttempt,
  stage: DialogueStage,
): LimitRefusal | null {
  const { checked, hasReputation } = records.stages[stage]
  const { reputation } = file
  if (hasReputation && reputation !== undefined && extendHold(reputationOf(records, attempt.ip).hold, attempt.at, reputation))
    return { answer: reputation.answer, kind: 'ip' }
  for (const limit of checked) {
    if (extendHold(limitUsageOf(records, limit, attempt).hold, attempt.at, limit)) return { answer: limit.answer, kind: kindOf(limit) }
  }
  return null
}

/** What an attempt meets that a limit refuses. */
function kindOf({ counts, window, key }: LimitRow): RefusalKind {
  if (counts === 'connections') return 'connections'
  return window === 'day' ? 'quota' : key === 'sender-domain' ? 'sender-domain' : 'ip'
}

/** Counts a new connection, or a message that the provider examines. Returns the refusal of the limit that it passes; null: it passes none. */
export function applyLimits(
  records: SenderRecords,
  file: ProviderFile,
  attempt: LimitedAttempt,
  stage: DialogueStage,
): LimitRefusal | null {
  const { checked, counted } = records.stages[stage]
  for (const limit of checked) {
    const usage = limitUsageOf(records, limit, attempt)
    const acceptedCount = limit.warm_after > 0 && limit.key === 'ip' ? reputationOf(records, attempt.ip).acceptedCount : 0
    if (usedOf(usage, limit, file, attempt.at) >= allowanceOf(limit, acceptedCount)) return refuseBy(usage, limit, attempt.at)
  }
  for (const limit of counted) {
    const usage = limitUsageOf(records, limit, attempt)
    usage.isFull = false
    if (isFixed(limit)) usage.inWindow = usedOf(usage, limit, file, attempt.at) + 1
    else usage.recent.add(attempt.at)
  }
  return null
}

const isFixed = ({ window, fixed }: LimitRow): boolean => fixed || window === 'day'

/** How much of a limit is used now. Begins a fixed window that has ended anew. */
function usedOf(usage: LimitUsage, limit: LimitRow, { zone }: ProviderFile, at: number): number {
  if (!isFixed(limit)) return usage.recent.sum(at)
  if (at >= usage.windowEndsAt) {
    const [buckets, bucketMs] = WINDOW_BUCKETS[limit.window]
    usage.inWindow = 0
    usage.windowEndsAt = limit.window === 'day' ? endOfProviderDay(at, zone) : at + buckets * bucketMs
  }
  return usage.inWindow
}

function refuseBy(usage: LimitUsage, limit: LimitRow, at: number): LimitRefusal {
  const { answer } = limit
  if (isFixed(limit)) usage.hold.until = usage.windowEndsAt
  else if (limit.holds_minutes > 0) {
    startHold(usage.hold, at, limit)
    // The refusal is the penalty. Afterwards the count restarts.
    usage.recent.scale(0)
  } else {
    const isFirst = !usage.isFull
    usage.isFull = true
    return { answer, kind: isFirst ? null : kindOf(limit) }
  }
  return { answer, kind: null }
}

/** Judges the reputation of an egress IP by a message more. Returns the answer for one that has just lost it; null: it has not. */
export function applyReputation(
  records: SenderRecords,
  file: ProviderFile,
  { ip, at }: LimitedAttempt,
  isUnknownUser: boolean,
): string | null {
  if (file.reputation === undefined) return null
  const reputation = reputationOf(records, ip)
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
