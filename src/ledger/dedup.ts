/**
 * dedup - when two facts are one, as a table by kind
 *
 * What legitimately recurs has a key of its own each time; the same fact in two wrappings has the same key. With the subject and the
 * delivery's month the key is unique in the store, so that writing a fact twice changes nothing.
 *
 * Pure. See also: ledger/fact, ledger/world (seenKey).
 */
import { createHash } from 'node:crypto'
import { hashAddress } from '../correlate/address.ts'
import type { FactData, FactKind } from './fact.ts'

/** The key within the subject. `id` is the fact's own: for what is new each time. */
type KeyOf<K extends FactKind> = (data: FactData[K], id: string) => string

export const DEDUP: { readonly [K in FactKind]: KeyOf<K> } = {
  request: () => 'request',
  stub: () => 'stub',
  attempt: (data) => `attempt:${data.n ?? digestOf([data.code, data.text, data.error, data.mx, data.egressIp, data.final])}`,
  failed: (data) =>
    `failed:${who(data.reported)}:${data.effect === null ? 'none' : `${data.effect.subStatus}:${data.effect.permanence}:${data.effect.asynchronous}`}`,
  delayed: (data) => `delayed:${who(data.reported)}:${data.lastAttemptAt ?? ''}:${data.willRetryUntil ?? ''}`,
  delivered: (data) => `delivered:${who(data.reported)}:${data.action}`,
  complaint: (data) => `complaint:${data.feedbackType}:${data.reporter}:${data.episode}`,
  'not-spam': (data) => `not-spam:${data.reporter}:${data.episode}`,
  unsubscribe: (data) => `unsubscribe:${data.scope}:${data.change}`,
  open: (data) => `open:${data.requestId}`,
  click: (data) => `click:${data.requestId}`,
  filed: (data) => `filed:${data.digest}`,
  list: (data) => `list:${data.change}`,
  inbox: (data) => `inbox:${data.state}`,
  'gave-up': () => 'gave-up',
  alarm: (data) =>
    `alarm:${data.alarm}:${digestOf(
      Object.entries(data.detail)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flat(),
    )}`,
  brake: (data) => `brake:${data.change}`,
  reclassified: (data) => `reclassified:${data.supersedes}:${data.table}`,
  audit: (_, id) => `audit:${id}`,
  erased: (_, id) => `erased:${id}`,
}

/** '' where the report names nobody. */
function who(address: string | null): string {
  return address === null ? '' : (hashAddress(address) ?? digestOf([address])).slice(0, 16)
}

function digestOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}
