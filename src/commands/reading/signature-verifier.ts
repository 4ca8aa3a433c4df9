/**
 * signature-verifier - the verifier of DKIM, SPF and ARC that commands use, with DNS by the settings
 *
 * See also: mail-auth/signature-verifier, net/dns.
 */
import { createVerifierFromSettings } from '../../daemon/verification.ts'
import type { SignatureVerifier } from '../../mail-auth/verify-signatures.ts'
import { createDnsLookup } from '../../net/dns.ts'
import type { Settings } from '../../settings/schema.ts'

/** Larger than any command needs; the cache ends with the process. */
const DNS_CACHE = { cacheMs: 3_600_000, cacheSize: 10_000 }

/** Creates the verifier. Its threads end with the process. */
export function createCommandVerifier(settings: Settings): SignatureVerifier {
  const { servers, timeoutSeconds } = settings.dns
  const lookUp = createDnsLookup({ servers, timeoutMs: timeoutSeconds * 1_000, ...DNS_CACHE })
  return createVerifierFromSettings(settings, { lookUp, telemetry: null }).verify
}
