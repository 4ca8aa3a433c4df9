/**
 * match - which mail a report speaks of, and whether the report may change anything
 *
 * | report                       | trusted when                                                                            |
 * |------------------------------|-----------------------------------------------------------------------------------------|
 * | NDR                          | a valid token in RCPT TO or in the returned Return-Path                                 |
 * | complaint (ARF, JMRP, XARF)  | a valid token or feedback id, and aligned valid DKIM of a listed reporter               |
 * | complaint by CFBL            | a valid CFBL-Feedback-ID, and aligned valid DKIM of any domain                          |
 * | unsubscribe by mail          | a valid unsubscribe token in RCPT TO                                                    |
 * | names or broken tokens only  | aligned valid DKIM of a listed reporter, the same recipient, and one mail of that name  |
 *
 * `trust: any` lets a token or feedback id alone serve for complaints. An operator's word (accepted, linked by hand) serves for all.
 * All else that points at a mail of ours is `unverified`; what points at nothing is `unmatched`.
 *
 * Pure. RFC 9477, RFC 6650. See also: correlate/references, ledger/decide/report.
 */
import type { Report } from '../mail/report.ts'
import { hashAddress } from './address-hash.ts'
import type { MailReference, IdReference, TokenReference, ReferenceLocation } from './references.ts'
import { parseDeliveryId, startOfDayNumber } from './delivery-id.ts'
import { isDeliveryIdExpired } from './token.ts'

/** As far as a match looks into a delivery. */
export type MatchCandidate = {
  readonly account: number
  readonly deliveryId: string
  readonly addressHash: string | null
  readonly registered: boolean
}

/** Deliveries that the clues name, as loaded. `byName` is keyed `message-id value` or `email-id value` (see nameKey). */
export type LoadedCandidates<D extends MatchCandidate> = {
  readonly byId: (deliveryId: string) => D | null
  /** What is kept of a retired one: enough for a list. */
  readonly retired: (deliveryId: string) => Pick<MatchCandidate, 'account'> | null
  readonly byReference: (reference: IdReference) => readonly D[]
}

export type AuthenticationSummary = {
  readonly dkim: readonly { readonly domain: string; readonly aligned: boolean; readonly valid: boolean }[]
}

/** Whose number stands in a token. `offline`: the account mints with it by itself, and registers later or never. */
export type AccountLookup = (number: number) => { readonly account: number; readonly offline: boolean } | null

/** `cut`: an operator has cut its token or account off. */
export type MatchProblem = 'unmatched' | 'unverified' | 'expired' | 'unregistered' | 'ambiguous' | 'cut'

export type ReportMatch<D extends MatchCandidate> = {
  /** 0 where nothing was found. */
  readonly account: number
  readonly deliveryId: string | null
  /** Null beside a deliveryId: a stub, or no longer kept; with no problem and no stub, a list may still take what remains. */
  readonly delivery: D | null
  /** Minted offline and not registered yet: may set a status, never feeds a list. */
  readonly stub: boolean
  readonly via: ReferenceLocation | 'hand' | null
  readonly proof: 'signed' | 'token' | 'operator' | null
  /** Null: the report may change what its kind changes. */
  readonly problem: MatchProblem | null
}

export type MatchInput<D extends MatchCandidate> = {
  readonly report: Report
  readonly references: readonly MailReference[]
  readonly candidates: LoadedCandidates<D>
  readonly authentication: AuthenticationSummary
  /** Domains whose feedback loops we believe (reporters.toml), lower case. */
  readonly reporters: ReadonlySet<string>
  readonly accountOf: AccountLookup
  readonly trustOf: (account: number) => 'strict' | 'any'
  /** When the report came; ages are judged by it. */
  readonly at: number
  /** What was sent before this moment is no longer kept. */
  readonly retainedFrom: number
  /** An operator vouches for this mail. */
  readonly isVouchedFor: boolean
}

type TrustClass = 'ndr' | 'complaint' | 'unsubscribe' | 'filed'

/** How each kind is trusted, and for how many days a mail may be spoken of (DESIGN, Token). */
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
const VALID_DAYS = { ndr: 30, complaint: 400, unsubscribe: 400, filed: 400 } as const satisfies Record<TrustClass, number>

/** What a list takes even after the mail itself is retired. */
const ALLOWED_AFTER_RETIREMENT: readonly TrustClass[] = ['complaint', 'unsubscribe']

/** Finds the mail and says what the report may do. Total. */
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

/** What a person has linked: the operator's word. */
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

/** Whether a listed reporter signed it, aligned with From. */
export function isListedReporter(authentication: AuthenticationSummary, reporters: ReadonlySet<string>): boolean {
  return authentication.dkim.some((each) => each.valid && each.aligned && isListedDomain(each.domain.toLowerCase(), reporters))
}

/** A listed domain speaks for those below it too. */
function isListedDomain(domain: string, reporters: ReadonlySet<string>): boolean {
  const labels = domain.split('.').slice(-8)
  return labels.some((_, index) => index < labels.length - 1 && reporters.has(labels.slice(index).join('.')))
}

/** Where a valid token proves this kind of report. */
function isProvingToken(trustClass: TrustClass, { via, token }: TokenReference): boolean {
  if (trustClass === 'ndr') return (via === 'rcpt' || via === 'return-path') && token.purpose === 'return-path'
  if (trustClass === 'unsubscribe') return via === 'rcpt' && token.purpose === 'unsubscribe'
  return true
}

type ResolvedDelivery<D> = { readonly account: number; readonly deliveryId: string; readonly delivery: D | null; readonly stub: boolean }
type MatchCase<D> = ResolvedDelivery<D> & { readonly via: ReferenceLocation; readonly isProof: boolean; readonly isCfbl: boolean }

/** Null: nobody's number. A number that names another account than the row is nobody's too. */
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
  // Nobody can vouch for what is gone, and no report makes a stub of it again.
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

function isPastRetention(deliveryId: string, keptFrom: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts !== null && startOfDayNumber(parts.day) < keptFrom
}

function determineProof<D extends MatchCandidate>(
  input: MatchInput<D>,
  trustClass: TrustClass,
  found: MatchCase<D>,
): 'signed' | 'token' | null {
  const listed = isListedReporter(input.authentication, input.reporters)
  if (!found.isProof) return listed && isSameRecipient(input.report, found.delivery) ? 'signed' : null
  if (trustClass !== 'complaint') return listed ? 'signed' : 'token'
  const signed = listed || (found.isCfbl && input.authentication.dkim.some((each) => each.valid && each.aligned))
  if (signed) return 'signed'
  return input.trustOf(found.account) === 'any' ? 'token' : null
}

/** Broken tokens and bare names: one mail only, and only from a listed reporter who names the same recipient. */
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
