/**
 * composer - a mail out of its fields, by nodemailer's MailComposer
 *
 * The same fields give the same bytes: the date, the Message-ID and the boundaries are arguments. Nothing is fetched: neither a file nor a URL that a
 * text names. Text leaves in an encoding that every relay lets through.
 *
 * RFC 5322, RFC 2045–2047. See also: service/deliver/render, compose/rewrite-mime (mails that senders made themselves).
 */
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
  /** In their order; Message-ID, Date and what builds the mail are not among them. */
  readonly headers: Readonly<Record<string, string>>
  /** With its brackets. */
  readonly messageId: string
  readonly date: number
  /** Unlike anything in the mail: the boundaries are made of it. */
  readonly boundarySeed: string
}

/** Writes a letter, with CR LF line ends. */
export async function composeMessage(message: MessageFields): Promise<Buffer> {
  const { from, to, cc, replyTo, subject, html, plain, attachments, headers, messageId, date, boundarySeed: name } = message
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
    baseBoundary: name,
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return composer.compile().build()
}

/** What the copies of a letter share: how it is built, as fields with their line ends, and its body. */
export type MessageContent = { readonly contentFields: string; readonly body: Buffer }

/** The content of a letter on its own. */
export async function composeContent(message: MessageFields): Promise<MessageContent> {
  const raw = await composeMessage(message)
  const end = raw.indexOf('\r\n\r\n')
  const fields = splitHeaderFields(raw.toString('latin1', 0, end)).filter(isContentField)
  return { contentFields: fields.map(({ text }) => `${text}\r\n`).join(''), body: Buffer.from(raw.subarray(end + 4)) }
}

/** The fields of a letter whose content is there already, each with its line end. */
export async function composeHeaderFields(message: MessageFields): Promise<string> {
  const raw = (await composeMessage({ ...message, html: null, plain: 'x', attachments: [] })).toString('latin1')
  const fields = splitHeaderFields(raw.slice(0, raw.indexOf('\r\n\r\n'))).filter((field) => !isContentField(field))
  return fields.map(({ text }) => `${text}\r\n`).join('')
}

const isContentField = ({ name }: HeaderFieldLine): boolean => name.startsWith('content-')
