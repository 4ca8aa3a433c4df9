/**
 * operator-facts - payloads of the facts for the operator: alarms, mass-bounce holds, reclassification, audits, erasure
 *
 * Payloads of ledger/facts/fact-kinds. Pure.
 */
import type { FieldClasses } from './fact-fields.ts'
import type { StatusEffect, VerdictSummary } from './decision.ts'

export type AlarmData = {
  /** `test`: sent by a person to see how an endpoint answers; it is never stored. */
  readonly alarm: 'complaint-type' | 'brake' | 'flood' | 'webhook' | 'queue' | 'engaged-bounce' | 'test'
  readonly text: string
  readonly detail: Readonly<Record<string, string | number | null>>
}

export const ALARM_FIELDS = { text: 'text', detail: 'text' } as const satisfies FieldClasses<AlarmData>

/** The mass-bounce guard holds or releases the list writes of a site. */
export type MassBounceData = {
  readonly site: string
  readonly change: number
  readonly held: boolean
  readonly why: 'share' | 'engaged' | 'operator'
  readonly hits: number
  readonly engaged: number
  readonly actor: string | null
}

export const MASS_BOUNCE_FIELDS = { site: 'text', actor: 'text' } as const satisfies FieldClasses<MassBounceData>

/** A verdict that replaces an earlier one (ledger/decide/reclassification). The fact happened when the replaced fact happened. */
export type ReclassifiedData = {
  /** The fact that this one replaces: the last one in the chain of replacements. */
  readonly supersedes: string
  /** The reclassification that appended the fact. */
  readonly job: string
  /** The version of the rule table that decided. */
  readonly table: string
  readonly verdict: VerdictSummary | null
  readonly effect: StatusEffect | null
  readonly text: string
  readonly site: string | null
  /** As in the replaced fact. */
  readonly remoteSite: string | null
  readonly reportedDomain: string | null
  readonly actor: string | null
  readonly settingsVersion: number
}

export const RECLASSIFIED_FIELDS = {
  supersedes: 'text',
  job: 'text',
  table: 'text',
  verdict: 'text',
  text: 'text',
  site: 'text',
  remoteSite: 'text',
  reportedDomain: 'text',
  actor: 'text',
} as const satisfies FieldClasses<ReclassifiedData>

export type AuditData = {
  readonly actor: string
  readonly what: string
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

export const AUDIT_FIELDS = { actor: 'text', what: 'text', detail: 'text' } as const satisfies FieldClasses<AuditData>

export type ErasedData = { readonly actor: string; readonly deliveries: number; readonly entries: number }

export const ERASED_FIELDS = { actor: 'text' } as const satisfies FieldClasses<ErasedData>
