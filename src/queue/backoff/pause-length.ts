/**
 * pause-length - when a pause ends, and what a key learns from earlier refusals about the length of the next
 *
 * A class that learns takes a pause for a part of the time refused so far, so that only a part of it is lost when the refusal ends. A refusal
 * lasted until some moment between the last refused probe and the accepted one. The next one begins with a pause of that length, if it comes
 * soon enough: a server that comes and goes, or a provider that always refuses for so long, is seldom probed in vain.
 *
 * Pure. See also: queue/backoff/backoff (enters the pause), queue/backoff/backoff-classes (`learnsPause`), queue/backoff/provider-day.
 */
import type { BackoffClassRow } from './backoff-classes.ts'
import type { BackoffEpisode } from './backoff-episode.ts'
import type { BackoffPolicy } from './policy.ts'
import { endOfProviderDay, isTimeZone } from './provider-day.ts'

/** A provider that states a longer delay is not believed. */
const MAX_STATED_DELAY_MS = 7 * 24 * 3_600_000
/** What is left of a remembered length after a probe that was not refused: the refusal may have ended long before. */
const REMEMBERED_SHARE = 0.9

/** What the refusal states about its end. */
type RefusalTerms = { readonly statedDelayMs: number | null; readonly zone: string | null }

/** When a pause that starts now ends; null: with an operator's Recover. `random`: from 0 to 1. */
export function pauseEndOf(
  policy: BackoffPolicy,
  episode: BackoffEpisode,
  terms: RefusalTerms | null,
  { now, random }: { readonly now: number; readonly random: number },
): number | null {
  const row = policy.classes[episode.class]
  if (row.pauseLength === 'operator') return null
  const stated = policy.honorsStatedDelay ? (terms?.statedDelayMs ?? null) : null
  if (stated !== null && stated > 0) return now + Math.min(stated, MAX_STATED_DELAY_MS)
  if (row.pauseLength === 'midnight') {
    const zone = terms?.zone ?? null
    if (zone === null || !isTimeZone(zone)) return now + Math.round(policy.unknownMidnightMs * (1 + random))
    return endOfProviderDay(now, zone) + Math.round(random * policy.midnightJitterMs)
  }
  const [low, high] = policy.jitter
  const length = Math.min(row.capMs, meanLengthOf(policy, row, episode, now))
  return now + Math.round(length * (low + (high - low) * random))
}

/** The length before the cap and the jitter. */
function meanLengthOf({ jitter }: BackoffPolicy, row: BackoffClassRow, episode: BackoffEpisode, now: number): number {
  const { n, pauseStep = 0, refusedAt = now, refusedMs = 0 } = episode
  if (row.learnsPause === null) return row.baseMs * row.growth ** Math.min(400, n - 1)
  if (pauseStep > 0) return row.baseMs + (row.growth - 1) * (now - refusedAt)
  // Even the shortest jitter leaves the remembered length.
  return Math.max(row.baseMs, Math.min(row.learnsPause.longestMs, refusedMs) / jitter[0])
}

type Learnt = Pick<BackoffEpisode, 'pauseStep' | 'refusedAt' | 'probedAt' | 'refusedMs'>

/** What an episode keeps of the refusals so far when a pause begins. */
export function learnAtPause(policy: BackoffPolicy, episode: BackoffEpisode, now: number): Learnt {
  const { learnsPause } = policy.classes[episode.class]
  if (learnsPause === null) return {}
  const { pauseStep = 0, refusedAt = now, refusedMs = 0 } = episode
  if (episode.state === 'probing') return { pauseStep: pauseStep + 1, refusedAt, probedAt: now }
  const isForgotten =
    episode.state === 'active' && (episode.n === 0 || now - episode.since > (learnsPause.forgetMultiple ?? Infinity) * refusedMs)
  return { pauseStep: 0, refusedAt: now, probedAt: now, refusedMs: isForgotten ? 0 : refusedMs }
}

/** What an episode keeps of a refusal that has ended: a probe was not refused. */
export function learnAtRecovery(policy: BackoffPolicy, episode: BackoffEpisode, now: number): Learnt {
  if (policy.classes[episode.class].learnsPause === null) return {}
  const { pauseStep = 0, refusedAt = now, probedAt = refusedAt, refusedMs = 0 } = episode
  const isRemembered = pauseStep === 0 && refusedMs > 0
  return { refusedMs: isRemembered ? REMEMBERED_SHARE * Math.min(refusedMs, now - refusedAt) : (probedAt + now) / 2 - refusedAt }
}
