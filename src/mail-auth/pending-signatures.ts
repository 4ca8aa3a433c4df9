/**
 * pending-signatures - signatures that could not be verified yet, because DNS failed or the time was over
 *
 * Pure. RFC 8601 §2.7.1 (`temperror`). See also: mail-auth/signature-verifier, service/receive/match-and-decide.
 */
import type { AuthenticationResults } from './verify-signatures.ts'

/** The results as they are if every signature that could not be verified yet turns out good; null if all were verified. */
export function assumeGoodSignatures(results: AuthenticationResults): AuthenticationResults | null {
  const isPending = ({ result }: { readonly result: string }): boolean => result === 'temperror'
  if (!results.dkim.some(isPending)) return null
  return {
    ...results,
    dkim: results.dkim.map((each) => (isPending(each) ? { ...each, result: 'pass', valid: true, aligned: true } : each)),
  }
}
