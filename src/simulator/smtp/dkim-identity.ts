/**
 * dkim-identity - the DKIM key of the simulated providers, and a DNS lookup that publishes it
 *
 * All providers share one key, generated at the start. The lookup knows the providers' hosts and this key and nothing else: a daemon that
 * uses it sends no real DNS query, and all its mail goes to loopback.
 *
 * RFC 6376. See also: net/dns (the type), mail-auth/verify-signatures (the verifier).
 */
import type { DnsLookup } from '../../net/dns.ts'
import { dkimRecord, generateDkimKeyPair, importDkimKey, signMail } from '../../mail-auth/dkim-sign.ts'

const SELECTOR = 'lab'

export type DkimIdentity = {
  /** The mail with a DKIM signature of the domain prepended. */
  readonly sign: (domain: string, raw: Buffer, at: number) => Promise<Buffer>
  readonly lookUp: DnsLookup
}

/** Generates the key. `mxOf`: the MX host of a domain; null: none. */
export async function createDkimIdentity(mxOf: (domain: string) => string | null): Promise<DkimIdentity> {
  const algorithm = 'rsa'
  const { publicKey, privateKey } = await generateDkimKeyPair(algorithm)
  const key = importDkimKey(privateKey)
  const { text } = dkimRecord({ domain: 'any', selector: SELECTOR, algorithm, publicKey })
  return {
    sign: (domain, raw, at) => signMail(raw, [{ domain, selector: SELECTOR, algorithm, key }], at),
    lookUp: async (name, type) => {
      if (type === 'TXT' && name.startsWith(`${SELECTOR}._domainkey.`)) return [[text]]
      const mx = type === 'MX' ? mxOf(name.toLowerCase()) : null
      if (mx !== null) return [[mx, '10']]
      throw Object.assign(new Error('ENODATA'), { code: 'ENODATA' })
    },
  }
}
