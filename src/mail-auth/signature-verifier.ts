/**
 * signature-verifier - the authentication results of a mail, within the caps on what a signature library may see
 *
 * A mail over a cap (mail-auth/signature-limits) never reaches a library: its signatures are `policy`. Signatures that could not be verified because of a
 * time limit, a failure of DNS or a full queue are `temperror`: nobody knows yet whether they are good, and the mail may be verified again.
 *
 * RFC 8601 §2.7.1 (results). See also: mail-auth/verification-pool (threads and time limits), service/receive/prepare.
 */
import type { Worker } from 'node:worker_threads'
import type { DnsLookup } from '../net/dns.ts'
import { scanSignatures, SIGNATURE_LIMITS, type ClaimedSignature, type SignatureLimits } from './signature-limits.ts'
import { createVerificationPool } from './verification-pool.ts'
import { NO_AUTHENTICATION_RESULTS, type DkimResult, type SignatureVerifier } from './verify-signatures.ts'

type VerifierOptions = {
  readonly limits?: SignatureLimits
  readonly maxThreads?: number
  readonly timeLimitMs?: number
  readonly createWorker?: () => Worker
  /** Called for a mail over a cap, and for one that could not be verified for now. */
  readonly onSkipped?: (cause: keyof SignatureLimits | 'temperror') => void
}

export type VerifierService = {
  readonly verify: SignatureVerifier
  /** Ends all threads. Mails that are not verified yet end with `temperror`. Idempotent. */
  readonly close: () => Promise<void>
}

/** Creates the verifier. Its threads start with the first mail that needs them. */
export function createSignatureVerifier(lookUp: DnsLookup, options: VerifierOptions = {}): VerifierService {
  const { limits = SIGNATURE_LIMITS, onSkipped = () => undefined } = options
  const pool = createVerificationPool(lookUp, options)
  const verify: SignatureVerifier = async (mail, now) => {
    const { exceeded, claimed, isSigned } = scanSignatures(mail.raw, limits)
    if (exceeded !== null) onSkipped(exceeded)
    const isVerified = isSigned && exceeded === null
    if (!isVerified && mail.peer === null) return { ...NO_AUTHENTICATION_RESULTS, dkim: resultsOf(claimed, 'policy') }
    const { parts, isComplete } = await pool.verify(isVerified ? mail : { ...mail, raw: new Uint8Array(0) }, now)
    const { dkim = resultsOf(claimed, missingResult(isVerified, isComplete)), spf = null, arc = null } = parts
    if (dkim.some(({ result }) => result === 'temperror')) onSkipped('temperror')
    return { dkim, spf, arc }
  }
  return { verify, close: pool.close }
}

/** The result of signatures of which the thread reported nothing. If it has finished, the library failed, and would fail again. */
function missingResult(isVerified: boolean, isComplete: boolean): string {
  if (!isVerified) return 'policy'
  return isComplete ? 'permerror' : 'temperror'
}

function resultsOf(claimed: readonly ClaimedSignature[], result: string): readonly DkimResult[] {
  return claimed.map((each) => ({ ...each, result, valid: false, aligned: false }))
}
