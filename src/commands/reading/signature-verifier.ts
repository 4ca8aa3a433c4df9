/**
 * signature-verifier - what a command on a store asks of the outside: DNS, for signatures
 *
 * See also: mail-auth/verify-signatures, net/dns.
 */
import { createSignatureVerifier, type SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { createDnsLookup } from '../../net/dns.ts'
import type { Settings } from '../../settings/schema.ts'

/** Kept for as long as a command runs. */
const DNS_CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

/** The check of signatures by the settings in force. */
export function createVerifierFromSettings({ dns }: Settings): SignatureVerifier {
  return createSignatureVerifier(createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, ...DNS_CACHE }))
}
