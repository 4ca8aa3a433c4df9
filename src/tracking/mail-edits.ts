/**
 * mail-edits - tracks the text parts of a whole mail, whoever built it
 *
 * A plan finds the places once for all copies of a mail; filling it with the tokens of a copy only joins strings. All else keeps its bytes.
 * Never touched: enclosed messages, signed and encrypted parts, attachments, text/calendar, text/x-amp-html, parts whose charset or transfer
 * encoding has no exact reading, and a mail that its sender signed (DKIM, ARC).
 *
 * Pure, total, linear. RFC 2045, RFC 2046, RFC 1847, RFC 6376. See also: tracking/text-edits, tracking/encoded-part, service/deliver/render.
 */
import { fieldValueOf, splitHeaderFields, type HeaderFieldLine } from '../compose/header-line.ts'
import { encodeQuotedPrintable } from '../compose/transfer-encoding.ts'
import { parseMime, type MimeMessage } from '../mail/mime/mime.ts'
import { isMessageType, type MimePart } from '../mail/mime/part.ts'
import { parseTransferEncoding } from '../mail/mime/transfer.ts'
import { decodePart, editPart, type Base64Layout, type EncodedPieces } from './encoded-part.ts'
import { toEditableText } from './part-charset.ts'
import { htmlEdits, plainEdits, type PartRole, type TrackingPlanOptions } from './text-edits.ts'
import { createLinkWriter, type CopyTokens, type MailPiece, type TextEdit } from './tracking-slot.ts'

/** A run of the mail: as it is, or a base64 body that is encoded for each copy. */
type PlannedRun = { readonly pieces: readonly MailPiece[]; readonly base64: Base64Layout | null }

export type TrackingPlan = { readonly base: string; readonly runs: readonly PlannedRun[] }

/** Fields that a change of the body would make untrue. */
const SIGNATURE_FIELDS: ReadonlySet<string> = new Set(['dkim-signature', 'arc-message-signature'])
/** Parts whose content stays, with all parts inside of them. */
const SEALED_TYPES: ReadonlySet<string> = new Set(['multipart/signed', 'multipart/encrypted', 'multipart/report'])

/** Whether the fields of a mail contain a signature of its sender. */
export const isSignedBySender = (fields: readonly HeaderFieldLine[]): boolean => fields.some(({ name }) => SIGNATURE_FIELDS.has(name))

/** Plans the tracking of a mail. Null: there is nothing to change. */
export function planTracking(raw: Uint8Array, options: TrackingPlanOptions): TrackingPlan | null {
  const mime = parseMime(raw)
  const { latin1, root } = mime
  const head = splitHeaderFields(latin1.slice(0, root.bodyStart))
  if (isSignedBySender(head)) return null
  const parts = textPartsOf(root)
  const language = languageOfHead(head)
  const runs: PlannedRun[] = []
  let at = 0
  for (const part of parts) {
    const isBody = parts.find(({ type }) => type === part.type) === part
    const planned = planPart(mime, part, { isBody, language }, options)
    if (planned === null) continue
    runs.push({ pieces: [latin1.slice(at, part.headerStart), planned.head], base64: null }, planned)
    at = part.bodyEnd
  }
  if (runs.length === 0) return null
  runs.push({ pieces: [latin1.slice(at)], base64: null })
  return { base: options.base, runs }
}

/** The copy of a mail with these tokens. */
export function fillTracking({ base, runs }: TrackingPlan, tokens: CopyTokens): Buffer {
  const write = createLinkWriter(base, tokens)
  const texts = runs.map(({ pieces, base64 }) => {
    const text = pieces.map(write).join('')
    return base64 === null ? text : encodeBase64As(base64, text)
  })
  return Buffer.from(texts.join(''), 'latin1')
}

function encodeBase64As({ lineLength, lineEnd, isTerminated }: Base64Layout, latin1: string): string {
  const encoded = Buffer.from(latin1, 'latin1').toString('base64')
  const lines: string[] = []
  for (let at = 0; at < encoded.length; at += lineLength) lines.push(encoded.slice(at, at + lineLength))
  return lines.join(lineEnd) + (isTerminated ? lineEnd : '')
}

const languageOfHead = (head: readonly HeaderFieldLine[]): string | null => {
  const field = head.find(({ name }) => name === 'content-language')
  return field === undefined ? null : fieldValueOf(field)
}

/** The parts that readers see as text, in document order. */
function textPartsOf(part: MimePart): readonly MimePart[] {
  if (isMessageType(part.type) || SEALED_TYPES.has(part.type)) return []
  if (part.type.startsWith('multipart/')) return part.children.flatMap(textPartsOf)
  const isText = part.type === 'text/html' || part.type === 'text/plain'
  return isText && part.disposition !== 'attachment' && part.filename === null ? [part] : []
}

type PlannedPart = EncodedPieces & { readonly head: string }

function planPart(mime: MimeMessage, part: MimePart, role: PartRole, options: TrackingPlanOptions): PlannedPart | null {
  const body = mime.latin1.slice(part.bodyStart, part.bodyEnd)
  const head = mime.latin1.slice(part.headerStart, part.bodyStart)
  const encoded = decodePart(body, parseTransferEncoding(part.encoding))
  const text = encoded === null ? null : toEditableText(encoded.text, part.params['charset'] ?? null)
  if (encoded === null || text === null) return null
  const edits = part.type === 'text/html' ? htmlEdits(text, role, options) : plainEdits(text, role, options)
  if (edits.length === 0) return null
  const edited = editPart(encoded, edits, options.base)
  return edited === null ? planAsQuotedPrintable({ head, text: encoded.text }, edits, options.base) : { ...edited, head }
}

/** A part whose transfer encoding cannot hold the edits gets another one. */
function planAsQuotedPrintable(
  { head, text }: { readonly head: string; readonly text: string },
  edits: readonly TextEdit[],
  base: string,
): PlannedPart | null {
  const encoded = decodePart(encodeQuotedPrintable(Buffer.from(text, 'latin1')), 'quoted-printable')
  // Line ends that the encoding would change move the edits.
  const edited = encoded?.text === text ? editPart(encoded, edits, base) : null
  return edited === null ? null : { ...edited, head: withQuotedPrintable(head) }
}

function withQuotedPrintable(head: string): string {
  const end = /\r?\n\r?\n$|\r?\n$/.exec(head)?.index ?? 0
  const lineEnd = head.includes('\r\n') || !head.includes('\n') ? '\r\n' : '\n'
  const fields = head.slice(0, end).split(/\r?\n(?![ \t])/)
  const kept = fields.filter((field) => field !== '' && !/^content-transfer-encoding[ \t]*:/i.test(field))
  return [...kept, 'Content-Transfer-Encoding: quoted-printable', '', ''].join(lineEnd)
}
