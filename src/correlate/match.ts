/**
 * match - which delivery a report is about, and whether the report may change anything
 *
 * | report                       | trusted if                                                                              |
 * |------------------------------|-----------------------------------------------------------------------------------------|
 * | NDR                          | a valid token in RCPT TO or in the returned Return-Path                                 |
 * | complaint (ARF, JMRP, XARF)  | a valid token or feedback id, and an aligned valid DKIM signature of a listed reporter  |
 * | complaint by CFBL            | a valid CFBL-Feedback-ID, and an aligned valid DKIM signature of any domain             |
 * | unsubscribe by mail          | a valid unsubscribe token in RCPT TO                                                    |
 * | ids or broken tokens only    | an aligned valid DKIM signature of a listed reporter, the same recipient, and exactly   |
 * |                              | one delivery with that id                                                               |
 *
 * An NDR that a person forwards proves nothing. With `trust: any`, a token or feedback id alone proves a complaint. An operator who accepts
 * a mail or links it by hand proves any report.
 * Any other report that refers to a delivery is `unverified`; a report that refers to none is `unmatched`.
 *
 * Pure. RFC 9477, RFC 6650. See also: correlate/references, ledger/decide/report.
 */
import type { Report } from '../mail/report.ts'
import { hashAddress } from './address-hash.ts'
import type { MailReference, IdReference, TokenReference, ReferenceLocation } from './references.ts'
import { findSigningReporter, type Reporter } from './reporter.ts'
import { parseDeliveryId, startOfDayNumber } from './delivery-id.ts'
import { isDeliveryIdExpired } from './token.ts'

/** The part of a delivery that a match needs. */
type MatchCandidate = {
  readonly account: number
  readonly deliveryId: string
  readonly addressHash: string | null
  readonly registered: boolean
}

/** The loaded deliveries that the references may name. */
type LoadedCandidates<D extends MatchCandidate> = {
  readonly byId: (deliveryId: string) => D | null
  /** What is kept of a retired delivery: enough for a list. */
  readonly retired: (deliveryId: string) => Pick<MatchCandidate, 'account'> | null
  readonly byReference: (reference: IdReference) => readonly D[]
}

type AuthenticationSummary = {
  readonly dkim: readonly { readonly domain: string; readonly aligned: boolean; readonly valid: boolean }[]
}

/** The account of the number in a token. `offline`: the account mints with it and registers deliveries later or never. */
export type AccountLookup = (number: number) => { readonly account: number; readonly offline: boolean } | null

/** `cut`: an operator has blocked the token or the account. `pending`: a signature that decides could not be verified yet. */
type MatchProblem = 'unmatched' | 'unverified' | 'pending' | 'expired' | 'unregistered' | 'ambiguous' | 'cut'

export type ReportMatch<D extends MatchCandidate> = {
  /** 0 if nothing was found. */
  readonly account: number
  readonly deliveryId: string | null
  /** Null beside a deliveryId: a stub, or retired. Without problem and stub, a list may still take a retired delivery. */
  readonly delivery: D | null
  /** Minted offline and not registered yet: a report may set its status, but never feeds a list. */
  readonly stub: boolean
  readonly via: ReferenceLocation | 'hand' | null
  readonly proof: 'signed' | 'token' | 'operator' | null
  /** Null: the report may change everything that its kind can change. */
  readonly problem: MatchProblem | null
}

type MatchInput<D extends MatchCandidate> = {
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly candidates: LoadedCandidates<D>
  readonly authentication: AuthenticationSummary
  /** Operators of feedback loops (reporters.toml). */
  readonly reporters: readonly Reporter[]
  readonly accountOf: AccountLookup
  readonly trustOf: (account: number) => 'strict' | 'any'
  /** When the report was received. Ages are measured from it. */
  readonly at: number
  /** Deliveries that were sent before this time are retired. */
  readonly retainedFrom: number
  /** An operator has accepted this mail. */
  readonly isVouchedFor: boolean
}

/** The groups of reports that are trusted alike, and for how many days after sending they are accepted. */
const VALID_DAYS = { ndr: 30, complaint: 400, unsubscribe: 400, filed: 400 } as const satisfies Record<string, number>
type TrustClass = keyof typeof VALID_DAYS

const TRUST_CLASS_BY_KIND = {
  bounce: 'ndr',
  delay: 'ndr',
  delivered: 'ndr',
  complaint: 'complaint',
  'not-spam': 'complaint',
  unsubscribe: 'unsubscribe',
  'auth-failure': 'filed',
  'auto-reply': 'filed',
  mdn: 'filed',
  other: 'filed',
  unreadable: 'filed',
} as const satisfies Record<Report['kind'], TrustClass>

/** Reports that a list takes even if the delivery is retired. */
const ALLOWED_AFTER_RETIREMENT: readonly TrustClass[] = ['complaint', 'unsubscribe']

/** Finds the delivery of a report and decides what the report may change. Total. */
export function matchReport<D extends MatchCandidate>(input: MatchInput<D>): ReportMatch<D> {
  const trustClass = TRUST_CLASS_BY_KIND[input.report.kind]
  const tokens = input.references.filter((reference): reference is TokenReference => 'token' in reference)
  const valid = tokens.filter((reference) => reference.token.state === 'valid')
  const best = valid.find((reference) => isProvingToken(trustClass, reference)) ?? valid[0]
  if (best !== undefined) {
    const found = resolveToken(input, best)
    if (found !== null)
      return evaluateMatch(input, trustClass, {
        ...found,
        via: best.via,
        isProof: isProvingToken(trustClass, best),
        isCfbl: best.via === 'cfbl-feedback-id',
      })
  }
  return matchByWeakReference(input, trustClass, tokens)
}

/** The match of a mail that an operator linked to a delivery by hand. */
export function createManualMatch<D extends MatchCandidate>(delivery: D): ReportMatch<D> {
  return {
    account: delivery.account,
    deliveryId: delivery.deliveryId,
    delivery,
    stub: !delivery.registered,
    via: 'hand',
    proof: 'operator',
    problem: null,
  }
}

/** Whether a listed reporter signed the report, aligned with From. */
function isSignedByReporter<D extends MatchCandidate>({ authentication, reporters, report }: MatchInput<D>): boolean {
  return authentication.dkim.some((each) => each.valid && each.aligned && findSigningReporter(reporters, report.from, each.domain) !== null)
}

/** Whether a valid token at this location proves this kind of report. */
function isProvingToken(trustClass: TrustClass, { via, token }: TokenReference): boolean {
  if (trustClass === 'ndr') return (via === 'rcpt' || via === 'return-path') && token.purpose === 'return-path'
  if (trustClass === 'unsubscribe') return via === 'rcpt' && token.purpose === 'unsubscribe'
  return true
}

type ResolvedDelivery<D> = { readonly account: number; readonly deliveryId: string; readonly delivery: D | null; readonly stub: boolean }
type MatchCase<D> = ResolvedDelivery<D> & { readonly via: ReferenceLocation; readonly isProof: boolean; readonly isCfbl: boolean }

/** Null: the account number is unknown, or belongs to another account than the delivery. */
function resolveToken<D extends MatchCandidate>(input: MatchInput<D>, { token }: TokenReference): ResolvedDelivery<D> | null {
  const owner = input.accountOf(token.account)
  const delivery = input.candidates.byId(token.deliveryId)
  if (owner === null || (delivery !== null && delivery.account !== owner.account)) return null
  return { account: owner.account, deliveryId: token.deliveryId, delivery, stub: owner.offline && delivery?.registered !== true }
}

function evaluateMatch<D extends MatchCandidate>(input: MatchInput<D>, trustClass: TrustClass, found: MatchCase<D>): ReportMatch<D> {
  const retired = findRetired(input, trustClass, found)
  const stub = found.stub && retired === null
  const base = { account: found.account, deliveryId: found.deliveryId, delivery: found.delivery, stub, via: found.via }
  const isGone = found.delivery === null && retired === null
  // Not even an operator can accept a report about a removed delivery, and a report does not create a stub for it.
  if (isGone && isPastRetention(found.deliveryId, input.retainedFrom)) return { ...base, proof: null, problem: 'expired' }
  if (isGone && !stub) return { ...base, proof: null, problem: 'unregistered' }
  const proof = determineProof(input, trustClass, found)
  if (input.isVouchedFor) return { ...base, proof: proof ?? 'operator', problem: null }
  if (isDeliveryIdExpired(found.deliveryId, VALID_DAYS[trustClass], input.at)) return { ...base, proof: null, problem: 'expired' }
  return { ...base, proof, problem: proof === null ? 'unverified' : null }
}

function findRetired<D extends MatchCandidate>(
  input: MatchInput<D>,
  trustClass: TrustClass,
  { account, deliveryId, delivery }: MatchCase<D>,
): Pick<MatchCandidate, 'account'> | null {
  const retired = delivery === null && ALLOWED_AFTER_RETIREMENT.includes(trustClass) ? input.candidates.retired(deliveryId) : null
  return retired?.account === account ? retired : null
}

function isPastRetention(deliveryId: string, retainedFrom: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts !== null && startOfDayNumber(parts.day) < retainedFrom
}

function determineProof<D extends MatchCandidate>(
  input: MatchInput<D>,
  trustClass: TrustClass,
  found: MatchCase<D>,
): 'signed' | 'token' | null {
  // Whoever forwards a report could have written it.
  if (trustClass === 'ndr' && input.report.isForwarded) return null
  const listed = isSignedByReporter(input)
  if (!found.isProof) return listed && isSameRecipient(input.report, found.delivery) ? 'signed' : null
  if (trustClass !== 'complaint') return listed ? 'signed' : 'token'
  const signed = listed || (found.isCfbl && input.authentication.dkim.some((each) => each.valid && each.aligned))
  if (signed) return 'signed'
  return input.trustOf(found.account) === 'any' ? 'token' : null
}

/** Broken tokens and bare ids: only one delivery, and only if a listed reporter names the same recipient. */
function matchByWeakReference<D extends MatchCandidate>(
  input: MatchInput<D>,
  trustClass: TrustClass,
  tokens: readonly TokenReference[],
): ReportMatch<D> {
  for (const reference of [...tokens, ...input.references.filter((each): each is IdReference => 'value' in each)]) {
    const rows = 'token' in reference ? resolveTokenDelivery(input, reference) : input.candidates.byReference(reference)
    const [row] = rows
    if (row === undefined) continue
    if (rows.length > 1)
      return {
        ...createUnmatched(rows.every((each) => each.account === row.account) ? row.account : 0),
        via: reference.via,
        problem: 'ambiguous',
      }
    return evaluateMatch(input, trustClass, {
      account: row.account,
      deliveryId: row.deliveryId,
      delivery: row,
      stub: !row.registered,
      via: reference.via,
      isProof: false,
      isCfbl: false,
    })
  }
  return createUnmatched(0)
}

function resolveTokenDelivery<D extends MatchCandidate>(input: MatchInput<D>, reference: TokenReference): readonly D[] {
  const found = resolveToken(input, reference)
  return found === null || found.delivery === null ? [] : [found.delivery]
}

function createUnmatched<D extends MatchCandidate>(account: number): ReportMatch<D> {
  return { account, deliveryId: null, delivery: null, stub: false, via: null, proof: null, problem: 'unmatched' }
}

/** Whether the report names the address that we sent to. */
function isSameRecipient<D extends MatchCandidate>(report: Report, delivery: D | null): boolean {
  if (delivery === null || delivery.addressHash === null) return false
  const reportedAddresses = [
    ...report.recipients.flatMap((each) => [each.recipient, each.originalRecipient]),
    ...(report.complaint?.originalRcptTo ?? []),
    ...(report.originalMessage?.to ?? []),
  ]
  return reportedAddresses.some((address) => address !== null && hashAddress(address) === delivery.addressHash)
}
