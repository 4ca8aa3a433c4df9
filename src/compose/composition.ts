/**
 * composition - what one request asks to be sent, as plain JSON
 *
 * It is stored once a request; a mail is made of it for each recipient at the send, with that recipient's variables. So nothing of a
 * recipient lies in it, and a blind copy cannot leak: who gets one is a row of the queue and nothing else. The same composition, the same
 * recipient and the same names give the same mail at each retry.
 *
 * See also: compose/substitute (variables), compose/header-set (the header set), service/submit/submit (makes it), service/deliver/render (makes mails of it).
 */

/** A file that goes with the mail. `content` is base64; `cid` names a picture that the HTML shows. */
export type Attachment = {
  readonly name: string
  readonly type: string
  readonly content: string
  readonly cid: string | null
}

/** What the sender asked to be tracked; null: as the account has it. */
export type TrackingOptions = { readonly open: boolean | null; readonly click: boolean | null; readonly subscription: boolean | null }

export type Composition = {
  /** One address without a name. */
  readonly from: string
  readonly fromName: string | null
  readonly replyTo: readonly string[]
  /** What To shows; null: each recipient sees himself alone. Of a mail that the sender made himself, a list leaves To and Cc as they stand. */
  readonly to: readonly string[] | null
  readonly cc: readonly string[]
  readonly subject: string
  readonly html: string | null
  readonly plain: string | null
  /** The sender's own headers, by the name as he wrote it; none of those that we set. */
  readonly headers: Readonly<Record<string, string>>
  readonly attachments: readonly Attachment[]
  /** Texts that variables name. */
  readonly sections: Readonly<Record<string, string>>
  /** The whole mail as the sender made it, base64 (SMTP submission); null: it is made of the fields above. */
  readonly raw: string | null
  /** The sender's own Message-ID without brackets; null: each copy has one of ours. */
  readonly messageId: string | null
  readonly apiUser: string
  readonly label: string | null
  readonly emailType: 'trigger' | 'batch'
  readonly tracking: TrackingOptions
}
