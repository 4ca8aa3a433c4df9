/**
 * reader - the generic reader of bounces that people were meant to read
 *
 * It walks the report's own lines once, knows sections by the marks of mail/freeform/formats, and finds the pairs of address and
 * diagnostic by shape: an address alone in a line, at the start of a line before words of failure, behind a label that
 * names a recipient, in a RCPT TO, inside a reply. Each find has a rank; only the best rank that the text offers counts.
 *
 * Promises: total, linear in the text, at most 1,000 pairs. Addresses of the sender, of the reporter, of helpers and in
 * URLs are never taken. See also: mail/freeform/split-quoted, mail/freeform/formats, mail/report (who decides).
 */
import { addressesIn } from '../mime/address.ts'
import type { TextLine } from './split-quoted.ts'
import { isTitleOf } from './formats.ts'
import type { Mark } from './formats.ts'
import { FAILURE, HELPER_LINE, OTHER_LABEL, RECIPIENT_LABEL, REPLY_LINE } from './phrases.ts'

/** How sure a find is: what a section or a label names, an address by itself, one in a reply or a sentence. */
const RANK = { named: 4, alone: 3, command: 2, sentence: 1 } as const

export type Pair = {
  readonly address: string
  /** The address that the mail was first sent to, where the text tells both. */
  readonly original: string | null
  readonly rank: number
  /** Its words, line by line. */
  readonly words: readonly string[]
}

/** More recipients than any server takes in one transaction. */
const MAX_PAIRS = 1_000

/** `end`: behind the address in its line. */
type Find = { readonly address: string; readonly rank: number; readonly line: number; readonly end: number }

/** Finds whom a report's own lines speak of. `avoid`: which (lower case) are only taken where they stand by themselves. */
export function pairsIn(lines: readonly TextLine[], avoid: (address: string) => boolean): readonly Pair[] {
  const finds = findAddresses(lines, avoid)
  const best = finds.reduce((most, find) => Math.max(most, find.rank), 0)
  const least = best >= RANK.alone ? RANK.alone : best
  return pairUp(
    lines,
    finds.filter((find) => find.rank >= least && find.rank > 0),
  )
}

function findAddresses(lines: readonly TextLine[], avoid: (address: string) => boolean): readonly Find[] {
  const finds: Find[] = []
  let section: 'none' | 'opens' | 'names' | 'sender' | 'details' | 'stops' = 'none'
  let before = ''
  let isSettled = false
  for (let at = 0; at < lines.length && finds.length < MAX_PAIRS * 4; at++) {
    const line = lines[at]
    if (line === undefined) break
    let named = false
    for (const mark of line.marks) {
      if (mark.role === 'knows' || mark.role === 'ends') continue
      named ||= mark.role === 'names'
      section = mark.role
    }
    if (line.text.includes('@')) {
      for (const find of readLine(line.text, { section, named, before, avoid, isSettled })) {
        finds.push({ ...find, line: at })
        isSettled ||= find.rank >= RANK.alone
      }
      if (section === 'sender' || section === 'names') section = 'none'
    }
    if (line.text.trim() !== '') before = line.text
  }
  return finds
}

type Place = {
  readonly section: string
  readonly named: boolean
  readonly before: string
  readonly avoid: (address: string) => boolean
  /** A find above sentences and commands is there: nothing less will count. */
  readonly isSettled: boolean
}

const LEAD = /^[\s<>"'`(*•·\-–—=|#[\]{,;:.!]*(?:\d{1,3}[.)]\s+)?(?:(?:mailto|smtp|rfc822|local)[:;]\s*)?[<"'[]*$/i
const TAIL_END = /^[>"'\])},;.\s:]*(?:<?mailto:[^\s>]*>?)?[>"'\])},;.\s:]*$/

/** What one line with an @ offers. */
function readLine(text: string, place: Place): readonly Omit<Find, 'line'>[] {
  if (place.section === 'sender' || place.section === 'stops') return []
  const found = addressesIn(text)
  const out: Omit<Find, 'line'>[] = []
  let end = 0
  let rank = 0
  for (const hit of found) {
    const head = text.slice(end, hit.index)
    const tail = text.slice(hit.end)
    rank = end > 0 && rank >= RANK.alone && isJoint(head) ? rank : rankOf({ text, head: text.slice(0, hit.index), tail, place })
    end = hit.end
    const address = hit.address.toLowerCase()
    if (rank === 0) continue
    if (rank < RANK.alone && (place.isSettled || place.avoid(address) || isHelper(address))) continue
    out.push({ address: hit.address, rank, end })
  }
  return out
}

/** Between two addresses of one list: commas, brackets, "mailto:". */
function isJoint(between: string): boolean {
  return /^[\s<>"',;()[\]]*(?:(?:mailto|smtp):)?(?:and|und|et|y|e)?[\s<>"',;()[\]]*$/i.test(between) && between.length < 16
}

const HELPERS: ReadonlySet<string> = new Set([
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

/** What stands before an @ that is of no mailbox. */
const NO_MAILBOX = /https?:\S*$|\b(?:references|in-reply-to|message-?id|queue|log)\b[^@]*$/i

/** The only address in a report's own lines that is nobody's who is to be avoided; null where there are none or several. */
export function loneAddress(lines: readonly TextLine[], avoid: (address: string) => boolean): string | null {
  let lone: string | null = null
  for (const line of lines) {
    if (!line.text.includes('@') || HELPER_LINE.test(line.text)) continue
    for (const hit of addressesIn(line.text, 10)) {
      const address = hit.address.toLowerCase()
      const label = line.text.slice(Math.max(0, hit.index - 60), hit.index)
      if (avoid(address) || isHelper(address) || OTHER_LABEL.test(label) || NO_MAILBOX.test(label)) continue
      if (lone !== null && lone.toLowerCase() !== address) return null
      lone = hit.address
    }
  }
  return lone
}

function isHelper(address: string): boolean {
  return HELPERS.has(address.slice(0, address.lastIndexOf('@')))
}

function rankOf(at: { text: string; head: string; tail: string; place: Place }): number {
  const { head, tail, place, text } = at
  if (head === '' || head === '<') return rankAtStart(tail, place, text)
  if (/(?:from|sender|message-id):?\s{0,20}<?$/i.test(head.slice(-40))) return 0
  if ((head.includes('//') && /\/\/\S*$/.test(head)) || (/[?&=/]\S*$/.test(head.slice(-40)) && /https?:/i.test(head))) return 0
  if (LEAD.test(head)) return rankAtStart(tail, place, text)
  const label = head.slice(-60)
  if (/rcpt to:? ?<?$/i.test(label)) return RANK.command
  if (place.named) return RANK.named
  if (OTHER_LABEL.test(label)) return 0
  if (RECIPIENT_LABEL.test(label)) return RANK.alone
  if (place.isSettled) return 0
  if (REPLY_LINE.test(text)) return RANK.command
  return FAILURE.test(text) && !HELPER_LINE.test(text) ? RANK.sentence : 0
}

function rankAtStart(tail: string, place: Place, text: string): number {
  const isAwaited = place.section === 'opens' || place.section === 'names'
  if (!isAwaited && HELPER_LINE.test(place.before)) return 0
  const rest = tail.replace(/^[>"'\])]+/, '')
  if (TAIL_END.test(tail)) return isAwaited ? RANK.named : RANK.alone
  if (/^\s+(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|said|さん|写道)/i.test(rest)) return 0
  if (/^\s*(?::|\.\.\.|\[|\(|-|–|=|;|,|\t| on \w{3}, )/.test(rest)) return RANK.alone
  if (isAwaited || /[:：]\s*$/.test(place.before)) return RANK.alone
  return FAILURE.test(text) || REPLY_LINE.test(text) ? RANK.alone : 0
}

/** Gives each find the lines below it up to the next one, and joins the finds of one address. */
function pairUp(lines: readonly TextLine[], finds: readonly Find[]): readonly Pair[] {
  const byAddress = new Map<string, { address: string; original: string | null; rank: number; words: string[] }>()
  const waiting: string[][] = []
  const originals = parentsOf(lines)
  for (let n = 0; n < finds.length; n++) {
    const find = finds[n]
    if (find === undefined || originals.skip.has(find.line)) continue
    const key = find.address.toLowerCase()
    let pair = byAddress.get(key)
    if (pair === undefined) {
      if (byAddress.size >= MAX_PAIRS) break
      pair = { address: find.address, original: null, rank: find.rank, words: [] }
      byAddress.set(key, pair)
    }
    pair.rank = Math.max(pair.rank, find.rank)
    const next = nextLine(finds, n)
    const words = wordsBetween(lines, find, next)
    if (!waiting.includes(pair.words)) waiting.push(pair.words)
    if (words.length === 0 && next !== null) continue
    for (const list of waiting) if (list.length < 200) list.push(...words)
    waiting.length = 0
    pair.original = parentBelow(originals.parents, find.line, next ?? lines.length) ?? pair.original
  }
  return [...byAddress.values()]
}

function nextLine(finds: readonly Find[], n: number): number | null {
  const here = finds[n]?.line ?? 0
  for (let next = n + 1; next < finds.length; next++) {
    const line = finds[next]?.line ?? 0
    if (line !== here) return line
  }
  return null
}

/** A line `Reason: 550 …` is a word about the recipient; a title opens a section about all. */
function endsWords(text: string, mark: Mark): boolean {
  if (mark.role === 'knows') return false
  return mark.role !== 'details' || isTitleOf(text, mark)
}

const MAX_WORD_LINES = 60

/** The lines of one find: the rest of its own line, then those below, up to the next find or section. */
function wordsBetween(lines: readonly TextLine[], find: Find, next: number | null): readonly string[] {
  const own = lines[find.line]?.text ?? ''
  const words: string[] = []
  const rest = own.slice(find.end)
  if (!TAIL_END.test(rest) || find.rank < RANK.alone) words.push(own.trim())
  for (let at = find.line + 1; at < (next ?? lines.length) && words.length < MAX_WORD_LINES; at++) {
    const line = lines[at]
    if (line === undefined || line.marks.some((mark) => endsWords(line.text, mark))) break
    const text = line.text.trim()
    if (text !== '') words.push(text)
  }
  return words
}

const PARENT = /\((?:ultimately )?generated from (\S+@\S+)\)/i

/** Exim tells in brackets which address a failed one was made from. */
function parentsOf(lines: readonly TextLine[]): { parents: ReadonlyMap<number, string>; skip: ReadonlySet<number> } {
  const parents = new Map<number, string>()
  const skip = new Set<number>()
  for (let at = 0; at < lines.length; at++) {
    const text = lines[at]?.text ?? ''
    if (!text.includes('(') || !text.includes('enerated from ')) continue
    const parent = PARENT.exec(text)?.[1]
    if (parent === undefined) continue
    parents.set(at, parent)
    skip.add(at)
  }
  return { parents, skip }
}

function parentBelow(parents: ReadonlyMap<number, string>, from: number, to: number): string | null {
  for (let at = from; at < Math.min(to, from + 4); at++) {
    const parent = parents.get(at)
    if (parent !== undefined) return parent
  }
  return null
}
