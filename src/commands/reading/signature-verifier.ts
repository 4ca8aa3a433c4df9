/**
 * signature-verifier - what a command on a store asks of the outside: DNS, for signatures
 *
 * See also: mail-auth/verify-signatures, net/dns.
 */
import { createProver, type Prover } from '../../mail-auth/verify-signatures.ts'
import { createLookUp } from '../../net/dns.ts'
import type { Settings } from '../../settings/schema.ts'

/** Kept for as long as a command runs. */
const CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

/** The check of signatures by the settings in force. */
export function proverOf({ dns }: Settings): Prover {
  return createProver(createLookUp({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, ...CACHE }))
}
