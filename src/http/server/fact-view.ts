/**
 * fact-view - a fact and its evidence, as our API shows them
 *
 * What a fact decided (status, sub status, reason …) stands at its top, what it rests on in `evidence`, what else it tells in `detail`.
 *
 * See also: ledger/facts/fact (the shapes).
 */
import { z } from 'zod'
import type { StatusEffect, VerdictSummary } from '../../ledger/facts/decision.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { formatTimestamps } from './timestamps.ts'

const evidenceSchema = z.object({
  rule: z.string(),
  table: z.string().describe('Version of the rule table'),
  provider: z.string().nullable(),
  matched: z.array(z.string()).describe('The words, or the code, that the rule held on'),
  text: z.string().describe('What the rule read'),
  code: z.int().nullable(),
  status: z.string().nullable(),
  permanenceFrom: z.string(),
})

export const eventSchema = z.object({
  id: z.string(),
  kind: z.string(),
  at: z.string().describe('When it happened'),
  receivedAt: z.string().describe('When we learnt it'),
  status: z.int().nullable(),
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean().nullable(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  fault: z.string().nullable(),
  weak: z.boolean().describe('Rests on the reporter’s own Status alone: feeds no list'),
  forwarded: z.boolean().describe('The report names another domain: the mail was forwarded, and feeds no list'),
  evidence: evidenceSchema.nullable(),
  detail: z.record(z.string(), z.unknown()),
})

export type EventView = z.output<typeof eventSchema>

/** A moment as our API writes it; null stays null. */
export function toIsoTimestamp(at: number): string
export function toIsoTimestamp(at: number | null): string | null
export function toIsoTimestamp(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}

/** One fact. Total. */
export function toEventView(fact: Fact): EventView {
  const { data } = fact
  const effect: StatusEffect | null = 'effect' in data ? data.effect : null
  const verdict: VerdictSummary | null = 'verdict' in data ? data.verdict : null
  const { effect: _effect, verdict: _verdict, ...detail } = { effect, verdict, ...data }
  return {
    id: fact.id,
    kind: fact.kind,
    at: toIsoTimestamp(fact.at),
    receivedAt: toIsoTimestamp(fact.receivedAt),
    status: effect?.status ?? null,
    subStatus: effect?.subStatus ?? null,
    asynchronousBounce: effect?.asynchronous ?? null,
    reason: effect?.reason ?? verdict?.reason ?? null,
    permanence: effect?.permanence ?? verdict?.permanence ?? null,
    fault: effect?.fault ?? null,
    weak: effect?.weak ?? false,
    forwarded: effect?.forwarded ?? false,
    evidence: verdict === null ? null : toEvidenceView(verdict),
    detail: Object.fromEntries(Object.entries(detail).map(([name, value]) => [name, formatTimestamps(name, value)])),
  }
}

function toEvidenceView(verdict: VerdictSummary): z.output<typeof evidenceSchema> {
  const { rule, table, provider, matched, text, code, replyStatus, permanenceFrom } = verdict
  return { rule, table, provider, matched: [...matched], text, code, status: replyStatus, permanenceFrom }
}
