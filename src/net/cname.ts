/**
 * cname - the names that a name is an alias of
 *
 * RFC 1034 §3.6.2. See also: tracking/domain-state, net/dns.
 */
import type { CnameChain } from '../tracking/domain-state.ts'
import type { DnsLookup } from './dns.ts'

/** Chains are short; a loop ends here. */
const MAX_CHAIN = 8

/** Follows the aliases of a name, in lower case and without a trailing dot. Rejects never. */
export async function lookUpCname(lookUp: DnsLookup, name: string): Promise<CnameChain> {
  const names: string[] = []
  for (let next: string | undefined = name; next !== undefined && names.length < MAX_CHAIN; next = names.at(-1)) {
    const found = await lookUpOne(lookUp, next)
    if (typeof found === 'object' && found !== null) return names.length > 0 ? { kind: 'found', names } : found
    if (found === null || names.includes(found)) break
    names.push(found)
  }
  return names.length === 0 ? { kind: 'none' } : { kind: 'found', names }
}

async function lookUpOne(lookUp: DnsLookup, name: string): Promise<string | null | (CnameChain & { readonly kind: 'failed' })> {
  try {
    const first = (await lookUp(name, 'CNAME')).flat()[0]
    return first === undefined ? null : first.toLowerCase().replace(/\.$/, '')
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
    return code === 'ENOTFOUND' || code === 'ENODATA' ? null : { kind: 'failed', text: String(code) }
  }
}
