/**
 * composition - the content of one submission, as plain JSON
 *
 * It is stored once for each submission. When a message is sent, the mail is built from it with the variables of the recipient. It holds
 * nothing about recipients, so a blind copy cannot leak: recipients are rows of the queue. The same composition, recipient and variables
 * give the same mail at each retry.
 *
 * See also: compose/substitute (variables), compose/header-set (headers), service/submit/submit (creates it), service/deliver/render
 * (builds mails).
 */

/** An attached file. `content` is base64; `cid` is the content id of an inline image. */
export type Attachment = {
  readonly name: string
  readonly type: string
  readonly content: string
  readonly cid: string | null
}

/** What the sender asked to be tracked; null: as the account is set. */
export type TrackingOptions = { readonly open: boolean | null; readonly click: boolean | null; readonly subscription: boolean | null }

export type Composition = {
  /** An address without a display name. */
  readonly from: string
  readonly fromName: string | null
  readonly replyTo: readonly string[]
  /** What To shows; null: each recipient sees only their own address. If the sender built the mail, To and Cc stay as they are. */
  readonly to: readonly string[] | null
  readonly cc: readonly string[]
  readonly subject: string
  readonly html: string | null
  readonly plain: string | null
  /** The sender's own headers, with the names as written; none of those that we set. */
  readonly headers: Readonly<Record<string, string>>
  readonly attachments: readonly Attachment[]
  /** Texts that variables can name. */
  readonly sections: Readonly<Record<string, string>>
  /** The whole mail as the sender built it, in base64 (SMTP submission); null: it is built from the fields above. */
  readonly raw: string | null
  /** The sender's own Message-ID without brackets; null: each copy gets one of ours. */
  readonly messageId: string | null
  readonly apiUser: string
  readonly label: string | null
  readonly emailType: 'trigger' | 'batch'
  readonly tracking: TrackingOptions
}
