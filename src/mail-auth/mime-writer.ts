/**
 * mime-writer - writes a small MIME tree of nodemailer in one go
 *
 * nodemailer writes a tree through half a dozen streams, which takes most of the time of a mail of a few kilobytes. The result here is the same, octet for octet; a large tree, and one that
 * could give another result, are left to the streams.
 *
 * RFC 2045, RFC 2046. See also: mail-auth/mime-tree, mail-auth/composer.
 */
import * as base64 from 'nodemailer/lib/base64'
import type MimeNode from 'nodemailer/lib/mime-node'
import * as qp from 'nodemailer/lib/qp'

/** Encodes the octets of a part into lines. */
type Encode = (octets: Buffer) => string

const ENCODINGS: ReadonlyMap<string, Encode> = new Map([
  ['quoted-printable', (octets) => qp.wrap(qp.encode(octets))],
  ['base64', (octets) => base64.wrap(base64.encode(octets))],
])

/** All parts together, each with {@link NODE_BYTES} for its header. More would hold up the event loop, and nodemailer encodes quoted-printable in pieces of this size, whose ends show in the folds. */
const MAX_CONTENT_BYTES = 65_536

/** What a part costs beside its content: a thousand empty attachments take as long as a megabyte of text. */
const NODE_BYTES = 1_024

/** Writes a tree with CRLF line ends. Null: it is to be written by its streams. */
export function writeMimeTree(root: MimeNode): Buffer | null {
  const text = contentBytesOf(root) > MAX_CONTENT_BYTES ? null : writeNode(root)
  if (text === null) return null
  const end = text.endsWith('\n') ? '' : text.endsWith('\r') ? '\n' : '\r\n'
  return Buffer.from(`${text}${end}`.replaceAll(/\r?\n/g, '\r\n'), 'latin1')
}

function contentBytesOf({ content, childNodes }: MimeNode): number {
  const own = typeof content === 'string' || Buffer.isBuffer(content) ? Buffer.byteLength(content) : 0
  return childNodes.reduce((sum, child) => sum + contentBytesOf(child), own + NODE_BYTES)
}

const octetsOf = (text: string): string => Buffer.from(text).toString('latin1')

/** A text that has a character for each octet. Null: one of the parts is to be encoded by a stream. */
function writeNode(node: MimeNode): string | null {
  const encode = ENCODINGS.get(String(node.getTransferEncoding()))
  // Sets `multipart` and `boundary` as well.
  const header = octetsOf(node.buildHeaders())
  const content = writeContent(node.content, encode)
  const children = node.multipart ? node.childNodes.map((child) => writeNode(child)) : []
  if (content === null || children.includes(null)) return null
  const parts = children.map((child, index) => `${index === 0 ? '' : '\r\n'}--${node.boundary}\r\n${child}`)
  return `${header}\r\n\r\n${content}${parts.join('')}${node.multipart ? `\r\n--${node.boundary}--\r\n` : ''}`
}

const SPACE = 0x20
const TAB = 0x09

/** nodemailer encodes white space at the end by itself, which shows in the folds. */
const endsInWhiteSpace = (octets: Buffer): boolean => octets.at(-1) === SPACE || octets.at(-1) === TAB

function writeContent(content: MimeNode['content'], encode: Encode | undefined): string | null {
  if (content === undefined || content === '') return ''
  if (typeof content !== 'string' && !Buffer.isBuffer(content)) return null
  const octets = Buffer.from(content)
  if (endsInWhiteSpace(octets)) return null
  return encode === undefined ? octets.toString('latin1') : encode(octets)
}
