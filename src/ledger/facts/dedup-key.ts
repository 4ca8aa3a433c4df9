/**
 * dedup-key - when two facts are one, as a table by kind
 *
 * What legitimately recurs has a key of its own each time; the same fact in two wrappings has the same key. With the subject and the
 * delivery's month the key is unique in the store, so that writing a fact twice changes nothing.
 *
 * Pure. See also: ledger/facts/fact, ledger/project/state (seenKey).
 */
import { hash } from 'node:crypto'
import { hashAddress } from '../../correlate/address-hash.ts'
import type { FactData, FactKind } from './fact.ts'

/** `id` is the fact's own, for what is new each time; `at` its moment; `addressHash` that of the delivery. */
export type DedupContext = { readonly id: string; readonly at: number; readonly addressHash: string | null }

/** The key within the subject. */
type DedupKeyBuilder<K extends FactKind> = (data: FactData[K], context: DedupContext) => string

export const DEDUP_KEYS: { readonly [K in FactKind]: DedupKeyBuilder<K> } = {
  request: () => 'request',
  stub: () => 'stub',
  attempt: (data) => `attempt:${data.n ?? digestOf([data.code, data.text, data.error, data.mx, data.egressIp, data.final])}`,
  failed: (data, context) =>
    `failed:${recipientKeyOf(data.reported, context)}:${data.effect === null ? 'none' : `${data.effect.subStatus}:${data.effect.permanence}:${data.effect.asynchronous}`}`,
  delayed: (data, context) => `delayed:${recipientKeyOf(data.reported, context)}:${data.lastAttemptAt ?? ''}:${data.willRetryUntil ?? ''}`,
  delivered: (data, context) => `delivered:${recipientKeyOf(data.reported, context)}:${data.action}`,
  complaint: (data) => `complaint:${data.feedbackType}:${data.reporter}:${data.episode}`,
  'not-spam': (data) => `not-spam:${data.reporter}:${data.episode}`,
  unsubscribe: (data) => `unsubscribe:${data.scope}:${data.change}`,
  open: (data) => `open:${data.requestId}`,
  click: (data) => `click:${data.requestId}`,
  filed: (data) => `filed:${data.digest}`,
  list: (data) => `list:${data.change}`,
  inbox: (data) => `inbox:${data.state}`,
  'gave-up': () => 'gave-up',
  route: () => 'route',
  alarm: (data) =>
    `alarm:${data.alarm}:${digestOf(
      Object.entries(data.detail)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flat(),
    )}`,
  alert: (data) => `alert:${data.change}`,
  brake: (data) => `brake:${data.change}`,
  // The subject is the key. A later episode begins again at n = 1: its moment tells it from the first.
  queue: (data, { at }) => `queue:${data.class ?? ''}:${data.n}:${data.move}:${at}`,
  reclassified: (data) => `reclassified:${data.supersedes}:${data.table}`,
  audit: (_, { id }) => `audit:${id}`,
  erased: (_, { id }) => `erased:${id}`,
}

/** '' where the report names nobody, or whom we sent to: one dress of a report may name what another leaves out. */
function recipientKeyOf(address: string | null, { addressHash }: DedupContext): string {
  const reportedHash = address === null ? null : (hashAddress(address) ?? digestOf([address]))
  return reportedHash === null || reportedHash === addressHash ? '' : reportedHash.slice(0, 16)
}

function digestOf(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16)
}
