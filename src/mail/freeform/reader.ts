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
import { extractAddresses } from '../mime/address.ts'
import type { TextLine } from './split-quoted.ts'
import { isSectionTitle } from './format-index.ts'
import type { LineMarker } from './format-index.ts'
import { FAILURE_PHRASE, CONTACT_LINE, NON_RECIPIENT_LABEL, RECIPIENT_LABEL, REPLY_LINE } from './phrases.ts'

/** Confidence of a candidate: named by a section or label, alone in its line, in a command or reply, in a sentence. */
const RANK = { labelled: 4, alone: 3, command: 2, sentence: 1 } as const

export type AddressDiagnosticPair = {
  readonly address: string
  /** The address that the message was first sent to, if the text names both. */
  readonly originalAddress: string | null
  readonly rank: number
  /** The text about the address, line by line. */
  readonly diagnosticLines: readonly string[]
}

/** More recipients than servers accept in one transaction. */
const MAX_PAIRS = 1_000

/** `end`: the offset after the address in its line. */
type AddressCandidate = { readonly address: string; readonly rank: number; readonly lineIndex: number; readonly end: number }

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

function findCandidates(lines: readonly TextLine[], isOwnAddress: (address: string) => boolean): readonly AddressCandidate[] {
  const candidates: AddressCandidate[] = []
  let section: 'none' | 'recipientsBelow' | 'recipientLabel' | 'senderLabel' | 'diagnosticsBelow' | 'advice' = 'none'
  let previousLine = ''
  let isSettled = false
  for (let at = 0; at < lines.length && candidates.length < MAX_PAIRS * 4; at++) {
    const line = lines[at]
    if (line === undefined) break
    let isLabelled = false
    for (const marker of line.markers) {
      if (marker.role === 'signature' || marker.role === 'originalBelow') continue
      isLabelled ||= marker.role === 'recipientLabel'
      section = marker.role
    }
    if (line.text.includes('@')) {
      for (const candidate of findCandidatesInLine(line.text, { section, isLabelled, previousLine, isOwnAddress, isSettled })) {
        candidates.push({ ...candidate, lineIndex: at })
        isSettled ||= candidate.rank >= RANK.alone
      }
      if (section === 'senderLabel' || section === 'recipientLabel') section = 'none'
    }
    if (line.text.trim() !== '') previousLine = line.text
  }
  return candidates
}

type LineContext = {
  readonly section: string
  readonly isLabelled: boolean
  readonly previousLine: string
  readonly isOwnAddress: (address: string) => boolean
  /** A candidate of rank `alone` or better exists, so lower ranks no longer count. */
  readonly isSettled: boolean
}

const ADDRESS_PREFIX = /^[\s<>"'`(*•·\-–—=|#[\]{,;:.!]*(?:\d{1,3}[.)]\s+)?(?:(?:mailto|smtp|rfc822|local)[:;]\s*)?[<"'[]*$/i
const ADDRESS_SUFFIX = /^[>"'\])},;.\s:]*(?:<?mailto:[^\s>]*>?)?[>"'\])},;.\s:]*$/

/** The candidates in one line that contains an @. */
function findCandidatesInLine(text: string, context: LineContext): readonly Omit<AddressCandidate, 'lineIndex'>[] {
  if (context.section === 'senderLabel' || context.section === 'advice') return []
  const found = extractAddresses(text)
  const out: Omit<AddressCandidate, 'lineIndex'>[] = []
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

/** Whether only separators stand between two addresses: commas, brackets, "mailto:". */
function isListSeparator(between: string): boolean {
  return /^[\s<>"',;()[\]]*(?:(?:mailto|smtp):)?(?:and|und|et|y|e)?[\s<>"',;()[\]]*$/i.test(between) && between.length < 16
}

const ROLE_MAILBOXES: ReadonlySet<string> = new Set([
  'postmaster',
  'mailer-daemon',
  'mailerdaemon',
  'abuse',
  'support',
  'helpdesk',
  'noreply',
  'no-reply',
  'admin',
  'hostmaster',
  'webmaster',
  'help',
  'double-bounce',
])

/** Text before an @ that is not part of a mailbox. */
const NON_MAILBOX_PREFIX = /https?:\S*$|\b(?:references|in-reply-to|message-?id|queue|log)\b[^@]*$/i

/** The only address in the lines that is not an own, role or labelled address; null if there are none or several. */
export function findOnlyAddress(lines: readonly TextLine[], isOwnAddress: (address: string) => boolean): string | null {
  let onlyAddress: string | null = null
  for (const line of lines) {
    if (!line.text.includes('@') || CONTACT_LINE.test(line.text)) continue
    for (const hit of extractAddresses(line.text, 10)) {
      const address = hit.address.toLowerCase()
      const label = line.text.slice(Math.max(0, hit.index - 60), hit.index)
      if (isOwnAddress(address) || isRoleAddress(address) || NON_RECIPIENT_LABEL.test(label) || NON_MAILBOX_PREFIX.test(label)) continue
      if (onlyAddress !== null && onlyAddress.toLowerCase() !== address) return null
      onlyAddress = hit.address
    }
  }
  return onlyAddress
}

function isRoleAddress(address: string): boolean {
  return ROLE_MAILBOXES.has(address.slice(0, address.lastIndexOf('@')))
}

function rankAddress(at: { text: string; head: string; tail: string; context: LineContext }): number {
  const { head, tail, context, text } = at
  if (head === '' || head === '<') return rankAtStart(tail, context, text)
  if (/(?:from|sender|message-id):?\s{0,20}<?$/i.test(head.slice(-40))) return 0
  if ((head.includes('//') && /\/\/\S*$/.test(head)) || (/[?&=/]\S*$/.test(head.slice(-40)) && /https?:/i.test(head))) return 0
  if (ADDRESS_PREFIX.test(head)) return rankAtStart(tail, context, text)
  const label = head.slice(-60)
  if (/rcpt to:? ?<?$/i.test(label)) return RANK.command
  if (context.isLabelled) return RANK.labelled
  if (NON_RECIPIENT_LABEL.test(label)) return 0
  if (RECIPIENT_LABEL.test(label)) return RANK.alone
  if (context.isSettled) return 0
  if (REPLY_LINE.test(text)) return RANK.command
  return FAILURE_PHRASE.test(text) && !CONTACT_LINE.test(text) ? RANK.sentence : 0
}

function rankAtStart(tail: string, context: LineContext, text: string): number {
  const isRecipientSection = context.section === 'recipientsBelow' || context.section === 'recipientLabel'
  if (!isRecipientSection && CONTACT_LINE.test(context.previousLine)) return 0
  const rest = tail.replace(/^[>"'\])]+/, '')
  if (ADDRESS_SUFFIX.test(tail)) return isRecipientSection ? RANK.labelled : RANK.alone
  if (/^\s+(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|said|さん|写道)/i.test(rest)) return 0
  if (/^\s*(?::|\.\.\.|\[|\(|-|–|=|;|,|\t| on \w{3}, )/.test(rest)) return RANK.alone
  if (isRecipientSection || /[:：]\s*$/.test(context.previousLine)) return RANK.alone
  return FAILURE_PHRASE.test(text) || REPLY_LINE.test(text) ? RANK.alone : 0
}

/** Assigns the lines below each candidate, up to the next one, and merges candidates with the same address. */
function pairWithDiagnostics(lines: readonly TextLine[], candidates: readonly AddressCandidate[]): readonly AddressDiagnosticPair[] {
  const byAddress = new Map<string, { address: string; originalAddress: string | null; rank: number; diagnosticLines: string[] }>()
  const unfilledLists: string[][] = []
  const originals = findParentAddresses(lines)
  for (let n = 0; n < candidates.length; n++) {
    const candidate = candidates[n]
    if (candidate === undefined || originals.skip.has(candidate.lineIndex)) continue
    const key = candidate.address.toLowerCase()
    let pair = byAddress.get(key)
    if (pair === undefined) {
      if (byAddress.size >= MAX_PAIRS) break
      pair = { address: candidate.address, originalAddress: null, rank: candidate.rank, diagnosticLines: [] }
      byAddress.set(key, pair)
    }
    pair.rank = Math.max(pair.rank, candidate.rank)
    const next = nextCandidateLine(candidates, n)
    const diagnosticLines = collectDiagnosticLines(lines, candidate, next)
    if (!unfilledLists.includes(pair.diagnosticLines)) unfilledLists.push(pair.diagnosticLines)
    if (diagnosticLines.length === 0 && next !== null) continue
    for (const list of unfilledLists) if (list.length < 200) list.push(...diagnosticLines)
    unfilledLists.length = 0
    pair.originalAddress = findParentBelow(originals.parents, candidate.lineIndex, next ?? lines.length) ?? pair.originalAddress
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

const MAX_DIAGNOSTIC_LINES = 60

/** The text of one candidate: the rest of its own line and the lines below it, up to the next candidate or section. */
function collectDiagnosticLines(lines: readonly TextLine[], candidate: AddressCandidate, next: number | null): readonly string[] {
  const ownLine = lines[candidate.lineIndex]?.text ?? ''
  const diagnosticLines: string[] = []
  const rest = ownLine.slice(candidate.end)
  if (!ADDRESS_SUFFIX.test(rest) || candidate.rank < RANK.alone) diagnosticLines.push(ownLine.trim())
  for (let at = candidate.lineIndex + 1; at < (next ?? lines.length) && diagnosticLines.length < MAX_DIAGNOSTIC_LINES; at++) {
    const line = lines[at]
    if (line === undefined || line.markers.some((marker) => endsDiagnostic(line.text, marker))) break
    const text = line.text.trim()
    if (text !== '') diagnosticLines.push(text)
  }
  return diagnosticLines
}

const PARENT_ADDRESS = /\((?:ultimately )?generated from (\S+@\S+)\)/i

/** Exim writes the parent of a generated address in parentheses. */
function findParentAddresses(lines: readonly TextLine[]): { parents: ReadonlyMap<number, string>; skip: ReadonlySet<number> } {
  const parents = new Map<number, string>()
  const skip = new Set<number>()
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at]?.text ?? ''
    if (!text.includes('(') || !text.includes('enerated from ')) continue
    const parent = PARENT_ADDRESS.exec(text)?.[1]
    if (parent === undefined) continue
    parents.set(at, parent)
    skip.add(at)
  }
  return { parents, skip }
}

function findParentBelow(parents: ReadonlyMap<number, string>, from: number, to: number): string | null {
  for (let at = from; at < Math.min(to, from + 4); at++) {
    const parent = parents.get(at)
    if (parent !== undefined) return parent
  }
  return null
}
