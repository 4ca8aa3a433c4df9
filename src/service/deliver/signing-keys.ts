/**
 * signing-keys - finds the DKIM keys that sign a message, decrypted and cached
 *
 * Uses the newest active key of each algorithm: of the domain in From, or else of its organisational domain (relaxed alignment, RFC 7489 §3.1.1). A change by
 * another process takes effect within ten seconds.
 *
 * See also: mail-auth/dkim-sign, store/account/dkim-keys.
 */
import { LRUCache } from 'lru-cache'
import { getDomain } from 'tldts'
import { importDkimKey, type DkimSigner } from '../../mail-auth/dkim-sign.ts'
import type { Vault } from '../../config/vault.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { listDkimKeys, type DkimKey } from '../../store/account/dkim-keys.ts'

export type FindSigningKeys = (account: number, domain: string) => Promise<readonly DkimSigner[]>

/** The purpose under which the vault encrypts the keys. */
export const DKIM_PURPOSE = 'dkim'

/** A sender has few domains; decrypted keys take a few kilobytes. */
const MAX_CACHED_DOMAINS = 2_000
const CACHE_MS = 10_000

/** Creates the look-up. Faults of a call: store_busy. */
export function createSigningKeyCache(engine: Engine, vault: Vault): FindSigningKeys {
  const cache = new LRUCache<string, Promise<readonly DkimSigner[]>>({ max: MAX_CACHED_DOMAINS, ttl: CACHE_MS })
  const load = (account: number, domain: string): Promise<readonly DkimSigner[]> => {
    const name = `${account} ${domain}`
    const cached = cache.get(name)
    if (cached !== undefined) return cached
    const loading = listDkimKeys(engine.read, account, domain).then((keys) => unsealActiveKeys(vault, keys))
    cache.set(name, loading)
    loading.catch(() => cache.delete(name))
    return loading
  }
  return async (account, domain) => {
    const own = await load(account, domain)
    const registered = getDomain(domain)
    return own.length > 0 || registered === null || registered === domain ? own : load(account, registered)
  }
}

/** The store lists the newest key of a domain first. */
function unsealActiveKeys(vault: Vault, keys: readonly DkimKey[]): readonly DkimSigner[] {
  const active = keys.filter(({ state }) => state === 'active')
  const newest = (['rsa', 'ed25519'] as const).flatMap((algorithm) => active.find((key) => key.algorithm === algorithm) ?? [])
  return newest.flatMap(({ domain, selector, algorithm, sealed }) =>
    sealed === null ? [] : [{ domain, selector, algorithm, key: importDkimKey(vault.decrypt(sealed, DKIM_PURPOSE)) }],
  )
}
