/**
 * match - which delivery a report is about, and whether the report may change anything
 *
 * All tokens of a report must name the same delivery: a genuine report about one mail that is sent on to the address of another proves
 * nothing. A report that a reporter's signature no longer fits goes to the inbox. An operator who accepts a mail or links it by hand proves any
 * report. Any other report that refers to a delivery is `unverified`; a report that refers to none is `unmatched`.
 *
 * Pure. RFC 9477, RFC 6650. See also: correlate/trust (what proves a report), correlate/references, correlate/verp, ledger/decide/report.
 */
import type { Report } from '../mail/report.ts'
import { hashAddress } from './address-hash.ts'
import type { MailReference, IdReference, TokenReference, ReferenceLocation } from './references.ts'
import { parseDeliveryId, startOfDayNumber } from './delivery-id.ts'
import type { ReportSignature } from './report-signature.ts'
import { isDeliveryIdExpired } from './token.ts'
import type { VerpReference } from './verp.ts'
import {
  isAmbiguousByTokens,
  isSignedByReporter,
  proofOf,
  TRUST_CLASS_BY_KIND,
  VALID_DAYS,
  type TrustClass,
  type TrustPolicy,
} from './trust.ts'

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
  /** The deliveries of the account to the recipient that can still bounce; two if there are more. */
  readonly byVerp: (reference: VerpReference) => readonly D[]
}

/** The account of the number in a token. `offline`: the account mints with it and registers deliveries later or never. */
export type AccountLookup = (number: number) => { readonly account: number; readonly offline: boolean } | null

/**
 * `pending`: a signature that decides could not be verified yet. `contradictory`: its tokens name different mails. `signature-failed`: a
 * reporter's signature does not fit it. `cut`: an operator has blocked the token or the account.
 */
type MatchProblem =
  | 'unmatched'
  | 'unverified'
  | 'pending'
  | 'expired'
  | 'unregistered'
  | 'ambiguous'
  | 'contradictory'
  | 'signature-failed'
  | 'cut'

export type ReportMatch<D extends MatchCandidate> = {
  /** 0 if nothing was found. */
  readonly account: number
  readonly deliveryId: string | null
  /** Null beside a deliveryId: a stub, or retired. Without problem and stub, a list may still take a retired delivery. */
  readonly delivery: D | null
  /** Minted offline and not registered yet: a report may set its status, but never feeds a list. */
  readonly stub: boolean
  /** Found by a Message-ID or a VERP address that anybody can write: a report may set its status, but never feeds a list. */
  readonly weak: boolean
  readonly via: ReferenceLocation | 'hand' | 'event' | null
  readonly proof: 'signed' | 'token' | 'verp' | 'event' | 'operator' | null
  /** Null: the report may change everything that its kind can change. */
  readonly problem: MatchProblem | null
}

type MatchInput<D extends MatchCandidate> = {
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly candidates: LoadedCandidates<D>
  readonly signature: ReportSignature
  readonly accountOf: AccountLookup
  /** The account whose address the report was sent to, for a report that names no delivery; null: the operator. */
  readonly addressee: number | null
  readonly policyOf: (account: number) => TrustPolicy
  /** When the report was received. Ages are measured from it. */
  readonly at: number
  /** Deliveries that were sent before this time are retired. */
  readonly retainedFrom: number
  /** An operator has accepted this mail. */
  readonly isVouchedFor: boolean
}

/** Reports that a list takes even if the delivery is retired. */
const ALLOWED_AFTER_RETIREMENT: readonly TrustClass[] = ['complaint', 'not-spam', 'unsubscribe']

/** Finds the delivery of a report and decides what the report may change. Total. */
export function matchReport<D extends MatchCandidate>(input: MatchInput<D>): ReportMatch<D> {
  const trustClass = TRUST_CLASS_BY_KIND[input.report.kind]
  const tokens = input.references.filter((reference): reference is TokenReference => 'token' in reference)
  const valid = tokens.filter(({ token }) => token.state === 'valid')
  const [best] = valid
  const found = best === undefined ? null : resolveToken(input, best)
  if (best === undefined || found === null) return matchByWeakReference(input, trustClass, tokens)
  if (isAmbiguousByTokens(trustClass) && valid.some(({ token }) => token.deliveryId !== found.deliveryId))
    return {
      ...createUnmatched(found.account),
      deliveryId: found.deliveryId,
      delivery: found.delivery,
      via: best.via,
      problem: 'contradictory',
    }
  const naming = valid.filter(({ token }) => token.deliveryId === found.deliveryId)
  const policy = input.policyOf(found.account)
  const proof = isHearsay(input.report, trustClass, policy)
    ? null
    : proofOf(trustClass, { tokens: naming, signature: input.signature, policy })
  return evaluateMatch(input, trustClass, { ...found, via: best.via, proof, weak: false })
}

/** Whoever passes a report on could have written it. */
function isHearsay({ isForwarded }: Report, trustClass: TrustClass, { trust }: TrustPolicy): boolean {
  if (trustClass === 'complaint') return isForwarded && trust !== 'any'
  return isForwarded && (trustClass === 'ndr' || trustClass === 'not-spam')
}

/** The match of a mail that an operator linked to a delivery by hand. */
export function createManualMatch<D extends MatchCandidate>(delivery: D): ReportMatch<D> {
  return {
    account: delivery.account,
    deliveryId: delivery.deliveryId,
    delivery,
    stub: !delivery.registered,
    weak: false,
    via: 'hand',
    proof: 'operator',
    problem: null,
  }
}

type ResolvedDelivery<D> = { readonly account: number; readonly deliveryId: string; readonly delivery: D | null; readonly stub: boolean }
type MatchCase<D> = ResolvedDelivery<D> &
  Pick<ReportMatch<MatchCandidate>, 'weak'> & {
    readonly via: ReferenceLocation
    readonly proof: 'signed' | 'token' | 'verp' | null
  }

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
  const { account, deliveryId, delivery, via, weak, proof } = found
  const base = { account, deliveryId, delivery, stub, via, weak }
  const isGone = delivery === null && retired === null
  // Not even an operator can accept a report about a removed delivery, and a report does not create a stub for it.
  if (isGone && isPastRetention(deliveryId, input.retainedFrom)) return { ...base, proof: null, problem: 'expired' }
  if (isGone && !stub) return { ...base, proof: null, problem: 'unregistered' }
  if (input.isVouchedFor) return { ...base, weak: false, proof: proof ?? 'operator', problem: null }
  if (input.signature.state === 'failed') return { ...base, proof: null, problem: 'signature-failed' }
  if (isDeliveryIdExpired(deliveryId, VALID_DAYS[trustClass], input.at)) return { ...base, proof: null, problem: 'expired' }
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

/** Broken tokens and Message-IDs find a delivery for a person. Only one in the header of a bounced mail may prove more ({@link isProvenWeakly}). */
function matchByWeakReference<D extends MatchCandidate>(
  input: MatchInput<D>,
  trustClass: TrustClass,
  tokens: readonly TokenReference[],
): ReportMatch<D> {
  const byVerp = matchByVerp(input, trustClass)
  if (byVerp?.problem === null) return byVerp
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
      weak: true,
      proof: isProvenWeakly(input, trustClass, { reference, row }) ? 'signed' : null,
    })
  }
  return byVerp ?? createUnmatched(input.addressee ?? 0)
}

/** Null: no VERP address names a delivery. VERP proves nothing, unless its account says so. */
function matchByVerp<D extends MatchCandidate>(input: MatchInput<D>, trustClass: TrustClass): ReportMatch<D> | null {
  const references = input.references.filter((each): each is VerpReference => 'addressHash' in each)
  const rows = [...new Map(references.flatMap((each) => findByVerp(input, each)).map((row) => [row.deliveryId, row])).values()]
  const [row] = rows
  if (row === undefined) return null
  if (rows.length > 1) {
    const isOneAccount = rows.every(({ account }) => account === row.account)
    return { ...createUnmatched(isOneAccount ? row.account : 0), via: 'verp', problem: 'ambiguous' }
  }
  const { verpTrust } = input.policyOf(row.account)
  const isTrusted = verpTrust !== 'none' && trustClass === 'ndr' && !input.report.isForwarded
  return evaluateMatch(input, trustClass, {
    account: row.account,
    deliveryId: row.deliveryId,
    delivery: row,
    stub: !row.registered,
    via: 'verp',
    weak: verpTrust !== 'list',
    proof: isTrusted ? 'verp' : null,
  })
}

/** Newsletters go to one recipient again and again; the returned Message-ID then says which of them it was. */
function findByVerp<D extends MatchCandidate>({ references, candidates }: MatchInput<D>, verp: VerpReference): readonly D[] {
  const named = references
    .filter((each): each is IdReference => 'value' in each && each.via === 'message-id')
    .flatMap(candidates.byReference)
    .filter(({ account, addressHash }) => account === verp.account && addressHash === verp.addressHash)
  return named.length === 1 ? named : candidates.byVerp(verp)
}

function resolveTokenDelivery<D extends MatchCandidate>(input: MatchInput<D>, reference: TokenReference): readonly D[] {
  const found = resolveToken(input, reference)
  return found === null || found.delivery === null ? [] : [found.delivery]
}

function createUnmatched<D extends MatchCandidate>(account: number): ReportMatch<D> {
  return { account, deliveryId: null, delivery: null, stub: false, weak: false, via: null, proof: null, problem: 'unmatched' }
}

/** A reporter says that the mail to this very recipient, which one delivery alone names, was bounced. */
function isProvenWeakly<D extends MatchCandidate>(
  { report, signature }: MatchInput<D>,
  trustClass: TrustClass,
  { reference, row }: { readonly reference: MailReference; readonly row: D },
): boolean {
  const isReturnedId = 'value' in reference && reference.via === 'message-id'
  return trustClass === 'ndr' && !report.isForwarded && isReturnedId && isSignedByReporter(signature) && isSameRecipient(report, row)
}

/** Whether the reporter itself names the address that we sent to. The returned message's To is what somebody else wrote. */
function isSameRecipient<D extends MatchCandidate>(report: Report, { addressHash }: D): boolean {
  const reportedAddresses = report.recipients.flatMap((each) => [each.recipient, each.originalRecipient])
  return addressHash !== null && reportedAddresses.some((address) => address !== null && hashAddress(address) === addressHash)
}
