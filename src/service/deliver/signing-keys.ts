/**
 * signing-keys - who signs a mail: the active keys of its sender's domain, opened and at hand
 *
 * The domain of From itself, else the domain that it is registered under (relaxed alignment, RFC 7489 §3.1.1): the newest key of each kind. What
 * another process changes holds within ten seconds.
 *
 * See also: mail-auth/dkim-sign, store/account/dkim-keys.
 */
import { LRUCache } from 'lru-cache'
import { getDomain } from 'tldts'
import { openDkimKey, type Signer } from '../../mail-auth/dkim-sign.ts'
import type { Vault } from '../../config/vault.ts'
import type { Engine } from '../../store/engine/engine.ts'
import { listDkimKeys, type DkimKey } from '../../store/account/dkim-keys.ts'

export type Signers = (account: number, domain: string) => Promise<readonly Signer[]>

/** What a key is sealed for. */
export const DKIM_PURPOSE = 'dkim'

/** A sender has few domains; opened keys are a few kilobytes. */
const MOST = 2_000
const FRESH_MS = 10_000

/** Makes the look-up. */
export function createSigners(engine: Engine, vault: Vault): Signers {
  const known = new LRUCache<string, Promise<readonly Signer[]>>({ max: MOST, ttl: FRESH_MS })
  const of = (account: number, domain: string): Promise<readonly Signer[]> => {
    const name = `${account} ${domain}`
    const held = known.get(name)
    if (held !== undefined) return held
    const read = listDkimKeys(engine.read, account, domain).then((keys) => open(vault, keys))
    known.set(name, read)
    read.catch(() => known.delete(name))
    return read
  }
  return async (account, domain) => {
    const own = await of(account, domain)
    const registered = getDomain(domain)
    return own.length > 0 || registered === null || registered === domain ? own : of(account, registered)
  }
}

/** The newest stands first in its domain. */
function open(vault: Vault, keys: readonly DkimKey[]): readonly Signer[] {
  const active = keys.filter(({ state }) => state === 'active')
  const newest = (['rsa', 'ed25519'] as const).flatMap((algorithm) => active.find((key) => key.algorithm === algorithm) ?? [])
  return newest.flatMap(({ domain, selector, algorithm, sealed }) =>
    sealed === null ? [] : [{ domain, selector, algorithm, key: openDkimKey(vault.open(sealed, DKIM_PURPOSE)) }],
  )
}
