/**
 * dkim-identity - the key with which the laboratory's providers sign, and the DNS that shows it
 *
 * One key for all, made at the start. The look-up knows the providers' hosts and this key, and nothing else: a daemon that uses it asks no
 * real DNS, and whatever it sends goes to loopback.
 *
 * RFC 6376. See also: net/dns (the shape), mail-auth/verify-signatures (who checks).
 */
import type { DnsLookup } from '../../net/dns.ts'
import { dkimRecord, generateDkimKeyPair, importDkimKey, signMail } from '../../mail-auth/dkim-sign.ts'

const SELECTOR = 'lab'

export type DkimIdentity = {
  /** The mail with a signature of the domain in front. */
  readonly sign: (domain: string, raw: Buffer, at: number) => Buffer
  readonly lookUp: DnsLookup
}

/** `mxOf` gives the MX host of a domain. */
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
