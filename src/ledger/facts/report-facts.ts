/**
 * report-facts - what reports say besides failures: delays, deliveries, complaints and their opposite, mail that is only filed
 *
 * Shapes of ledger/facts/fact. Pure.
 */
import type { StatusEffect, MatchProvenance, VerdictSummary } from './fact.ts'

export type DelayedData = {
  readonly reported: string | null
  readonly text: string
  readonly remoteMta: string | null
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
  readonly verdict: VerdictSummary | null
  readonly tie: MatchProvenance
  readonly digest: string
}

export type DeliveredData = {
  readonly action: 'delivered' | 'relayed' | 'expanded'
  readonly reported: string | null
  readonly effect: StatusEffect
  readonly tie: MatchProvenance
  readonly digest: string
}

export type ComplaintData = {
  readonly feedbackType: string
  readonly reporter: string
  /** Rises when a not-spam closes the complaint, so that a later complaint counts again. */
  readonly episode: number
  /** False: recorded, with an alarm, and no list takes it. */
  readonly listed: boolean
  readonly userAgent: string | null
  readonly sourceIp: string | null
  readonly arrivalAt: number | null
  readonly tie: MatchProvenance
  readonly digest: string
  readonly settingsVersion: number
}

export type NotSpamData = {
  readonly reporter: string
  readonly episode: number
  readonly lifts: boolean
  readonly tie: MatchProvenance
  readonly digest: string
}

export type FiledData = {
  readonly what: 'auth-failure' | 'mdn' | 'auto-reply' | 'other'
  readonly from: string | null
  readonly subject: string | null
  readonly text: string
  readonly tie: MatchProvenance | null
  readonly digest: string
}
