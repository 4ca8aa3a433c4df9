/**
 * endpoint-health - how a webhook endpoint answers, and what waits for it
 *
 * Measured over the attempts that the records of the newest events hold, at most a day back. See also: store/webhook/attempts, http/api/webhook-health.
 */
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { listWebhookRecords } from '../../store/webhook/attempts.ts'
import { countOutbox, listOutbox, type EndpointRef } from '../../store/webhook/outbox.ts'

export type EndpointHealth = {
  /** Attempts since then are counted, at most those of the newest 500 events. Epoch ms, like all times. */
  readonly since: number
  readonly accepted: number
  readonly refused: number
  /** Of the attempts that were answered. Null: none was. */
  readonly medianMs: number | null
  readonly p95Ms: number | null
  readonly lastAcceptedAt: number | null
  readonly lastRefusedAt: number | null
  /** At most 10,001 are counted. */
  readonly waiting: number
  readonly failed: number
  readonly oldestWaitingAt: number | null
}

const DAY_MS = 86_400_000
const MAX_RECORDS = 500

/** Reads the health of an endpoint. Faults: store_busy. */
export async function readEndpointHealth(reader: DatabaseReader, ref: EndpointRef, now: number): Promise<EndpointHealth> {
  const since = now - DAY_MS
  const [records, counts, [oldest]] = await Promise.all([
    listWebhookRecords(reader, ref, {}, { limit: MAX_RECORDS, after: null }),
    countOutbox(reader, ref),
    listOutbox(reader, ref.account, ref.endpointId, 1),
  ])
  const attempts = records.flatMap(({ log }) => log).filter(({ at }) => at >= since)
  const isAccepted = ({ status }: { readonly status: number }): boolean => status >= 200 && status < 300
  const [accepted, refused] = [attempts.filter(isAccepted), attempts.filter((attempt) => !isAccepted(attempt))]
  const durations = attempts.filter(({ status }) => status !== 0).map(({ millis }) => millis)
  return {
    since,
    accepted: accepted.length,
    refused: refused.length,
    medianMs: percentile(durations, 0.5),
    p95Ms: percentile(durations, 0.95),
    lastAcceptedAt: latest(accepted),
    lastRefusedAt: latest(refused),
    ...counts,
    oldestWaitingAt: oldest?.createdAt ?? null,
  }
}

const latest = (attempts: readonly { readonly at: number }[]): number | null =>
  attempts.length === 0 ? null : Math.max(...attempts.map(({ at }) => at))

/** The smallest value that at least this share of the values does not exceed. */
function percentile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}
