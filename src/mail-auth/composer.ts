/**
 * composer - composes a mail from its fields, with nodemailer's MailComposer
 *
 * The same fields give the same bytes: date, Message-ID and boundaries are arguments. No file or URL that a text names is fetched. Text is encoded so that every
 * relay passes it on.
 *
 * RFC 5322, RFC 2045 to 2047. See also: service/deliver/render, compose/rewrite-mime (mails that senders composed themselves).
 */
import type MimeNode from 'nodemailer/lib/mime-node'
import type { Attachment } from '../compose/composition.ts'
import { splitHeaderFields, type HeaderFieldLine } from '../compose/header-line.ts'

export type MessageFields = {
  readonly from: { readonly name: string; readonly address: string }
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly replyTo: readonly string[]
  readonly subject: string
  readonly html: string | null
  readonly plain: string | null
  readonly attachments: readonly Attachment[]
  /** In their order, without Message-ID, Date and the MIME fields. */
  readonly headers: Readonly<Record<string, string>>
  /** With angle brackets. */
  readonly messageId: string
  readonly date: number
  /** The boundaries are derived from it, so it must not occur in the mail. */
  readonly boundarySeed: string
}

/** Composes a whole mail, with CRLF line ends. */
export async function composeMessage(message: MessageFields): Promise<Buffer> {
  return (await compileMessage(message)).build()
}

/** The MIME tree of a mail. */
async function compileMessage(message: MessageFields): Promise<MimeNode> {
  const { from, to, cc, replyTo, subject, html, plain, attachments, headers, messageId, date, boundarySeed } = message
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer')
  const composer = new MailComposer({
    from,
    to: [...to],
    cc: [...cc],
    replyTo: [...replyTo],
    subject,
    ...(html === null ? {} : { html }),
    ...(plain === null ? {} : { text: plain }),
    attachments: attachments.map((each) => ({
      filename: each.name,
      ...(each.type === '' ? {} : { contentType: each.type }),
      content: Buffer.from(each.content, 'base64'),
      ...(each.cid === null ? {} : { cid: each.cid }),
    })),
    headers: Object.entries(headers).map(([key, value]) => ({ key, value })),
    messageId,
    date: new Date(date),
    baseBoundary: boundarySeed,
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return composer.compile()
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
