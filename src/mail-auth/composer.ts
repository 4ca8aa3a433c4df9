/**
 * composer - composes a mail, or a part of it, from its fields
 *
 * The same fields give the same bytes. Text is encoded so that every relay passes it on.
 *
 * RFC 5322, RFC 2045 to 2047. See also: mail-auth/mime-tree, mail-auth/header-composer, service/deliver/render, compose/rewrite-mime (mails that senders composed themselves).
 */
import { splitHeaderFields, type HeaderFieldLine } from '../compose/header-line.ts'
import { compileMessage, type MessageFields } from './mime-tree.ts'
import { writeMimeTree } from './mime-writer.ts'

/** Composes a whole mail, with CRLF line ends. */
export async function composeMessage(message: MessageFields): Promise<Buffer> {
  const tree = await compileMessage(message)
  return writeMimeTree(tree) ?? tree.build()
}

/** What the copies of a mail share: the MIME fields with their line ends, and the body. */
export type MessageContent = { readonly contentFields: string; readonly body: Buffer }

/** Composes only the content of a mail. */
export async function composeContent(message: MessageFields): Promise<MessageContent> {
  const raw = await composeMessage(message)
  const end = raw.indexOf('\r\n\r\n')
  const fields = splitHeaderFields(raw.toString('latin1', 0, end)).filter(isContentField)
  return { contentFields: fields.map(({ text }) => `${text}\r\n`).join(''), body: Buffer.from(raw.subarray(end + 4)) }
}

/**
 * Composes only the header fields that are not MIME fields, each with its line end. The header of the tree is taken without its streams, which cost most of what composing
 * a small mail costs.
 */
export async function composeHeaderFields(message: MessageFields): Promise<string> {
  const tree = await compileMessage({ ...message, html: null, plain: 'x', attachments: [] })
  // A field may have UTF-8, and this text has a character for each octet.
  const head = Buffer.from(tree.buildHeaders()).toString('latin1')
  const fields = splitHeaderFields(head).filter((field) => !isContentField(field))
  return fields.map(({ text }) => `${text}\r\n`).join('')
}

/** Whether a field belongs to the content: it describes a MIME part. */
export const isContentField = ({ name }: HeaderFieldLine): boolean => name.startsWith('content-')
