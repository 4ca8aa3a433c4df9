/**
 * references - everything in a report that may name one of our deliveries, the most trusted first
 *
 * Tokens are searched where mail systems preserve them: the recipient of the report; the header of the returned message (Return-Path,
 * CFBL-Feedback-ID, List-Unsubscribe, and the Message-ID if we made it); the fields of a feedback report and the envelope id of a delivery
 * report. The report's own header holds none, because anybody can add a field there. Then come VERP addresses and Message-IDs, which anyone can
 * write: they find a delivery for a person, and prove nothing by themselves.
 *
 * Pure, total. RFC 9477 (CFBL), RFC 3461 (ENVID), RFC 2369, RFC 5322 §3.6.4. See also: correlate/return-path-unwrap, correlate/verp, correlate/match.
 */
import type { Report } from '../mail/report.ts'
import type { TokenKeyLookup } from './token-keys.ts'
import { type TokenPurpose, parseToken, type ParsedToken } from './token.ts'
import { unwrapReturnPath } from './return-path-unwrap.ts'
import { findVerpReferences, type VerpAddress, type VerpReference } from './verp.ts'

/** Where a reference was found, the most trusted first. */
const REFERENCE_LOCATIONS = [
  'rcpt',
  'return-path',
  'cfbl-feedback-id',
  'list-unsubscribe',
  'feedback-report',
  'envelope-id',
  'message-id',
  'verp',
  'in-reply-to',
] as const
export type ReferenceLocation = (typeof REFERENCE_LOCATIONS)[number]

type LegibleToken = Exclude<ParsedToken, { state: 'none' }>
export type TokenReference = { readonly via: ReferenceLocation; readonly token: LegibleToken }
/** A Message-ID that a client chose, that was made before Message-IDs had a token, or that somebody guessed. */
export type IdReference = { readonly via: 'message-id' | 'in-reply-to'; readonly value: string }
export type MailReference = TokenReference | IdReference | VerpReference

/** Our domains as A-labels. A token is signed for one of the first two kinds; `verp` are Return-Path domains of foreign MTAs. */
export type TokenDomains = {
  readonly returnPath: readonly string[]
  readonly feedback: readonly string[]
  readonly verp?: readonly string[]
}

type ReferenceInput = {
  readonly report: Report
  readonly rcpt: string
  readonly domains: TokenDomains
  readonly keyFor: TokenKeyLookup
  readonly verpAddresses: readonly VerpAddress[]
}

/** No genuine report has more. */
const MAX_REFERENCES = 24
/** Each is looked up in the store, and a stranger chooses them: the returned Message-ID, and the last ones of a thread. */
const MAX_ID_REFERENCES = 4
const MAX_SCANNED_LENGTH = 2_000

/** All references of a report, the most trusted first. `rcpt` is the SMTP recipient of the report. */
export function findReferences(input: ReferenceInput): readonly MailReference[] {
  const { report } = input
  const returned = { paths: returnedPaths(report), messageIds: returnedMessageIds(report) }
  const verp = findVerpReferences([input.rcpt, ...returned.paths], input.verpAddresses)
  const references: MailReference[] = [...findTokenReferences(input, returned), ...verp, ...findIdReferences(report, returned)]
  return references.slice(0, MAX_REFERENCES)
}

/** The Return-Paths and Message-IDs of the returned message. */
type ReturnedNames = { readonly paths: readonly string[]; readonly messageIds: readonly string[] }

/** Reads a text as a token for any of these purposes and domains. */
type TokenReader = (candidate: string, purposes: readonly TokenPurpose[], domains: readonly string[]) => LegibleToken | null

/** The tokens, by location. Most reports contain a token more than once; it is parsed once. */
function findTokenReferences({ report, rcpt, domains, keyFor }: ReferenceInput, { paths, messageIds }: ReturnedNames): TokenReference[] {
  const rcptDomain = rcpt.slice(rcpt.lastIndexOf('@') + 1).toLowerCase()
  const isReturnPath = domains.returnPath.includes(rcptDomain)
  const isFeedback = domains.feedback.includes(rcptDomain)
  const returned = report.originalMessage?.headers ?? {}
  const readCandidate = createTokenReader(keyFor)
  const found: TokenReference[] = []
  const search = (
    via: TokenReference['via'],
    from: readonly string[],
    purposes: readonly TokenPurpose[],
    domainsOfPurpose: readonly string[],
  ): void => {
    for (const text of from) {
      for (const candidate of tokenCandidatesOf(text)) {
        const token = readCandidate(candidate, purposes, domainsOfPurpose)
        if (token !== null) found.push({ via, token })
      }
    }
  }
  if (isReturnPath) search('rcpt', [rcpt], ['return-path'], [rcptDomain])
  if (isFeedback) search('rcpt', [rcpt], ['feedback', 'unsubscribe'], [rcptDomain])
  search('return-path', paths, ['return-path'], domains.returnPath)
  search('cfbl-feedback-id', presentTexts([returned['cfbl-feedback-id']]), ['feedback'], domains.feedback)
  search('list-unsubscribe', presentTexts([returned['list-unsubscribe']]), ['unsubscribe'], domains.feedback)
  search('feedback-report', presentTexts([report.complaint?.fields['cfbl-feedback-id']]), ['feedback'], domains.feedback)
  search('envelope-id', presentTexts([report.envelopeId]), ['return-path'], domains.returnPath)
  return [...found, ...findMessageIdTokens(messageIds, readCandidate)]
}

/** The Return-Path of the returned message, as its header and the fields of a feedback report have it. */
const returnedPaths = ({ originalMessage, complaint }: Report): readonly string[] =>
  presentTexts([originalMessage?.returnPath, originalMessage?.headers['return-path'], complaint?.originalMailFrom])

/** The returned Message-ID, if we made it. Any other left part is the choice of a client, or a guess. */
function findMessageIdTokens(messageIds: readonly string[], readCandidate: TokenReader): readonly TokenReference[] {
  return messageIds.flatMap(splitMessageId).flatMap(([left, domain]) => {
    const token = readCandidate(left, ['message-id'], [domain])
    return token?.state === 'valid' ? [{ via: 'message-id', token }] : []
  })
}

function createTokenReader(keyFor: TokenKeyLookup): TokenReader {
  const cache = new Map<string, ParsedToken>()
  const read = (candidate: string, purpose: TokenPurpose, domain: string): ParsedToken => {
    const cacheKey = `${candidate} ${purpose} ${domain}`
    const cached = cache.get(cacheKey)
    if (cached !== undefined) return cached
    const result = parseToken(candidate, purpose, domain, keyFor)
    cache.set(cacheKey, result)
    return result
  }
  return (candidate, purposes, domains) => {
    let best: LegibleToken | null = null
    for (const purpose of purposes) {
      for (const domain of domains) {
        const result = read(candidate, purpose, domain)
        if (result.state === 'valid') return result
        if (result.state !== 'none') best ??= result
      }
    }
    return best
  }
}

/** The parts of an unwrapped local part that may be tokens: 14 to 30 characters between separators, the innermost first. */
function unwrapTokenCandidates(address: string): readonly string[] {
  const locals = unwrapReturnPath(address).map((each) => each.slice(0, each.includes('@') ? each.lastIndexOf('@') : each.length))
  const pieces = locals.toReversed().flatMap((local) => local.split(/[^A-Za-z0-9]/))
  return [...new Set(pieces.filter((piece) => piece.length >= 14 && piece.length <= 30))]
}

const SEPARATORS = /[\s,;<>"]+/
const PLAIN_TOKEN_ADDRESS = /^[A-Za-z0-9]{14,30}@[A-Za-z0-9.-]+$/

/** Addresses are unwrapped. In links and lists, the text between separators is tried. */
function tokenCandidatesOf(text: string): readonly string[] {
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
  // Most are our own Return-Path, unchanged.
  if (bare.length < 300 && PLAIN_TOKEN_ADDRESS.test(bare)) return plainTokenCandidatesOf(bare)
  const candidates = text
    .slice(0, MAX_SCANNED_LENGTH)
    .split(SEPARATORS)
    .filter((part) => part.length >= 14)
    .slice(0, 16)
    .flatMap((part) => [
      ...unwrapTokenCandidates(part.replace(/^mailto:/i, '').replace(/\?.*$/, '')),
      ...part.split(/[^A-Za-z0-9]/).filter((run) => run.length === 30),
    ])
  return [...new Set(candidates)]
}

/** Gives what unwrapping would: the local part, and any label of the domain with the length of a token. */
function plainTokenCandidatesOf(address: string): readonly string[] {
  const at = address.indexOf('@')
  const local = address.slice(0, at)
  if (address.length < at + 31) return [local]
  const labels = address.slice(at + 1).split(/[.-]/)
  return [...new Set([local, ...labels.filter((label) => label.length === 30)])]
}

/** The Message-ID of the returned message, as its own header field and as the report's fields name it. */
function returnedMessageIds({ originalMessage }: Report): readonly string[] {
  return unique(presentTexts([originalMessage?.messageId, originalMessage?.headers['message-id']]).map(bareMessageId))
}

/** The left part and the domain, in which case does not matter; none without a domain. */
function splitMessageId(messageId: string): readonly (readonly [left: string, domain: string])[] {
  const at = messageId.lastIndexOf('@')
  return at < 0 ? [] : [[messageId.slice(0, at), messageId.slice(at + 1).toLowerCase()]]
}

/** The returned Message-ID, then what the report replies to, the most recent first. */
function findIdReferences(report: Report, { messageIds: returnedIds }: ReturnedNames): readonly IdReference[] {
  const thread = presentTexts([report.headers['references'], report.headers['in-reply-to']]).flatMap((text) =>
    text.slice(-MAX_SCANNED_LENGTH).split(/[\s,]+/),
  )
  const messageIds = unique([...returnedIds, ...thread.toReversed().map(bareMessageId)])
  return messageIds.slice(0, MAX_ID_REFERENCES).map((value) => ({ via: returnedIds.includes(value) ? 'message-id' : 'in-reply-to', value }))
}

/** A Message-ID without brackets and white space: the form in which it is stored and looked up. */
export function bareMessageId(text: string): string {
  return text.trim().replace(/^<+/, '').replace(/>+$/, '').trim()
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].filter((value) => value.length > 0 && value.length <= 998)
}

function presentTexts(values: readonly (string | null | undefined)[]): readonly string[] {
  return values.filter((value): value is string => typeof value === 'string' && value !== '')
}
