/**
 * mime - a mail's parts by their places in the raw bytes
 *
 * One walk over the bytes finds every part; nothing is decoded until mail/mime/content is asked for it. Boundaries that lie are the
 * daily bread of a bounce reader: a missing close, a close that came too early, one boundary used twice, one that never occurs (then the
 * line that opens a part shows the real one). A mail inside a mail is a child part with the headers of that mail.
 *
 * Promises: total (any bytes give a Mime), linear whatever the nesting, bounded by the caps below; offsets lie within `raw`, children
 * within their parents, siblings in order. RFC 2045, 2046, 2047, 2231, 6532. See also: mail/mime/part, mail/mime/header, mail/mime/content.
 */
import { readBlock } from './header.ts'
import { type Draft, type Part, blankPart, describePart, isMailType } from './part.ts'
import { transferEncoding } from './transfer.ts'

export type { Part }

export type Mime = {
  readonly raw: Uint8Array
  /** The bytes, one a character. A mail whose lines end in CR alone has LF there. */
  readonly latin1: string
  /** Plain ASCII without escapes: text as it stands. */
  readonly isPlain: boolean
  readonly root: Part
  /** In document order, root first. */
  readonly parts: readonly Part[]
  readonly oddities: readonly string[]
}

/** More is no report: the largest real ones quote a mail of a few dozen parts. */
export const MAX_PARTS = 1_000
/** Mails of people nest 5 deep. */
export const MAX_DEPTH = 50
/** What is longer is read up to here; the doors stop at 5 MiB. */
export const MAX_MAIL = 67_108_864
/** RFC 2046 §5.1.1 allows 70. */
const MAX_BOUNDARY = 250
/** How far a boundary that nobody declared is looked for. */
const GUESS_REACH = 65_536
const GUESS_LINES = 200

/**
 * An open part; `boundary` of a multipart, `shadowed` the index of the outer part whose boundary it repeats;
 * `closedAt` where its close delimiter ended. */
type Open = { readonly part: Draft; readonly boundary: string | null; shadowed: number | undefined; closedAt: number | null }

type Scan = {
  readonly text: string
  /** Neither high bytes nor escapes: there is no charset to be found out. */
  readonly isPlain: boolean
  readonly isShallow: boolean
  readonly parts: Draft[]
  /** Multiparts whose parts nobody asked for. */
  readonly sealed: Set<Draft>
  readonly open: Open[]
  /** Boundary to its place in `open`. */
  readonly boundaries: Map<string, number>
  /** Boundaries for the multiparts (by headerStart) whose own word was wrong. */
  readonly repairs: ReadonlyMap<number, string>
  readonly oddities: Set<string>
}

type Delimiter = { readonly index: number; readonly isClose: boolean; readonly lineStart: number; readonly lineEnd: number }

/** `isShallow`: of a mail inside a mail only its header is read, its own parts are not told apart. */
export type MimeOptions = { readonly isShallow?: boolean }

/** Finds the parts of a mail. Total, linear. */
export function parseMime(raw: Uint8Array, options: MimeOptions = {}): Mime {
  const kept = raw.length > MAX_MAIL ? raw.subarray(0, MAX_MAIL) : raw
  const bytes = Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength).toString('latin1')
  const latin1 = bytes.includes('\r') && !bytes.includes('\n') ? bytes.replaceAll('\r', '\n') : bytes
  const isPlain = isPlainText(latin1)
  const of = { text: latin1, isPlain, isShallow: options.isShallow === true }
  let scan = scanParts({ ...of, repairs: NO_REPAIRS })
  const repairs = guessBoundaries(scan)
  if (repairs.size > 0) {
    scan = scanParts({ ...of, repairs })
    scan.oddities.add('boundary never occurs, another one does')
  }
  for (const part of scan.parts) if (isEmptyMultipart(scan, part)) fillMultipart(scan, part)
  if (raw.length > MAX_MAIL) scan.oddities.add('mail cut')
  const parts = inOrder(scan)
  const root = parts[0] ?? blankPart(latin1.length)
  return { raw, latin1, isPlain, root, parts, oddities: [...scan.oddities] }
}

const NO_REPAIRS: ReadonlyMap<number, string> = new Map()

/** Two characters of Latin-1 in UTF-8 for each high byte: the lengths tell. */
function isPlainText(latin1: string): boolean {
  return Buffer.byteLength(latin1, 'utf8') === latin1.length && !latin1.includes('\x1b')
}

function scanParts(of: Pick<Scan, 'text' | 'isPlain' | 'isShallow' | 'repairs'>): Scan {
  const { text } = of
  const scan: Scan = { ...of, parts: [], sealed: new Set(), open: [], boundaries: new Map(), oddities: new Set() }
  let at: number | null = openPart(scan, 0, null)
  while (at !== null) {
    const parent = scan.open.at(-1)
    if (parent !== undefined && opensMail(parent.part, scan)) {
      at = openPart(scan, at, parent.part)
      continue
    }
    at = nextPart(scan, at)
  }
  closeDownTo(scan, 0, text.length, text.length)
  return scan
}

/** Walks to the delimiter that opens the next part, reads its header, returns where its body starts; null at the end. */
function nextPart(scan: Scan, from: number): number | null {
  let at = from
  for (;;) {
    const found = findDelimiter(scan, at)
    if (found === null) return null
    closeDownTo(scan, found.index + 1, found.lineStart, found.lineStart)
    const parent = scan.open[found.index]
    if (parent === undefined || isOtherMail(scan, parent, found.lineStart)) return null
    if (found.isClose) {
      parent.closedAt = found.lineEnd
      closeBoundary(scan, found.index)
      at = found.lineEnd
      continue
    }
    if (scan.parts.length >= MAX_PARTS) {
      scan.oddities.add(`more than ${MAX_PARTS} parts`)
      return null
    }
    parent.closedAt = null
    return openPart(scan, found.lineEnd, parent.part)
  }
}

/** Whether the epilogue before this delimiter holds an mbox line: then the delimiter is of the next mail in the file. */
function isOtherMail(scan: Scan, parent: Open, lineStart: number): boolean {
  if (parent.closedAt === null || !scan.text.slice(parent.closedAt - 1, lineStart).includes('\nFrom ')) return false
  scan.oddities.add('another mail behind this one')
  return true
}

/** The next line that is a boundary of an open multipart. A header's body may begin with one, so `from` is the start of a line. */
function findDelimiter(scan: Scan, from: number): Delimiter | null {
  if (scan.boundaries.size === 0) return null
  const { text } = scan
  let at: number | null = text.startsWith('--', from) ? from : nextDashes(text, Math.max(0, from - 1))
  while (at !== null) {
    const newline = text.indexOf('\n', at)
    const lineEnd = newline < 0 ? text.length : newline + 1
    const match = matchBoundary(scan, at, newline < 0 ? text.length : newline)
    if (match !== null) return { ...match, lineStart: at, lineEnd }
    at = newline < 0 ? null : nextDashes(text, newline)
  }
  return null
}

/** Where the next line that begins with `--` begins; null: nowhere. */
function nextDashes(text: string, from: number): number | null {
  const found = text.indexOf('\n--', from)
  return found < 0 ? null : found + 1
}

function matchBoundary(scan: Scan, start: number, end: number): { index: number; isClose: boolean } | null {
  if (end - start > MAX_BOUNDARY + 1_000 || !scan.text.startsWith('--', start)) return null
  const word = scan.text.slice(start + 2, end).trimEnd()
  const open = scan.boundaries.get(word)
  if (open !== undefined) return { index: open, isClose: false }
  if (!word.endsWith('--')) return null
  const closed = scan.boundaries.get(word.slice(0, -2).trimEnd())
  return closed === undefined ? null : { index: closed, isClose: true }
}

/** Reads the header at `from` and puts the part on the open ones. Returns where its body starts. */
function openPart(scan: Scan, from: number, parent: Draft | null): number {
  const isMail = parent === null || isMailType(parent.type)
  const block = readBlock(scan.text, {
    from,
    isBytes: !scan.isPlain,
    isMail,
    isEnd: (start, end) => scan.boundaries.size > 0 && matchBoundary(scan, start, end) !== null,
  })
  for (const oddity of block.oddities) scan.oddities.add(oddity)
  const part = describePart(block.headers, parent)
  part.headerStart = from
  part.bodyStart = block.bodyStart
  part.bodyEnd = scan.text.length
  parent?.children.push(part)
  scan.parts.push(part)
  const boundary = part.type.startsWith('multipart/') ? (scan.repairs.get(from) ?? part.params['boundary']?.trimEnd() ?? '') : ''
  if (scan.isShallow && parent !== null && isMailType(parent.type) && !scan.boundaries.has(boundary)) scan.sealed.add(part)
  const isUsable = boundary !== '' && !scan.sealed.has(part) && boundary.length <= MAX_BOUNDARY && part.depth < MAX_DEPTH
  if (part.depth >= MAX_DEPTH && part.type.startsWith('multipart/')) scan.oddities.add(`nested deeper than ${MAX_DEPTH}`)
  scan.open.push({
    part,
    boundary: isUsable ? boundary : null,
    shadowed: isUsable ? scan.boundaries.get(boundary) : undefined,
    closedAt: null,
  })
  if (isUsable) scan.boundaries.set(boundary, scan.open.length - 1)
  return block.bodyStart
}

/** Whether the part that was just opened holds a mail that can be read where it stands. */
function opensMail(part: Draft, scan: Scan): boolean {
  if (!isMailType(part.type) || part.children.length > 0) return false
  if (transferEncoding(part.encoding) === 'base64') return false
  if (part.depth >= MAX_DEPTH || scan.parts.length >= MAX_PARTS) {
    scan.oddities.add(part.depth >= MAX_DEPTH ? `nested deeper than ${MAX_DEPTH}` : `more than ${MAX_PARTS} parts`)
    return false
  }
  return true
}

/** Ends every open part from `index` on. The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1). */
function closeDownTo(scan: Scan, index: number, lineStart: number, limit: number): void {
  const end = limit === scan.text.length && index === 0 ? limit : beforeLineEnd(scan.text, lineStart)
  while (scan.open.length > index) {
    const closed = scan.open.pop()
    if (closed === undefined) return
    closed.part.bodyEnd = Math.max(closed.part.bodyStart, end)
    if (closed.boundary !== null && scan.boundaries.get(closed.boundary) === scan.open.length) forget(scan, closed)
  }
}

/** After its close a multipart still answers to its boundary (some write the close too early), unless an outer one bears the same. */
function closeBoundary(scan: Scan, index: number): void {
  const closed = scan.open[index]
  if (closed === undefined || closed.shadowed === undefined) return
  forget(scan, closed)
  closed.shadowed = undefined
}

function forget(scan: Scan, closed: Open): void {
  if (closed.boundary === null) return
  if (closed.shadowed === undefined) scan.boundaries.delete(closed.boundary)
  else scan.boundaries.set(closed.boundary, closed.shadowed)
}

function beforeLineEnd(text: string, at: number): number {
  let end = at
  if (end > 0 && text.charCodeAt(end - 1) === 0x0a) end--
  if (end > 0 && end < at && text.charCodeAt(end - 1) === 0x0d) end--
  return end
}

function isEmptyMultipart(scan: Scan, part: Draft): boolean {
  if (!part.type.startsWith('multipart/') || part.children.length > 0 || scan.sealed.has(part)) return false
  return part.depth < MAX_DEPTH && part.bodyEnd > part.bodyStart
}

/** For each multipart without parts: the first line that looks like a boundary with a part's header below it. */
function guessBoundaries(scan: Scan): Map<number, string> {
  const repairs = new Map<number, string>()
  for (const part of scan.parts) {
    if (!isEmptyMultipart(scan, part)) continue
    const body = scan.text.slice(Math.max(0, part.bodyStart - 1), Math.min(part.bodyEnd, part.bodyStart + GUESS_REACH))
    const found = guessBoundary(body)
    if (found !== null) repairs.set(part.headerStart, found)
  }
  return repairs
}

function guessBoundary(body: string): string | null {
  let at = body.indexOf('\n--')
  for (let i = 0; i < GUESS_LINES && at >= 0; i++) {
    const end = body.indexOf('\n', at + 1)
    if (end < 0) return null
    const word = body.slice(at + 3, end).trimEnd()
    if (word !== '' && word.length <= MAX_BOUNDARY && /^content-[a-z-]{1,40}[ \t]*:/i.test(body.slice(end + 1, end + 60))) return word
    at = body.indexOf('\n--', end)
  }
  return null
}

/** A multipart whose parts cannot be told apart still holds words: they become its one part. */
function fillMultipart(scan: Scan, part: Draft): void {
  scan.oddities.add('multipart without parts')
  if (scan.parts.length >= MAX_PARTS) return
  const child: Draft = {
    ...blankPart(part.bodyEnd),
    headerStart: part.bodyStart,
    bodyStart: part.bodyStart,
    depth: part.depth + 1,
    children: [],
  }
  part.children.push(child)
}

/** Depth is capped, so the walk may recurse. */
function inOrder(scan: Scan): readonly Part[] {
  const parts: Part[] = []
  const walk = (part: Part): void => {
    parts.push(part)
    for (const child of part.children) walk(child)
  }
  if (scan.parts[0] !== undefined) walk(scan.parts[0])
  return parts
}
