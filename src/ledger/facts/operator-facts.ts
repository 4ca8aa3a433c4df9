/**
 * operator-facts - what concerns the operator: alarms, the brake, second thoughts about old replies, audits, erasure
 *
 * Shapes of ledger/facts/fact. Pure.
 */
import type { StatusEffect, VerdictSummary } from './fact.ts'

export type AlarmData = {
  readonly alarm: 'complaint-type' | 'brake' | 'flood' | 'webhook' | 'queue'
  readonly text: string
  readonly detail: Readonly<Record<string, string | number | null>>
}

export type MassBounceData = {
  readonly site: string
  readonly change: number
  readonly held: boolean
  readonly why: 'share' | 'engaged' | 'operator'
  readonly hits: number
  readonly engaged: number
  readonly actor: string | null
}

export type ReclassifiedData = {
  /** The fact whose place this one takes: the last of its line. */
  readonly supersedes: string
  readonly table: string
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly text: string
  readonly site: string | null
  readonly actor: string | null
  readonly settingsVersion: number
}

export type AuditData = {
  readonly actor: string
  readonly what: string
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

export type ErasedData = { readonly actor: string; readonly deliveries: number; readonly entries: number }
