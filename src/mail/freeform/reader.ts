/**
 * reader - finds recipients and diagnostics in bounces written as prose
 *
 * Walks the report's own lines once, knows sections by the markers of mail/freeform/formats, and recognises an address with its
 * diagnostic by shape: an address alone in a line, at the start of a line before a failure phrase, after a label that
 * names a recipient, in a RCPT TO command, inside a reply. Each candidate has a rank; lower ranks are dropped if a better one exists.
 *
 * Promises: total, linear in the text, at most 1,000 pairs. Never takes the address of the sender, the reporter or a help desk, or
 * one in a URL. See also: mail/freeform/split-quoted, mail/freeform/format-index, mail/dsn/recipients (decides between sources).
 */
import { extractAddresses, parseBareAddress } from '../mime/address.ts'
import type { MarkerRole } from './bounce-format.ts'
import type { TextLine } from './split-quoted.ts'
import { ADDRESS_SUFFIX, RANK, rankAddress } from './address-rank.ts'
import type { LineContext } from './address-rank.ts'
import { isSectionTitle } from './format-index.ts'
import type { LineMarker } from './format-index.ts'
import { FAILURE_PHRASE, REPLY_LINE } from './phrases.ts'
import { findOpenSentence, isRoleAddress } from './unlabelled-recipient.ts'

export type AddressDiagnosticPair = {
  readonly address: string
  /** The address that the message was first sent to, if the text names both. */
  readonly originalAddress: string | null
  readonly rank: number
  /** Whether the line above is a title about a failure, such as "could not be delivered to:". */
  readonly hasFailureTitle: boolean
  /** The text about the address, line by line. */
  readonly diagnosticLines: readonly string[]
}

/** More recipients than servers accept in one transaction. */
const MAX_PAIRS = 1_000

/** `end`: the offset after the address in its line. */
type LineCandidate = { readonly address: string; readonly rank: number; readonly end: number }
type AddressCandidate = LineCandidate & { readonly lineIndex: number; readonly hasFailureTitle: boolean }

/**
 * Finds the addresses that the lines of a report are about. `isOwnAddress` (lower case): addresses that count only where they stand alone.
 * Total.
 */
export function findAddressDiagnosticPairs(
  lines: readonly TextLine[],
  isOwnAddress: (address: string) => boolean,
): readonly AddressDiagnosticPair[] {
  const candidates = findCandidates(lines, isOwnAddress)
  const best = candidates.reduce((most, candidate) => Math.max(most, candidate.rank), 0)
  const least = best >= RANK.alone ? RANK.alone : best
  return pairWithDiagnostics(
    lines,
    candidates.filter((candidate) => candidate.rank >= least && candidate.rank > 0),
  )
}

type Section = 'none' | Exclude<MarkerRole, 'signature' | 'originalBelow'>

function findCandidates(lines: readonly TextLine[], isOwnAddress: (address: string) => boolean): readonly AddressCandidate[] {
  const candidates: AddressCandidate[] = []
  let section: Section = 'none'
  let previousLine = ''
  let isSettled = false
  for (const [at, line] of lines.entries()) {
    if (candidates.length >= MAX_PAIRS * 4) break
    let isLabelled = false
    for (const { role } of line.markers) {
      if (role === 'signature' || role === 'originalBelow') continue
      isLabelled ||= role === 'recipientLabel'
      section = role
    }
    if (line.text.includes('@')) {
      let openSentence: string | null = null
      const context: LineContext = {
        section,
        isLabelled,
        previousLine,
        openSentence: () => (openSentence ??= findOpenSentence(lines, at)),
        isOwnAddress,
        isSettled,
      }
      const hasFailureTitle = /[:：]\s*$/.test(previousLine) && FAILURE_PHRASE.test(previousLine)
      for (const candidate of findCandidatesInLine(line.text, context)) {
        if (isInsideDiagnostic(lines, at, candidates.at(-1))) break
        candidates.push({ ...candidate, lineIndex: at, hasFailureTitle })
        isSettled ||= candidate.rank >= RANK.alone
      }
      if (section === 'senderLabel' || section === 'recipientLabel') section = 'none'
    }
    if (line.text.trim() !== '') previousLine = line.text
  }
  return candidates
}

const indentOf = (line: string): number => line.length - line.trimStart().length

/**
 * Whether a line continues the diagnostic of the candidate above it: indented deeper, without a blank line between, and below a reply or text
 * about a failure.
 */
function isInsideDiagnostic(lines: readonly TextLine[], at: number, last: AddressCandidate | undefined): boolean {
  if (last === undefined || last.rank < RANK.alone || last.lineIndex === at || at - last.lineIndex > 40) return false
  const opener = lines[last.lineIndex]?.text ?? ''
  const between = lines.slice(last.lineIndex + 1, at)
  const isBlock = [...between.map((line) => line.text), lines[at]?.text ?? ''].every(
    (text) => indentOf(text) > indentOf(opener) && text.trim() !== '',
  )
  return isBlock && between.some((line) => REPLY_LINE.test(line.text) || FAILURE_PHRASE.test(line.text))
}

/** The line of a recipient with its diagnostic: `<a@example.com>: host …`, `<a@example.com> (expanded from <b@example.org>): …`. */
const ENTRY_LINE = /^<[^<>\s]{1,320}@[^<>\s]{1,255}>(?: \([^()]{1,400}\))?: \S/

/** The candidates in one line that contains an @. */
function findCandidatesInLine(text: string, context: LineContext): readonly LineCandidate[] {
  if (context.section === 'senderLabel' || context.section === 'advice') return []
  const parent = PARENT_ADDRESS.exec(text)
  if (parent !== null && parent.index < 12) return UNDISCLOSED_ADDRESS.test(context.previousLine) ? toParentCandidate(parent[1] ?? '') : []
  const found = ENTRY_LINE.test(text) ? extractAddresses(text, 1) : extractAddresses(text)
  const out: LineCandidate[] = []
  let end = 0
  let rank = 0
  for (const hit of found) {
    const head = text.slice(end, hit.index)
    const tail = text.slice(hit.end)
    rank =
      end > 0 && rank >= RANK.alone && isListSeparator(head) ? rank : rankAddress({ text, head: text.slice(0, hit.index), tail, context })
    end = hit.end
    const address = hit.address.toLowerCase()
    if (rank === 0) continue
    if (rank < RANK.alone && (context.isSettled || context.isOwnAddress(address) || isRoleAddress(address))) continue
    out.push({ address: hit.address, rank, end })
  }
  return out
}

/** Exim hides the address that an alias or forwarding rule led to, and names only its parent. */
const UNDISCLOSED_ADDRESS = /^\s*(?:an )?undisclosed address\s*$/i

function toParentCandidate(text: string): readonly LineCandidate[] {
  const address = parseBareAddress(text)
  return address === null ? [] : [{ address, rank: RANK.labelled, end: Number.MAX_SAFE_INTEGER }]
}

/** Whether only separators stand between two addresses: commas, brackets, "mailto:". */
function isListSeparator(between: string): boolean {
  return /^[\s<>"',;()[\]]*(?:(?:mailto|smtp):)?(?:and|und|et|y|e)?[\s<>"',;()[\]]*$/i.test(between) && between.length < 16
}

type PairDraft = { -readonly [Key in keyof AddressDiagnosticPair]: AddressDiagnosticPair[Key] } & { diagnosticLines: string[] }

/** Assigns the lines below each candidate, up to the next one, and merges candidates with the same address. */
function pairWithDiagnostics(lines: readonly TextLine[], candidates: readonly AddressCandidate[]): readonly AddressDiagnosticPair[] {
  const byAddress = new Map<string, PairDraft>()
  const unfilledLists: string[][] = []
  for (const [n, candidate] of candidates.entries()) {
    const { address, rank, hasFailureTitle } = candidate
    const key = address.toLowerCase()
    let pair = byAddress.get(key)
    if (pair === undefined) {
      if (byAddress.size >= MAX_PAIRS) break
      pair = { address, originalAddress: null, rank, hasFailureTitle, diagnosticLines: [] }
      byAddress.set(key, pair)
    }
    pair.rank = Math.max(pair.rank, rank)
    const next = nextCandidateLine(candidates, n)
    const diagnosticLines = collectDiagnosticLines(lines, candidate, next)
    if (!unfilledLists.includes(pair.diagnosticLines)) unfilledLists.push(pair.diagnosticLines)
    if (diagnosticLines.length === 0 && next !== null) continue
    for (const list of unfilledLists) if (list.length < MAX_DIAGNOSTIC_LINES * 3) list.push(...diagnosticLines)
    unfilledLists.length = 0
    const parent = findParentAddress(lines, candidate.lineIndex, next ?? lines.length)
    if (parent !== null && parent.toLowerCase() !== key) pair.originalAddress = parent
  }
  return [...byAddress.values()]
}

function nextCandidateLine(candidates: readonly AddressCandidate[], n: number): number | null {
  const here = candidates[n]?.lineIndex ?? 0
  for (let next = n + 1; next < candidates.length; next++) {
    const line = candidates[next]?.lineIndex ?? 0
    if (line !== here) return line
  }
  return null
}

/** A line `Reason: 550 …` belongs to the recipient above it; a title opens a section about all recipients. */
function endsDiagnostic(text: string, marker: LineMarker): boolean {
  if (marker.role === 'signature') return false
  return marker.role !== 'diagnosticsBelow' || isSectionTitle(text, marker)
}

/** The longest known diagnostics, of Exchange Online, have about 100 lines. */
const MAX_DIAGNOSTIC_LINES = 200

/** Whether a line says why before it names the address: `User's mailbox is full: <ann@example.net>`. */
function namesCause(line: string, candidate: AddressCandidate): boolean {
  const head = line.slice(0, Math.max(0, candidate.end - candidate.address.length))
  return head.length > 12 && head.length < 200 && CAUSE_BEFORE_ADDRESS.test(head)
}

const CAUSE_BEFORE_ADDRESS =
  /\b(?:full|quota|unknown|no such|not exist|not found|invalid|disabled|inactive|suspended|blocked|too (?:large|big)|over limit|expired|spam)\b/i

/** The text of one candidate: the rest of its own line and the lines below it, up to the next candidate or section. */
function collectDiagnosticLines(lines: readonly TextLine[], candidate: AddressCandidate, next: number | null): readonly string[] {
  const ownLine = lines[candidate.lineIndex]?.text ?? ''
  const diagnosticLines: string[] = []
  const rest = ownLine.slice(candidate.end)
  if (!ADDRESS_SUFFIX.test(rest) || candidate.rank < RANK.alone || namesCause(ownLine, candidate)) diagnosticLines.push(ownLine.trim())
  for (let at = candidate.lineIndex + 1; at < (next ?? lines.length) && diagnosticLines.length < MAX_DIAGNOSTIC_LINES; at++) {
    const line = lines[at]
    if (line === undefined || line.markers.some((marker) => endsDiagnostic(line.text, marker))) break
    const text = line.text.trim()
    // A blank line ends a reply.
    if (text !== '' || (diagnosticLines.at(-1) ?? '') !== '') diagnosticLines.push(text)
  }
  if (diagnosticLines.at(-1) === '') diagnosticLines.pop()
  return diagnosticLines
}

/** Exim and Postfix write the parent of a generated address in parentheses. */
const PARENT_ADDRESS = /\((?:ultimately )?(?:generated|expanded) from <?([^\s<>()]{1,320}@[^\s<>()]{1,255})>?\)/i
/** Lines below an address that may name its parent. */
const MAX_PARENT_DISTANCE = 4

function findParentAddress(lines: readonly TextLine[], from: number, to: number): string | null {
  for (let at = from; at < Math.min(to, from + MAX_PARENT_DISTANCE); at++) {
    const text = lines[at]?.text ?? ''
    const parent = text.includes(' from ') ? PARENT_ADDRESS.exec(text)?.[1] : undefined
    if (parent !== undefined) return parent
  }
  return null
}
