/**
 * trust - what proves a report, as a table by kind of report
 *
 * | report                      | proven by                                                                                              |
 * |-----------------------------|--------------------------------------------------------------------------------------------------------|
 * | NDR                         | a token in RCPT TO or in the returned Return-Path; or other evidence in the returned header, and a reporter |
 * | complaint (ARF, JMRP, XARF) | evidence in the reported message's header or Original-Mail-From; the account may require a reporter    |
 * | complaint by CFBL           | a CFBL-Feedback-ID in the signed body, and a good signature of any domain                              |
 * | not-spam                    | the same evidence, and a good signature of a reporter or by CFBL; what it removes depends on the signer |
 * | unsubscribe by mail         | an unsubscribe token in RCPT TO                                                                        |
 * | NDR with a Message-ID only  | a reporter, the same recipient, and one mail with that Message-ID: the status, never a list            |
 * | NDR to a VERP address       | nothing; if the account trusts VERP, one mail to that recipient in 30 days: the status, or the list too |
 *
 * Evidence is a token of ours with its MAC. Whoever holds a mail can read the token in it, and can complain about that one mail only.
 *
 * Pure. RFC 5965, RFC 9477. See also: correlate/match, correlate/references, correlate/verp, correlate/report-signature.
 */
import type { Report } from '../mail/report.ts'
import type { ReferenceLocation, TokenReference } from './references.ts'
import type { ReportSignature } from './report-signature.ts'
import type { VerpTrust } from './verp.ts'

/** What a complaint must have: our token, the signature of a reporter (or of any domain by CFBL), or a reporter's together with our token. */
export const COMPLAINT_PROOFS = ['token', 'signature', 'both'] as const

/** `trust: any`: a token or a feedback id alone proves a complaint, wherever it is. */
export type TrustPolicy = {
  readonly trust: 'strict' | 'any'
  readonly complaintProof: (typeof COMPLAINT_PROOFS)[number]
  readonly verpTrust: VerpTrust
}

/** The groups of reports that are trusted alike, and for how many days after sending they are accepted. */
export const VALID_DAYS = { ndr: 30, complaint: 400, 'not-spam': 400, unsubscribe: 400, filed: 400 } as const satisfies Record<
  string,
  number
>
export type TrustClass = keyof typeof VALID_DAYS

export const TRUST_CLASS_BY_KIND = {
  bounce: 'ndr',
  delay: 'ndr',
  delivered: 'ndr',
  complaint: 'complaint',
  'not-spam': 'not-spam',
  unsubscribe: 'unsubscribe',
  'auth-failure': 'filed',
  'tls-report': 'filed',
  'auto-reply': 'filed',
  mdn: 'filed',
  other: 'filed',
  unreadable: 'filed',
} as const satisfies Record<Report['kind'], TrustClass>

/** The header of the reported message itself, and Original-Mail-From, which repeats its Return-Path. */
const REPORTED_HEADER: readonly ReferenceLocation[] = ['return-path', 'cfbl-feedback-id', 'list-unsubscribe', 'message-id']
const CFBL_LOCATIONS: readonly ReferenceLocation[] = ['cfbl-feedback-id', 'feedback-report']

/** The valid tokens of a report that name one delivery, and the signature over it. */
type ProofInput = { readonly tokens: readonly TokenReference[]; readonly signature: ReportSignature; readonly policy: TrustPolicy }

type Proof = 'signed' | 'token' | null

/** How well a report is proven; null: not at all. */
export function proofOf(trustClass: TrustClass, input: ProofInput): Proof {
  return PROVERS[trustClass](input)
}

/** Whether a report in which the tokens name different deliveries says nothing certain about any. */
export const isAmbiguousByTokens = (trustClass: TrustClass): boolean => trustClass !== 'unsubscribe' && trustClass !== 'filed'

export const isSignedByReporter = (signature: ReportSignature): boolean => signature.state === 'good' && signature.reporter !== null

const PROVERS = {
  ndr: ({ tokens, signature }) => {
    const isReporter = isSignedByReporter(signature)
    const isOwnPath = tokens.some(({ via, token }) => (via === 'rcpt' || via === 'return-path') && token.purpose === 'return-path')
    if (isOwnPath) return isReporter ? 'signed' : 'token'
    return isReporter && isIn(REPORTED_HEADER, tokens) ? 'signed' : null
  },
  complaint: proveComplaint,
  'not-spam': ({ tokens, signature }) => {
    const isReporter = isSignedByReporter(signature) && isIn([...REPORTED_HEADER, ...CFBL_LOCATIONS], tokens)
    return isReporter || isProvenByCfbl(tokens, signature) ? 'signed' : null
  },
  unsubscribe: ({ tokens }) => (tokens.some(({ via, token }) => via === 'rcpt' && token.purpose === 'unsubscribe') ? 'token' : null),
  // A filed report changes nothing.
  filed: ({ tokens }) => (tokens.length > 0 ? 'token' : null),
} as const satisfies Record<TrustClass, (input: ProofInput) => Proof>

function proveComplaint({ tokens, signature, policy }: ProofInput): Proof {
  const isReporter = isSignedByReporter(signature)
  const isReported = isIn(REPORTED_HEADER, tokens)
  const isSigned = isProvenByCfbl(tokens, signature) || (isReporter && isReported)
  if (policy.trust === 'any' && tokens.length > 0) return isSigned ? 'signed' : 'token'
  if (policy.complaintProof === 'both') return isReporter && isReported ? 'signed' : null
  if (isSigned) return 'signed'
  return policy.complaintProof === 'token' && isReported ? 'token' : null
}

const isIn = (locations: readonly ReferenceLocation[], tokens: readonly TokenReference[]): boolean =>
  tokens.some(({ via }) => locations.includes(via))

/** RFC 9477 §3.1: the mailbox provider signs the report itself, with a domain of its own. */
const isProvenByCfbl = (tokens: readonly TokenReference[], signature: ReportSignature): boolean =>
  signature.state === 'good' && isIn(CFBL_LOCATIONS, tokens)
