/**
 * sns-certificates - loads the certificates that SNS signs with, and confirms subscriptions
 *
 * Only URLs of SNS hosts are requested, over HTTPS with a verified certificate, by the client that webhooks use, which refuses private addresses and
 * redirects. A certificate is kept for a day, for it is at a URL of its own; a URL that failed is not tried again for a minute.
 *
 * See also: esp-events/sns-message, net/http-post.
 */
import type { X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Fault } from '../../errors.ts'
import { isSnsCertificateUrl, isSnsUrl, parseSnsCertificate } from '../../esp-events/sns-message.ts'
import type { HttpClient } from '../../net/http-post.ts'

export type SnsClient = {
  /** The certificate at a URL. Faults: unauthenticated (not a URL or a certificate of SNS), overloaded (it cannot be loaded now). */
  readonly loadCertificate: (url: string) => Promise<X509Certificate>
  /** Confirms a subscription. Faults: unauthenticated (not a URL of SNS), overloaded. */
  readonly confirm: (url: string) => Promise<void>
}

/** There is one certificate for each region at a time; names that a stranger makes up push out each other. */
const MAX_CERTIFICATES = 64
const KEPT_MS = 86_400_000
const FAILED_MS = 60_000

type CachedCertificate = { readonly pem: string | null }

/** Creates the client. */
export function createSnsClient(http: HttpClient, now: () => number): SnsClient {
  const cache = new LRUCache<string, Promise<CachedCertificate>>({ max: MAX_CERTIFICATES, ttl: KEPT_MS, ttlResolution: 0, perf: { now } })
  const load = async (url: string): Promise<CachedCertificate> => {
    const { status, text } = await http.send({ url, method: 'GET', headers: {}, body: null })
    return { pem: status === 200 ? text : null }
  }
  const remembered = async (url: string): Promise<CachedCertificate> => {
    const found = cache.get(url)
    if (found !== undefined) return found
    const loading = load(url)
    // Set once: setting it again at each use would begin its time anew, and a failure would last as long as there are messages.
    cache.set(url, loading)
    const loaded = await loading
    if (loaded.pem === null) cache.set(url, loading, { ttl: FAILED_MS })
    return loaded
  }
  return {
    loadCertificate: async (url) => {
      if (!isSnsCertificateUrl(url)) throw new Fault('unauthenticated', 'SigningCertURL: this is not a certificate of Amazon SNS')
      const { pem } = await remembered(url)
      if (pem === null) throw new Fault('overloaded', 'the certificate of SNS cannot be loaded; send the message again later')
      const certificate = parseSnsCertificate(pem, now())
      if (certificate === null) throw new Fault('unauthenticated', 'SigningCertURL: this is not a valid certificate of Amazon SNS')
      return certificate
    },
    confirm: async (url) => {
      if (!isSnsUrl(url)) throw new Fault('unauthenticated', 'SubscribeURL: this is not a URL of Amazon SNS')
      const { status } = await http.send({ url, method: 'GET', headers: {}, body: null })
      if (status !== 200) throw new Fault('overloaded', 'the subscription cannot be confirmed now; send the message again later')
    },
  }
}
