/**
 * report-signature - which DKIM signature of a report is good, and what it covers
 *
 * A signature is good if it is valid, covers the whole body, is aligned with the only From, and covers From. The signature of a reporter comes
 * before any other. A reporter's signature that fails is recorded: somebody has changed the report on its way.
 *
 * Pure, total. RFC 6376, RFC 7489 §3.1.1. See also: mail/signed-content, correlate/reporter, correlate/trust.
 */
import { parseFieldAddress } from '../mail/dsn/original-message.ts'
import { parseFields, toHeaderRecord } from '../mail/mime/header.ts'
import { extractSignedContent } from '../mail/signed-content.ts'
import { findSigningReporter, type Reporter } from './reporter.ts'

/** `valid`: verified, over the whole body. `signedFields`: absent in results that were stored before it was recorded; they prove nothing. */
type CheckedSignature = {
  readonly domain: string
  readonly result: string
  readonly valid: boolean
  readonly aligned: boolean
  readonly signedFields?: readonly string[]
}

/**
 * `good`: `domain` signed what is read of the mail; `reporter` is its name in the list, null for any other signer. `failed`: the signature of a
 * reporter, under its From, does not fit the mail.
 */
export type ReportSignature =
  | { readonly state: 'none' | 'failed' }
  | { readonly state: 'good'; readonly domain: string; readonly reporter: string | null }

export const NO_SIGNATURE: ReportSignature = { state: 'none' }

type SignedReport = { readonly signature: ReportSignature; readonly content: Uint8Array | null }

/** Results that say that a signature does not fit. Others say that it could not be checked. */
const FAILURES: readonly string[] = ['fail', 'neutral', 'permerror']

/** The signature that counts for a mail with this From. `content`: what a good signature covers, to be read instead of the mail. */
export function readReportSignature(
  { raw, from }: { readonly raw: Uint8Array; readonly from: string | null },
  signatures: readonly CheckedSignature[],
  reporters: readonly Reporter[],
): SignedReport {
  const good = signatures.flatMap(({ valid, aligned, domain, signedFields = [] }) => {
    const content = valid && aligned ? extractSignedContent(raw, signedFields) : null
    if (content === null) return []
    const reporter = findSigningReporter(reporters, signedFromOf(content), domain)?.name ?? null
    return [{ signature: { state: 'good' as const, domain, reporter }, content }]
  })
  const best = good.find(({ signature }) => signature.reporter !== null)
  if (best !== undefined) return best
  const isFailed = signatures.some((each) => FAILURES.includes(each.result) && findSigningReporter(reporters, from, each.domain) !== null)
  return isFailed ? { signature: { state: 'failed' }, content: null } : (good[0] ?? { signature: NO_SIGNATURE, content: null })
}

/** The signature that would count if every one that could not be verified yet turned out good; null if all were verified (RFC 8601 §2.7.1). */
export function assumeGoodSignature(
  from: string | null,
  signatures: readonly CheckedSignature[],
  reporters: readonly Reporter[],
): ReportSignature | null {
  const pending = signatures.filter(({ result }) => result === 'temperror')
  const assumed = pending.map(({ domain }) => ({
    state: 'good' as const,
    domain,
    reporter: findSigningReporter(reporters, from, domain)?.name ?? null,
  }))
  return assumed.find(({ reporter }) => reporter !== null) ?? assumed[0] ?? null
}

/** The From of signed content, whose header ends at the first empty line. */
function signedFromOf(content: Uint8Array): string | null {
  const header = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  return parseFieldAddress(toHeaderRecord(parseFields(header.toString('latin1', 0, header.indexOf('\r\n\r\n'))))['from'])
}
