/**
 * message-reports - the raw reports behind the facts of a message, as source and as a tree of parts
 *
 * A report is read only through a fact of a message of the same account, so that a digest alone opens nothing.
 *
 * See also: http/api/message-reports, mail/mime/mime, store/mail/raw-mail.
 */
import { decodePartText } from '../../mail/mime/content.ts'
import { getHeaderEntries } from '../../mail/mime/header.ts'
import { parseMime, type MimeMessage } from '../../mail/mime/mime.ts'
import type { MimePart } from '../../mail/mime/part.ts'
import type { Context } from '../../service/context.ts'
import { readTimelineByEmailId } from '../../store/facts/facts.ts'
import { findRawMail } from '../../store/mail/raw-mail.ts'

/** One part in document order; `depth` makes the tree. */
type MailPartView = {
  readonly depth: number
  readonly type: string
  readonly filename: string | null
  readonly encoding: string
  readonly bytes: number
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** The decoded text, cut; null for parts that are no text or have children. */
  readonly text: string | null
}

type MailView = {
  readonly size: number
  /** The bytes as characters, cut. */
  readonly source: string
  readonly isTruncated: boolean
  readonly parts: readonly MailPartView[]
  readonly defects: readonly string[]
}

export type MessageReportService = {
  /** The bytes of a report about a message. Null: the message has no such report, or its raw mail has expired. */
  readonly findRaw: (account: number, emailId: string, digest: string) => Promise<Uint8Array | null>
}

/** A page shows no more; the download has all. */
const MAX_SOURCE = 200_000
const MAX_PARTS = 200
const MAX_TEXT = 20_000
const MAX_HEADERS = 100

/** Creates the service. */
export function createMessageReportService({ engine: { read } }: Context): MessageReportService {
  return {
    findRaw: async (account, emailId, digest) => {
      const facts = await readTimelineByEmailId(read, account, emailId)
      const isNamed = facts.some(({ data }) => 'digest' in data && data.digest === digest)
      return isNamed ? findRawMail(read, account, digest) : null
    },
  }
}

/** A mail as source and parts. Total. */
export function toMailView(raw: Uint8Array): MailView {
  const mime = parseMime(raw)
  const source = new TextDecoder('utf-8').decode(raw.subarray(0, MAX_SOURCE))
  return {
    size: raw.length,
    source,
    isTruncated: raw.length > MAX_SOURCE || mime.parts.length > MAX_PARTS,
    parts: mime.parts.slice(0, MAX_PARTS).map((part) => toPartView(mime, part)),
    defects: mime.defects,
  }
}

function toPartView(mime: MimeMessage, part: MimePart): MailPartView {
  const isText = part.children.length === 0 && /^(text|message)\//.test(part.type)
  return {
    depth: part.depth,
    type: part.type,
    filename: part.filename,
    encoding: part.encoding,
    bytes: part.bodyEnd - part.bodyStart,
    headers: getHeaderEntries(part.headers, MAX_HEADERS).map(([name, value]) => ({ name, value })),
    text: isText ? decodePartText(mime, part, MAX_TEXT) : null,
  }
}
