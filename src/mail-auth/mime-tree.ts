/**
 * mime-tree - the MIME tree of a mail by its fields, made by nodemailer's MailComposer
 *
 * The same fields give the same tree: date, Message-ID and boundaries are arguments. No file or URL that a text names is fetched.
 *
 * RFC 5322, RFC 2045 to 2047. See also: mail-auth/composer, mail-auth/mime-writer.
 */
import type MimeNode from 'nodemailer/lib/mime-node'
import type { Attachment } from '../compose/composition.ts'

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

/** The MIME tree of a mail. */
export async function compileMessage(message: MessageFields): Promise<MimeNode> {
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
