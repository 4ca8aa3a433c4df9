/**
 * affected-domains - the recipient domains that a transition of a backoff key affects
 *
 * A key that recovers often has nothing waiting any more. The domains of its earlier transitions are therefore kept until it is active again.
 *
 * No I/O. See also: queue/observe/affected-accounts, service/deliver/observe/trace-backoff.
 */
import type { BackoffKeyId } from '../../queue/backoff/backoff-key.ts'
import type { AffectedAccount, QueueNotification } from '../../queue/observe/affected-accounts.ts'

/** Recipient domains by key, for keys that are not active. One value for each delivery session; mutable. */
export type DomainsByKey = Map<BackoffKeyId, readonly string[]>

/** Domains kept for one key. A key of a provider can cover every domain of the queue. */
const MAX_DOMAINS_PER_KEY = 1_000

/** The domains with messages that wait, then those of earlier transitions of the key. Records them. */
export function findAffectedDomains(
  domainsByKey: DomainsByKey,
  event: QueueNotification,
  affected: readonly AffectedAccount[],
): readonly string[] {
  const waitingDomains = affected.flatMap(({ domains }) => domains)
  if (event.kind === 'queue.manual') return event.domain === null ? waitingDomains : [event.domain]
  const domains = [...new Set([...waitingDomains, ...(domainsByKey.get(event.key) ?? [])])].slice(0, MAX_DOMAINS_PER_KEY)
  if (event.to === 'active') domainsByKey.delete(event.key)
  else domainsByKey.set(event.key, domains)
  return domains
}
