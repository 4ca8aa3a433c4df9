/**
 * mta-sts - the MTA-STS policies of recipient domains
 *
 * mailauth finds, reads and checks a policy by the rules of the RFC; this file keeps policies for as long as they are valid, asks each domain once at a time, and keeps a stranger's
 * policy host out of the internal network. A failed look-up without a known policy means that there is none. Never rejects.
 *
 * RFC 8461. See also: daemon/delivery/site-tls, net/ssrf-guard.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from './cache-bound.ts'
import type { MTASTSPolicy } from 'mailauth'
import type { DnsLookup } from './dns.ts'
import { isPublicAddress } from './ssrf-guard.ts'

/** `verified`: TLS with a valid certificate; `forbidden`: the policy does not name the host; `none`: no policy is in force. */
type MtaStsVerdict = 'verified' | 'forbidden' | 'none'

export type MtaStsPolicies = { readonly check: (domain: string, host: string) => Promise<MtaStsVerdict> }

type PolicyEntry = { readonly policy: MTASTSPolicy; readonly checkedAt: number }

/** What mailauth's `getPolicy` does, replaced in tests. */
type FetchPolicy = (domain: string, known: MTASTSPolicy | null) => Promise<MTASTSPolicy>

/** A new policy is announced by its TXT record, which is looked up again after this time. Milliseconds. */
const RECHECK_MS = 300_000
const MAX_DOMAINS = 10_000

/** The policy request is on the way of a delivery: a host that does not answer soon has none. Milliseconds. */
const FETCH_TIMEOUT_MS = 10_000

/** Creates the cache. */
export function createMtaStsPolicies(
  lookUp: DnsLookup,
  {
    fetchPolicy = createFetch(lookUp),
    now = () => performance.now(),
  }: { readonly fetchPolicy?: FetchPolicy; readonly now?: () => number } = {},
): MtaStsPolicies {
  const entries = new LRUCache<string, Promise<PolicyEntry>>(upToEntries(MAX_DOMAINS))
  const refresh = async (domain: string, before: MTASTSPolicy | null): Promise<PolicyEntry> => {
    const policy = await fetchPolicy(domain, before).catch((): MTASTSPolicy => before ?? { id: false, mode: 'none' })
    return { policy, checkedAt: now() }
  }
  const policyOf = async (domain: string): Promise<MTASTSPolicy> => {
    const known = entries.get(domain)
    const before = known === undefined ? null : await known
    if (before !== null && now() - before.checkedAt < RECHECK_MS) return before.policy
    // Somebody else may have asked meanwhile.
    const asked = entries.get(domain)
    const entry = asked !== undefined && asked !== known ? asked : refresh(domain, before?.policy ?? null)
    entries.set(domain, entry)
    return (await entry).policy
  }
  return {
    check: async (domain, host) => {
      const policy = await policyOf(domain)
      if (policy.mode !== 'enforce') return 'none'
      const { validateMx } = await import('mailauth/lib/mta-sts.js')
      return validateMx(host, policy).valid ? 'verified' : 'forbidden'
    },
  }
}

/** The policy by mailauth, which is loaded with the first domain that is asked. Hosts without a public address have no policy. */
function createFetch(lookUp: DnsLookup): FetchPolicy {
  const resolver = async (name: string, type: string): Promise<string[] | string[][]> => {
    const records = await lookUp(name, type)
    if (type === 'A' || type === 'AAAA') return records.flat().filter(isPublicAddress)
    return records.map((each) => (typeof each === 'string' ? [each] : [...each]))
  }
  return async (domain, known) => {
    const { getPolicy } = await import('mailauth/lib/mta-sts.js')
    const found = await getPolicy(domain, known ?? undefined, { resolver, timeout: FETCH_TIMEOUT_MS })
    return found.policy
  }
}
