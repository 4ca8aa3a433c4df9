/**
 * reporter - an operator of a feedback loop, as its reports show it: From address and DKIM domain
 *
 * A domain that signs for everybody who has a mailbox there proves nothing about a loop. A reporter is therefore the pair of the From
 * address and the d= that the reports of its loop have, or a d= that signs for the loop only. A d= is compared whole: a subdomain of it is
 * another domain.
 *
 * Pure. RFC 6376 §3.5. See also: config/reporters.toml (the data), correlate/match (what a reporter proves).
 */

export type Reporter = {
  readonly name: string
  /** From addresses in lower case. `*.` before a domain stands for one or more labels. Empty: any From that is aligned with `domains`. */
  readonly from: readonly string[]
  /** Values of d= in lower case. Empty: the loop does not sign. */
  readonly domains: readonly string[]
}

const DOMAIN = String.raw`(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+`

/** A domain in lower case, as A-label. */
export const REPORTER_DOMAIN = new RegExp(`^${DOMAIN}$`)
/** A From address in lower case; `*.` may stand before its domain. */
export const REPORTER_FROM = new RegExp(String.raw`^[a-z0-9._=+-]{1,64}@(?:\*\.)?${DOMAIN}$`)

/**
 * Reads a reporter from one text: a domain that signs for a loop only, a From address (signed by its own domain), or both. Null: none of
 * these.
 *
 *     parseReporter('fbl@loop.example.net/example.net') → { from: ['fbl@loop.example.net'], domains: ['example.net'], … }
 */
export function parseReporter(text: string): Reporter | null {
  const [first = '', domain, ...others] = text.trim().toLowerCase().split('/')
  if (others.length > 0 || (domain !== undefined && !REPORTER_DOMAIN.test(domain))) return null
  if (REPORTER_FROM.test(first)) return { name: first, from: [first], domains: [domain ?? domainOfFrom(first)] }
  return domain === undefined && REPORTER_DOMAIN.test(first) ? { name: first, from: [], domains: [first] } : null
}

const domainOfFrom = (from: string): string => from.slice(from.lastIndexOf('@') + 1).replace(/^\*\./, '')

/** The reporter of a mail with this From address and a valid, aligned signature of this domain; null if it has none. */
export function findSigningReporter(reporters: readonly Reporter[], from: string | null, domain: string): Reporter | null {
  const signer = domain.toLowerCase()
  const found = reporters.find((each) => each.domains.includes(signer) && (each.from.length === 0 || hasFrom(each, from)))
  return found ?? null
}

/** Whether reports of this From should be signed by a reporter. */
export function isSigningReporterFrom(reporters: readonly Reporter[], from: string | null): boolean {
  const domain = domainOfFrom(from?.toLowerCase() ?? '')
  const isOf = (signer: string): boolean => domain === signer || domain.endsWith(`.${signer}`)
  return reporters.some((each) => (each.from.length === 0 ? each.domains.some(isOf) : each.domains.length > 0 && hasFrom(each, from)))
}

function hasFrom(reporter: Reporter, from: string | null): boolean {
  if (from === null) return false
  const address = from.toLowerCase()
  return reporter.from.some((pattern) => {
    const star = pattern.indexOf('@*.')
    if (star < 0) return pattern === address
    const suffix = pattern.slice(star + 2)
    return address.startsWith(pattern.slice(0, star + 1)) && address.endsWith(suffix) && address.length > star + 1 + suffix.length
  })
}
