/**
 * fact-view - a fact and its evidence as our own API returns them
 *
 * The decision of a fact (status, sub status, reason …) is at the top level, its evidence is in `evidence`, and its other data in `detail`.
 * Internal ids of deliveries are left out: where a delivery has to be named, a view has its emailId.
 *
 * See also: ledger/facts/fact.
 */
import { z } from 'zod'
import { DELIVERY_STATUS_NAMES, type DeliveryStatus, type StatusEffect, type VerdictSummary } from '../../ledger/facts/decision.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import { formatTimestamps } from './timestamps.ts'

const evidenceSchema = z.object({
  rule: z.string(),
  table: z.string().describe('The version of the rule table'),
  provider: z.string().nullable(),
  matched: z.array(z.string()).describe('The phrases or the code that the rule matched'),
  text: z.string().describe('The text that the rule matched against'),
  code: z.int().nullable(),
  status: z.string().nullable(),
  permanenceFrom: z.string(),
})

/** A status in our words. */
export const statusName = z.enum(Object.values(DELIVERY_STATUS_NAMES)).describe('The status in words')

const STATUS_NUMBERS = [18, 1, 4, 5] as const satisfies readonly DeliveryStatus[]

/** A status in a query: its number or its name. */
export const statusFilter = z
  .enum([...STATUS_NUMBERS.map(String), ...Object.values(DELIVERY_STATUS_NAMES)])
  .transform((text) => STATUS_NUMBERS.find((status) => String(status) === text || DELIVERY_STATUS_NAMES[status] === text))
  .describe('A number or a name: 18 sending, 1 delivered, 4 invalid, 5 soft-bounce')

export const eventSchema = z.object({
  id: z.string(),
  kind: z.string(),
  at: z.string().describe('When the event happened'),
  receivedAt: z.string().describe('When this daemon received it'),
  status: z.int().nullable(),
  statusName: statusName.nullable(),
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean().nullable(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  fault: z.string().nullable(),
  weak: z.boolean().describe('True if only the Status field of the report supports the verdict; the event adds no list entry'),
  forwarded: z
    .boolean()
    .describe('True if the report names another domain, because the message was forwarded; the event adds no list entry'),
  evidence: evidenceSchema.nullable(),
  detail: z.record(z.string(), z.unknown()),
})

type EventView = z.output<typeof eventSchema>

/** Formats a time in ISO 8601; null stays null. */
export function toIsoTimestamp(at: number): string
export function toIsoTimestamp(at: number | null): string | null
export function toIsoTimestamp(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}

/** Formats one fact. Total. */
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
    statusName: effect === null ? null : DELIVERY_STATUS_NAMES[effect.status],
    subStatus: effect?.subStatus ?? null,
    asynchronousBounce: effect?.asynchronous ?? null,
    reason: effect?.reason ?? verdict?.reason ?? null,
    permanence: effect?.permanence ?? verdict?.permanence ?? null,
    fault: effect?.fault ?? null,
    weak: effect?.weak ?? false,
    forwarded: effect?.forwarded ?? false,
    evidence: verdict === null ? null : toEvidenceView(verdict),
    detail: Object.fromEntries(Object.entries(withoutInternalIds(detail)).map(([name, value]) => [name, formatTimestamps(name, value)])),
  }
}

/** Fields of facts that hold a deliveryId: list entries and audits, and the delivery that a mail in the inbox may be about. */
const INTERNAL_ID_FIELDS: ReadonlySet<string> = new Set(['deliveryId', 'guess'])

function withoutInternalIds(fields: object): Readonly<Record<string, unknown>> {
  const kept = Object.entries(fields).filter(([name]) => !INTERNAL_ID_FIELDS.has(name))
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name,
      name === 'detail' && value !== null && typeof value === 'object' ? withoutInternalIds(value) : value,
    ]),
  )
}

function toEvidenceView(verdict: VerdictSummary): z.output<typeof evidenceSchema> {
  const { rule, table, provider, matched, text, code, replyStatus, permanenceFrom } = verdict
  return { rule, table, provider, matched: [...matched], text, code, status: replyStatus, permanenceFrom }
}
