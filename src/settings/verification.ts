/**
 * verification - settings of the verification of signatures
 *
 * See also: settings/schema (all settings), mail-auth/signature-limits, service/receive/pending-verifier.
 */
import { z } from 'zod'
import { SIGNATURE_LIMITS } from '../mail-auth/signature-limits.ts'
import { positiveInteger, setting } from './setting.ts'

export const verificationSettings = z.strictObject({
  headerBytes: setting(
    z.int().min(1_024).max(262_144).default(SIGNATURE_LIMITS.headerBytes),
    'Largest header of a mail whose signatures are verified, in bytes',
    '64 KiB, twice the header of a report that crossed a dozen hops; the signature library takes quadratic time for a header',
  ),
  headerLines: setting(
    z.int().min(10).max(10_000).default(SIGNATURE_LIMITS.headerLines),
    'Most header lines of a mail whose signatures are verified',
    '1,000: a report that crossed a dozen hops has 300',
  ),
  signatures: setting(
    z.int().min(1).max(100).default(SIGNATURE_LIMITS.signatures),
    'Most DKIM signatures, and most ARC seals, of a mail whose signatures are verified',
    '10: a mail has one to three, and each costs a DNS query and a public-key operation',
  ),
  signatureBytes: setting(
    z.int().min(1_024).max(65_536).default(SIGNATURE_LIMITS.signatureBytes),
    'Largest DKIM signature or ARC seal that is verified, in bytes',
    '4 KiB: a key of 4,096 bits and forty signed fields take 2',
  ),
  threads: setting(
    z.int().min(1).max(16).default(2),
    'Threads that verify signatures; they start when they are needed',
    'one verifies hundreds of mails a second; the second one goes on when a mail keeps the first busy',
  ),
  seconds: setting(
    positiveInteger.max(60).default(5),
    'Seconds for the signatures of one mail, DNS included; then its queries are cancelled and the mail is pending',
    'the DNS servers of a domain answer within a second or two, or not at all; the sender of the mail waits meanwhile',
  ),
  pendingHours: setting(
    z.number().min(0).max(720).default(72),
    'Hours in which signatures that could not be verified are verified again; after that the mail is unverified',
    'an outage of DNS that lasts a weekend; a person can accept the mail meanwhile',
  ),
})
