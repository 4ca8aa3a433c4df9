/**
 * earlier-version - reads payloads that an earlier release stored, in the form of the current version
 *
 * The stored fact stays as it is. What an earlier release did not know takes the value that changes no row: an open or a click of version 1
 * counts as it did then, and nobody gave the reason of a change of a list. What is missing of a client is read from its user agent.
 *
 * Pure. See also: ledger/facts/fact-kinds (versions), store/facts/facts (decodes).
 */
import { readClient } from '../../tracking/client-reading.ts'
import type { EngagementData } from './delivery-facts.ts'
import type { Fact } from './fact.ts'
import { FACT_KINDS } from './fact-kinds.ts'
import type { ListData } from './list-facts.ts'

/** Returns the fact in the current version of its kind. Idempotent, also for data that was stored again by an erasure. */
export function toCurrentVersion(fact: Fact): Fact {
  if (fact.v >= FACT_KINDS[fact.kind].version) return fact
  if (fact.kind === 'unsubscribe')
    return { ...fact, v: FACT_KINDS.unsubscribe.version, data: { ...readClient(fact.data.userAgent), ...fact.data } }
  if (fact.kind === 'list') return { ...fact, v: FACT_KINDS.list.version, data: toCurrentListChange(fact.data) }
  if (fact.kind !== 'open' && fact.kind !== 'click') return fact
  return { ...fact, v: FACT_KINDS[fact.kind].version, data: toCurrentEngagement(fact.data) }
}

/** Version 1 has no note. */
const toCurrentListChange = (data: Omit<ListData, 'note'> & Partial<Pick<ListData, 'note'>>): ListData => ({ note: null, ...data })

/** Version 1 has `requestId`, `url`, `ip` and `userAgent`. */
function toCurrentEngagement(
  data: Partial<EngagementData> & Pick<EngagementData, 'requestId' | 'url' | 'ip' | 'userAgent'>,
): EngagementData {
  return {
    country: null,
    region: null,
    city: null,
    ...readClient(data.userAgent),
    machine: null,
    counted: true,
    first: false,
    settingsVersion: 1,
    ...data,
  }
}
