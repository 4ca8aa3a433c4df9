/**
 * verification - the verifier of signatures by the settings, and what it logs and counts
 *
 * See also: mail-auth/signature-verifier, settings/verification, service/receive/pending-verifier.
 */
import { createSignatureVerifier, type VerifierService } from '../mail-auth/signature-verifier.ts'
import type { DnsLookup } from '../net/dns.ts'
import type { Settings } from '../settings/schema.ts'
import type { Telemetry } from '../telemetry.ts'

/** Creates the verifier of the daemon or of a command. */
export function createVerifierFromSettings(
  { verification: { threads, seconds, ...limits } }: Pick<Settings, 'verification'>,
  { lookUp, telemetry }: { readonly lookUp: DnsLookup; readonly telemetry: Telemetry | null },
): VerifierService {
  return createSignatureVerifier(lookUp, {
    limits,
    maxThreads: threads,
    timeLimitMs: seconds * 1_000,
    onSkipped: (cause) => {
      telemetry?.count('bounced_signatures_not_verified_total', { cause })
      if (cause === 'temperror') telemetry?.log.info('signatures of a mail could not be verified yet: DNS failed or the time was over')
      else
        telemetry?.log.info(
          { setting: `verification.${cause}` },
          'signatures of a mail are not verified, because it exceeds a limit; if such mail is genuine, raise the setting',
        )
    },
  })
}
