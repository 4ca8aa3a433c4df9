/**
 * references - what in a report points at a mail of ours, in order of trust
 *
 * Tokens are looked for where mail systems leave what we wrote: the recipient of the report, the returned Return-Path, CFBL-Feedback-ID,
 * the envelope id, List-Unsubscribe. Then the bare names: emailId and Message-ID, which anybody may write.
 *
 * Pure, total. RFC 9477 (CFBL), RFC 3461 (ENVID), RFC 2369. See also: correlate/return-path-unwrap, correlate/match.
 */
import type { Report } from '../mail/report.ts'
import type { KeyFor } from './token-keys.ts'
import { type Purpose, readToken, type TokenRead } from './token.ts'
import { tokenPieces } from './return-path-unwrap.ts'

/** Where a clue stood, the most trusted first. */
const VIAS = ['rcpt', 'return-path', 'cfbl-feedback-id', 'list-unsubscribe', 'envelope-id', 'email-id', 'message-id'] as const
export type Via = (typeof VIAS)[number]

export type KnownToken = Exclude<TokenRead, { state: 'none' }>
export type TokenClue = { readonly via: Exclude<Via, 'email-id' | 'message-id'>; readonly token: KnownToken }
export type NameClue = { readonly via: 'email-id' | 'message-id'; readonly value: string }
export type Clue = TokenClue | NameClue

/** The domains that are ours, as A-labels: tokens are signed for one of them. */
export type OurDomains = { readonly returnPath: readonly string[]; readonly feedback: readonly string[] }

export type ClueInput = { readonly report: Report; readonly rcpt: string; readonly domains: OurDomains; readonly keyFor: KeyFor }

/** The header in which a sender may carry the emailId. */
const EMAIL_ID_HEADER = 'x-email-id'

/** No honest report names more. */
const MAX_CLUES = 24
const MAX_TEXT = 2_000

/** Every clue of a report, the most trusted first. `rcpt` is the SMTP recipient that the report was sent to. */
export function cluesOf(input: ClueInput): readonly Clue[] {
  const clues: Clue[] = [...tokenClues(input), ...nameClues(input.report)]
  return clues.slice(0, MAX_CLUES)
}

/** Reads one piece as a token of any of these purposes, for any of these domains. */
type ReadAny = (piece: string, purposes: readonly Purpose[], at: readonly string[]) => KnownToken | null

/** The tokens, place by place. A token stands in most reports twice or more; it is read once. */
function tokenClues({ report, rcpt, domains, keyFor }: ClueInput): TokenClue[] {
  const rcptDomain = rcpt.slice(rcpt.lastIndexOf('@') + 1).toLowerCase()
  const isReturnPath = domains.returnPath.includes(rcptDomain)
  const isFeedback = domains.feedback.includes(rcptDomain)
  const paths = texts([report.returned?.returnPath, report.returned?.headers['return-path'], report.complaint?.originalMailFrom])
  const returned = report.returned?.headers ?? {}
  const cfbl = texts([returned['cfbl-feedback-id'], report.complaint?.fields['cfbl-feedback-id'], report.headers['cfbl-feedback-id']])
  const readAny = createReadAny(keyFor)
  const found: TokenClue[] = []
  const search = (via: TokenClue['via'], from: readonly string[], purposes: readonly Purpose[], at: readonly string[]): void => {
    for (const text of from) {
      for (const piece of piecesOf(text)) {
        const token = readAny(piece, purposes, at)
        if (token !== null) found.push({ via, token })
      }
    }
  }
  if (isReturnPath) search('rcpt', [rcpt], ['return-path'], [rcptDomain])
  if (isFeedback) search('rcpt', [rcpt], ['feedback', 'unsubscribe'], [rcptDomain])
  search('return-path', paths, ['return-path'], domains.returnPath)
  search('cfbl-feedback-id', cfbl, ['feedback'], domains.feedback)
  search('list-unsubscribe', texts([returned['list-unsubscribe']]), ['unsubscribe'], domains.feedback)
  search('envelope-id', texts([report.envelopeId]), ['return-path'], domains.returnPath)
  return found
}

function createReadAny(keyFor: KeyFor): ReadAny {
  const known = new Map<string, TokenRead>()
  const read = (piece: string, purpose: Purpose, domain: string): TokenRead => {
    const name = `${piece} ${purpose} ${domain}`
    const before = known.get(name)
    if (before !== undefined) return before
    const now = readToken(piece, purpose, domain, keyFor)
    known.set(name, now)
    return now
  }
  return (piece, purposes, at) => {
    let best: KnownToken | null = null
    for (const purpose of purposes) {
      for (const domain of at) {
        const now = read(piece, purpose, domain)
        if (now.state === 'valid') return now
        if (now.state !== 'none') best ??= now
      }
    }
    return best
  }
}

const SEPARATORS = /[\s,;<>"]+/
const PLAIN = /^[A-Za-z0-9]{14,30}@[A-Za-z0-9.-]+$/

/** Addresses are unwrapped; in links and lists of them, what stands between separators. */
function piecesOf(text: string): readonly string[] {
  const bare = text.startsWith('<') && text.endsWith('>') ? text.slice(1, -1) : text
  // Most are our own Return-Path as we wrote it.
  if (bare.length < 300 && PLAIN.test(bare)) return plainPieces(bare)
  const pieces = text
    .slice(0, MAX_TEXT)
    .split(SEPARATORS)
    .filter((part) => part.length >= 14)
    .slice(0, 16)
    .flatMap((part) => [
      ...tokenPieces(part.replace(/^mailto:/i, '').replace(/\?.*$/, '')),
      ...part.split(/[^A-Za-z0-9]/).filter((run) => run.length === 30),
    ])
  return [...new Set(pieces)]
}

/** As the long way has it: the local part, then any label of the domain that is as long as a token. */
function plainPieces(address: string): readonly string[] {
  const at = address.indexOf('@')
  const local = address.slice(0, at)
  if (address.length < at + 31) return [local]
  const labels = address.slice(at + 1).split(/[.-]/)
  return [...new Set([local, ...labels.filter((label) => label.length === 30)])]
}

function nameClues(report: Report): NameClue[] {
  const returned = report.returned?.headers ?? {}
  const emailIds = texts([returned[EMAIL_ID_HEADER], report.envelopeId?.includes('$') === true ? report.envelopeId : null])
  const answered = texts([report.headers['in-reply-to'], report.headers['references']]).flatMap((text) =>
    text.slice(0, MAX_TEXT).split(/[\s,]+/),
  )
  const messageIds = [...texts([report.returned?.messageId, returned['message-id']]), ...answered]
  return [
    ...unique(emailIds.map((value) => value.trim())).map((value) => ({ via: 'email-id' as const, value })),
    ...unique(messageIds.map(bareMessageId)).map((value) => ({ via: 'message-id' as const, value })),
  ]
}

/** A Message-ID without its brackets and white space: the form in which it is stored and looked up. */
export function bareMessageId(text: string): string {
  return text.trim().replace(/^<+/, '').replace(/>+$/, '').trim()
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].filter((value) => value.length > 0 && value.length <= 998)
}

function texts(values: readonly (string | null | undefined)[]): readonly string[] {
  return values.filter((value): value is string => typeof value === 'string' && value !== '')
}
