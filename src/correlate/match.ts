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
import type { Clue, NameClue, TokenClue, Via } from './references.ts'
import { parseDeliveryId, startOfDay } from './delivery-id.ts'
import { isExpired } from './token.ts'

/** As far as a match looks into a delivery. */
export type Candidate = {
  readonly account: number
  readonly deliveryId: string
  readonly addressHash: string | null
  readonly registered: boolean
}

/** Deliveries that the clues name, as loaded. `byName` is keyed `message-id value` or `email-id value` (see nameKey). */
export type Loaded<D extends Candidate> = {
  readonly byId: (deliveryId: string) => D | null
  /** What is kept of a retired one: enough for a list. */
  readonly remains: (deliveryId: string) => Pick<Candidate, 'account'> | null
  readonly byName: (clue: NameClue) => readonly D[]
}

export type AuthSummary = { readonly dkim: readonly { readonly domain: string; readonly aligned: boolean; readonly valid: boolean }[] }

/** Whose number stands in a token. `offline`: the account mints with it by itself, and registers later or never. */
export type AccountOf = (number: number) => { readonly account: number; readonly offline: boolean } | null

/** `cut`: an operator has cut its token or account off. */
export type Problem = 'unmatched' | 'unverified' | 'expired' | 'unregistered' | 'ambiguous' | 'cut'

export type Match<D extends Candidate> = {
  /** 0 where nothing was found. */
  readonly account: number
  readonly deliveryId: string | null
  /** Null beside a deliveryId: a stub, or no longer kept; with no problem and no stub, a list may still take what remains. */
  readonly delivery: D | null
  /** Minted offline and not registered yet: may set a status, never feeds a list. */
  readonly stub: boolean
  readonly via: Via | 'hand' | null
  readonly proof: 'signed' | 'token' | 'operator' | null
  /** Null: the report may change what its kind changes. */
  readonly problem: Problem | null
}

export type MatchInput<D extends Candidate> = {
  readonly report: Report
  readonly clues: readonly Clue[]
  readonly loaded: Loaded<D>
  readonly auth: AuthSummary
  /** Domains whose feedback loops we believe (reporters.toml), lower case. */
  readonly reporters: ReadonlySet<string>
  readonly accountOf: AccountOf
  readonly trustOf: (account: number) => 'strict' | 'any'
  /** When the report came; ages are judged by it. */
  readonly at: number
  /** What was sent before this moment is no longer kept. */
  readonly keptFrom: number
  /** An operator vouches for this mail. */
  readonly vouched: boolean
}

type Family = 'ndr' | 'complaint' | 'unsubscribe' | 'filed'

/** How each kind is trusted, and for how many days a mail may be spoken of (DESIGN, Token). */
const FAMILIES = {
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
} as const satisfies Record<Report['kind'], Family>
const GOOD_DAYS = { ndr: 30, complaint: 400, unsubscribe: 400, filed: 400 } as const satisfies Record<Family, number>

/** What a list takes even after the mail itself is retired. */
const OUTLIVES: readonly Family[] = ['complaint', 'unsubscribe']

/** Finds the mail and says what the report may do. Total. */
export function matchReport<D extends Candidate>(input: MatchInput<D>): Match<D> {
  const family = FAMILIES[input.report.kind]
  const tokens = input.clues.filter((clue): clue is TokenClue => 'token' in clue)
  const valid = tokens.filter((clue) => clue.token.state === 'valid')
  const best = valid.find((clue) => isProving(family, clue)) ?? valid[0]
  if (best !== undefined) {
    const found = behindToken(input, best)
    if (found !== null)
      return judge(input, family, { ...found, via: best.via, proving: isProving(family, best), cfbl: best.via === 'cfbl-feedback-id' })
  }
  return byPointer(input, family, tokens)
}

/** What a person has linked: the operator's word. */
export function matchByHand<D extends Candidate>(delivery: D): Match<D> {
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
export function isListedReporter(auth: AuthSummary, reporters: ReadonlySet<string>): boolean {
  return auth.dkim.some((each) => each.valid && each.aligned && isListed(each.domain.toLowerCase(), reporters))
}

/** A listed domain speaks for those below it too. */
function isListed(domain: string, reporters: ReadonlySet<string>): boolean {
  const labels = domain.split('.').slice(-8)
  return labels.some((_, index) => index < labels.length - 1 && reporters.has(labels.slice(index).join('.')))
}

/** Where a valid token proves this kind of report. */
function isProving(family: Family, { via, token }: TokenClue): boolean {
  if (family === 'ndr') return (via === 'rcpt' || via === 'return-path') && token.purpose === 'return-path'
  if (family === 'unsubscribe') return via === 'rcpt' && token.purpose === 'unsubscribe'
  return true
}

type Found<D> = { readonly account: number; readonly deliveryId: string; readonly delivery: D | null; readonly stub: boolean }
type Case<D> = Found<D> & { readonly via: Via; readonly proving: boolean; readonly cfbl: boolean }

/** Null: nobody's number. A number that names another account than the row is nobody's too. */
function behindToken<D extends Candidate>(input: MatchInput<D>, { token }: TokenClue): Found<D> | null {
  const owner = input.accountOf(token.account)
  const delivery = input.loaded.byId(token.deliveryId)
  if (owner === null || (delivery !== null && delivery.account !== owner.account)) return null
  return { account: owner.account, deliveryId: token.deliveryId, delivery, stub: owner.offline && delivery?.registered !== true }
}

function judge<D extends Candidate>(input: MatchInput<D>, family: Family, found: Case<D>): Match<D> {
  const remains = remainsOf(input, family, found)
  const stub = found.stub && remains === null
  const base = { account: found.account, deliveryId: found.deliveryId, delivery: found.delivery, stub, via: found.via }
  const isGone = found.delivery === null && remains === null
  // Nobody can vouch for what is gone, and no report makes a stub of it again.
  if (isGone && isRetired(found.deliveryId, input.keptFrom)) return { ...base, proof: null, problem: 'expired' }
  if (isGone && !stub) return { ...base, proof: null, problem: 'unregistered' }
  const proof = proofOf(input, family, found)
  if (input.vouched) return { ...base, proof: proof ?? 'operator', problem: null }
  if (isExpired(found.deliveryId, GOOD_DAYS[family], input.at)) return { ...base, proof: null, problem: 'expired' }
  return { ...base, proof, problem: proof === null ? 'unverified' : null }
}

function remainsOf<D extends Candidate>(
  input: MatchInput<D>,
  family: Family,
  { account, deliveryId, delivery }: Case<D>,
): Pick<Candidate, 'account'> | null {
  const remains = delivery === null && OUTLIVES.includes(family) ? input.loaded.remains(deliveryId) : null
  return remains?.account === account ? remains : null
}

function isRetired(deliveryId: string, keptFrom: number): boolean {
  const parts = parseDeliveryId(deliveryId)
  return parts !== null && startOfDay(parts.day) < keptFrom
}

function proofOf<D extends Candidate>(input: MatchInput<D>, family: Family, found: Case<D>): 'signed' | 'token' | null {
  const listed = isListedReporter(input.auth, input.reporters)
  if (!found.proving) return listed && isSameRecipient(input.report, found.delivery) ? 'signed' : null
  if (family !== 'complaint') return listed ? 'signed' : 'token'
  const signed = listed || (found.cfbl && input.auth.dkim.some((each) => each.valid && each.aligned))
  if (signed) return 'signed'
  return input.trustOf(found.account) === 'any' ? 'token' : null
}

/** Broken tokens and bare names: one mail only, and only from a listed reporter who names the same recipient. */
function byPointer<D extends Candidate>(input: MatchInput<D>, family: Family, tokens: readonly TokenClue[]): Match<D> {
  for (const clue of [...tokens, ...input.clues.filter((each): each is NameClue => 'value' in each)]) {
    const rows = 'token' in clue ? ownRow(input, clue) : input.loaded.byName(clue)
    const [row] = rows
    if (row === undefined) continue
    if (rows.length > 1)
      return { ...nobody(rows.every((each) => each.account === row.account) ? row.account : 0), via: clue.via, problem: 'ambiguous' }
    return judge(input, family, {
      account: row.account,
      deliveryId: row.deliveryId,
      delivery: row,
      stub: !row.registered,
      via: clue.via,
      proving: false,
      cfbl: false,
    })
  }
  return nobody(0)
}

function ownRow<D extends Candidate>(input: MatchInput<D>, clue: TokenClue): readonly D[] {
  const found = behindToken(input, clue)
  return found === null || found.delivery === null ? [] : [found.delivery]
}

function nobody<D extends Candidate>(account: number): Match<D> {
  return { account, deliveryId: null, delivery: null, stub: false, via: null, proof: null, problem: 'unmatched' }
}

/** Whether the report names the address that we sent to. */
function isSameRecipient<D extends Candidate>(report: Report, delivery: D | null): boolean {
  if (delivery === null || delivery.addressHash === null) return false
  const named = [
    ...report.recipients.flatMap((each) => [each.recipient, each.originalRecipient]),
    ...(report.complaint?.originalRcptTo ?? []),
    ...(report.returned?.to ?? []),
  ]
  return named.some((address) => address !== null && hashAddress(address) === delivery.addressHash)
}
