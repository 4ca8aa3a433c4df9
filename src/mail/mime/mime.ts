/**
 * mime - finds the parts of a message by their offsets in the raw bytes
 *
 * One walk over the bytes finds every part; mail/mime/content decodes a part on request. Accepts wrong boundaries: a missing
 * close delimiter, one that comes too early, a boundary used twice, or one that never occurs (then the line that opens a part shows the
 * real
 * one). An enclosed message is a child part with the headers of that message.
 *
 * Promises: total (any bytes give a MimeMessage), linear whatever the nesting, bounded by the limits below; offsets are within `raw`,
 * children
 * within their parents, siblings in order. RFC 2045, 2046, 2047, 2231, 6532. See also: mail/mime/part, mail/mime/header,
 * mail/mime/content.
 */
import { readHeaderBlock } from './header.ts'
import { type PartDraft, type MimePart, createEmptyPart, describePart, isMessageType } from './part.ts'
import { parseTransferEncoding } from './transfer.ts'

export type MimeMessage = {
  readonly raw: Uint8Array
  /** The bytes, one per character. If lines end in CR alone, LF instead. */
  readonly latin1: string
  /** ASCII without escapes, which needs no charset decoding. */
  readonly isPlainAscii: boolean
  readonly root: MimePart
  /** In document order, root first. */
  readonly parts: readonly MimePart[]
  readonly defects: readonly string[]
}

/** The largest real reports return a message of a few dozen parts. */
const MAX_PARTS = 1_000
/** Ordinary messages nest about 5 deep. */
const MAX_DEPTH = 50
/** Longer messages are read up to here. The SMTP listener accepts 5 MiB. */
export const MAX_MESSAGE_BYTES = 67_108_864
/** RFC 2046 §5.1.1 allows 70. */
const MAX_BOUNDARY = 250
/** Length of the text that is searched for an undeclared boundary. */
const BOUNDARY_SEARCH_LENGTH = 65_536
const BOUNDARY_SEARCH_LINES = 200

/**
 * An open part. `boundary`: of a multipart. `shadowedIndex`: index of an outer part with the same boundary.
 * `closedAt`: offset after its close delimiter.
 */
type OpenPart = { readonly part: PartDraft; readonly boundary: string | null; shadowedIndex: number | undefined; closedAt: number | null }

type MimeScan = {
  readonly text: string
  /** Neither high bytes nor escapes: no charset decoding needed. */
  readonly isPlainAscii: boolean
  readonly isShallow: boolean
  readonly parts: PartDraft[]
  /** Multiparts whose parts are not scanned. */
  readonly unscannedParts: Set<PartDraft>
  readonly openParts: OpenPart[]
  /** Boundary → index in `openParts`. */
  readonly boundaries: Map<string, number>
  /** Real boundaries of multiparts (by headerStart) that declared a wrong one. */
  readonly detectedBoundaries: ReadonlyMap<number, string>
  readonly defects: Set<string>
}

type Delimiter = { readonly index: number; readonly isClose: boolean; readonly lineStart: number; readonly lineEnd: number }

/** `isShallow`: reads only the header of an enclosed message, not its parts. */
type MimeOptions = { readonly isShallow?: boolean }

/** Finds the parts of a message. Total, linear. */
export function parseMime(raw: Uint8Array, options: MimeOptions = {}): MimeMessage {
  const capped = raw.length > MAX_MESSAGE_BYTES ? raw.subarray(0, MAX_MESSAGE_BYTES) : raw
  const bytes = (Buffer.isBuffer(capped) ? capped : Buffer.from(capped.buffer, capped.byteOffset, capped.byteLength)).toString('latin1')
  const latin1 = bytes.includes('\r') && !bytes.includes('\n') ? bytes.replaceAll('\r', '\n') : bytes
  const isPlainAscii = isPlainAsciiText(latin1)
  const input = { text: latin1, isPlainAscii, isShallow: options.isShallow === true }
  let scan = scanParts({ ...input, detectedBoundaries: NO_DETECTED_BOUNDARIES })
  const detectedBoundaries = detectBoundaries(scan)
  if (detectedBoundaries.size > 0) {
    scan = scanParts({ ...input, detectedBoundaries })
    scan.defects.add('boundary never occurs, another one does')
  }
  for (const part of scan.parts) if (isEmptyMultipart(scan, part)) addBodyAsPart(scan, part)
  if (raw.length > MAX_MESSAGE_BYTES) scan.defects.add('mail cut')
  const parts = listInDocumentOrder(scan)
  const root = parts[0] ?? createEmptyPart(latin1.length)
  return { raw, latin1, isPlainAscii, root, parts, defects: [...scan.defects] }
}

const NO_DETECTED_BOUNDARIES: ReadonlyMap<number, string> = new Map()

/** Compares lengths: each high byte takes two bytes in UTF-8. */
function isPlainAsciiText(latin1: string): boolean {
  return Buffer.byteLength(latin1, 'utf8') === latin1.length && !latin1.includes('\x1b')
}

function scanParts(input: Pick<MimeScan, 'text' | 'isPlainAscii' | 'isShallow' | 'detectedBoundaries'>): MimeScan {
  const { text } = input
  const scan: MimeScan = { ...input, parts: [], unscannedParts: new Set(), openParts: [], boundaries: new Map(), defects: new Set() }
  let at: number | null = openPart(scan, 0, null)
  while (at !== null) {
    const parent = scan.openParts.at(-1)
    if (parent !== undefined && opensEnclosedMessage(parent.part, scan)) {
      at = openPart(scan, at, parent.part)
      continue
    }
    at = openNextPart(scan, at)
  }
  closeDownTo(scan, 0, text.length, text.length)
  return scan
}

/** Finds the delimiter that opens the next part and reads its header. Returns the offset of its body; null at the end. */
function openNextPart(scan: MimeScan, from: number): number | null {
  let at = from
  for (;;) {
    const found = findDelimiter(scan, at)
    if (found === null) return null
    closeDownTo(scan, found.index + 1, found.lineStart, found.lineStart)
    const parent = scan.openParts[found.index]
    if (parent === undefined || isNextMboxMessage(scan, parent, found.lineStart)) return null
    if (found.isClose) {
      parent.closedAt = found.lineEnd
      closeBoundary(scan, found.index)
      at = found.lineEnd
      continue
    }
    if (scan.parts.length >= MAX_PARTS) {
      scan.defects.add(`more than ${MAX_PARTS} parts`)
      return null
    }
    parent.closedAt = null
    return openPart(scan, found.lineEnd, parent.part)
  }
}

/** Whether the epilogue before a delimiter contains an mbox "From " line. The delimiter then belongs to the next message of the file. */
function isNextMboxMessage(scan: MimeScan, parent: OpenPart, lineStart: number): boolean {
  if (parent.closedAt === null || !scan.text.slice(parent.closedAt - 1, lineStart).includes('\nFrom ')) return false
  scan.defects.add('another mail behind this one')
  return true
}

/** The next delimiter of an open multipart. A body may begin with one, so `from` is the start of a line. */
function findDelimiter(scan: MimeScan, from: number): Delimiter | null {
  if (scan.boundaries.size === 0) return null
  const { text } = scan
  let at: number | null = text.startsWith('--', from) ? from : findDashLine(text, Math.max(0, from - 1))
  while (at !== null) {
    const newline = text.indexOf('\n', at)
    const lineEnd = newline < 0 ? text.length : newline + 1
    const match = matchBoundary(scan, at, newline < 0 ? text.length : newline)
    if (match !== null) return { ...match, lineStart: at, lineEnd }
    at = newline < 0 ? null : findDashLine(text, newline)
  }
  return null
}

/** Offset of the next line that begins with `--`; null if there is none. */
function findDashLine(text: string, from: number): number | null {
  const found = text.indexOf('\n--', from)
  return found < 0 ? null : found + 1
}

function matchBoundary(scan: MimeScan, start: number, end: number): { index: number; isClose: boolean } | null {
  if (end - start > MAX_BOUNDARY + 1_000 || !scan.text.startsWith('--', start)) return null
  const candidate = scan.text.slice(start + 2, end).trimEnd()
  const openIndex = scan.boundaries.get(candidate)
  if (openIndex !== undefined) return { index: openIndex, isClose: false }
  if (!candidate.endsWith('--')) return null
  const closed = scan.boundaries.get(candidate.slice(0, -2).trimEnd())
  return closed === undefined ? null : { index: closed, isClose: true }
}

/** Reads the header at `from` and opens the part. Returns the offset of its body. */
function openPart(scan: MimeScan, from: number, parent: PartDraft | null): number {
  const isMessage = parent === null || isMessageType(parent.type)
  const block = readHeaderBlock(scan.text, {
    from,
    isBytes: !scan.isPlainAscii,
    isMessage,
    isBoundary: (start, end) => scan.boundaries.size > 0 && matchBoundary(scan, start, end) !== null,
  })
  for (const defect of block.defects) scan.defects.add(defect)
  const part = describePart(block.headers, parent)
  part.headerStart = from
  part.bodyStart = block.bodyStart
  part.bodyEnd = scan.text.length
  parent?.children.push(part)
  scan.parts.push(part)
  const boundary = part.type.startsWith('multipart/') ? (scan.detectedBoundaries.get(from) ?? part.params['boundary']?.trimEnd() ?? '') : ''
  if (scan.isShallow && parent !== null && isMessageType(parent.type) && !scan.boundaries.has(boundary)) scan.unscannedParts.add(part)
  const isUsable = boundary !== '' && !scan.unscannedParts.has(part) && boundary.length <= MAX_BOUNDARY && part.depth < MAX_DEPTH
  if (part.depth >= MAX_DEPTH && part.type.startsWith('multipart/')) scan.defects.add(`nested deeper than ${MAX_DEPTH}`)
  scan.openParts.push({
    part,
    boundary: isUsable ? boundary : null,
    shadowedIndex: isUsable ? scan.boundaries.get(boundary) : undefined,
    closedAt: null,
  })
  if (isUsable) scan.boundaries.set(boundary, scan.openParts.length - 1)
  return block.bodyStart
}

/** Whether a newly opened part is a message that can be read in place. */
function opensEnclosedMessage(part: PartDraft, scan: MimeScan): boolean {
  if (!isMessageType(part.type) || part.children.length > 0) return false
  if (parseTransferEncoding(part.encoding) === 'base64') return false
  if (part.depth >= MAX_DEPTH || scan.parts.length >= MAX_PARTS) {
    scan.defects.add(part.depth >= MAX_DEPTH ? `nested deeper than ${MAX_DEPTH}` : `more than ${MAX_PARTS} parts`)
    return false
  }
  return true
}

/** Closes every open part from `index` on. The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1). */
function closeDownTo(scan: MimeScan, index: number, lineStart: number, limit: number): void {
  const end = limit === scan.text.length && index === 0 ? limit : trimLineEnd(scan.text, lineStart)
  while (scan.openParts.length > index) {
    const closed = scan.openParts.pop()
    if (closed === undefined) return
    closed.part.bodyEnd = Math.max(closed.part.bodyStart, end)
    if (closed.boundary !== null && scan.boundaries.get(closed.boundary) === scan.openParts.length) releaseBoundary(scan, closed)
  }
}

/** Closes a boundary. It still matches afterwards, because some programs close too early, unless an outer part uses the same one. */
function closeBoundary(scan: MimeScan, index: number): void {
  const closed = scan.openParts[index]
  if (closed === undefined || closed.shadowedIndex === undefined) return
  releaseBoundary(scan, closed)
  closed.shadowedIndex = undefined
}

function releaseBoundary(scan: MimeScan, closed: OpenPart): void {
  if (closed.boundary === null) return
  if (closed.shadowedIndex === undefined) scan.boundaries.delete(closed.boundary)
  else scan.boundaries.set(closed.boundary, closed.shadowedIndex)
}

function trimLineEnd(text: string, at: number): number {
  let end = at
  if (end > 0 && text.charCodeAt(end - 1) === 0x0a) end--
  if (end > 0 && end < at && text.charCodeAt(end - 1) === 0x0d) end--
  return end
}

function isEmptyMultipart(scan: MimeScan, part: PartDraft): boolean {
  if (!part.type.startsWith('multipart/') || part.children.length > 0 || scan.unscannedParts.has(part)) return false
  return part.depth < MAX_DEPTH && part.bodyEnd > part.bodyStart
}

/** For each multipart without parts: the first line that looks like a delimiter with a part's header below it. */
function detectBoundaries(scan: MimeScan): Map<number, string> {
  const detectedBoundaries = new Map<number, string>()
  for (const part of scan.parts) {
    if (!isEmptyMultipart(scan, part)) continue
    const body = scan.text.slice(Math.max(0, part.bodyStart - 1), Math.min(part.bodyEnd, part.bodyStart + BOUNDARY_SEARCH_LENGTH))
    const found = detectBoundary(body)
    if (found !== null) detectedBoundaries.set(part.headerStart, found)
  }
  return detectedBoundaries
}

function detectBoundary(body: string): string | null {
  let at = body.indexOf('\n--')
  for (let i = 0; i < BOUNDARY_SEARCH_LINES && at >= 0; i++) {
    const end = body.indexOf('\n', at + 1)
    if (end < 0) return null
    const candidate = body.slice(at + 3, end).trimEnd()
    if (candidate !== '' && candidate.length <= MAX_BOUNDARY && /^content-[a-z-]{1,40}[ \t]*:/i.test(body.slice(end + 1, end + 60)))
      return candidate
    at = body.indexOf('\n--', end)
  }
  return null
}

/** Adds the body of a multipart without recognisable parts as one part, so that its text is read. */
function addBodyAsPart(scan: MimeScan, part: PartDraft): void {
  scan.defects.add('multipart without parts')
  if (scan.parts.length >= MAX_PARTS) return
  const child: PartDraft = {
    ...createEmptyPart(part.bodyEnd),
    headerStart: part.bodyStart,
    bodyStart: part.bodyStart,
    depth: part.depth + 1,
    children: [],
  }
  part.children.push(child)
}

/** Recursion is safe because the depth is limited. */
function listInDocumentOrder(scan: MimeScan): readonly MimePart[] {
  const parts: MimePart[] = []
  const visit = (part: MimePart): void => {
    parts.push(part)
    for (const child of part.children) visit(child)
  }
  if (scan.parts[0] !== undefined) visit(scan.parts[0])
  return parts
}
