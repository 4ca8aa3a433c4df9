/**
 * bounce-format - the shape of a row of mail/freeform/formats: how one program lays out a bounce written as prose
 *
 * Pure data. See also: mail/freeform/formats (the rows), mail/freeform/format-index (their lookup).
 */

export type BounceFormat = {
  readonly id: string
  /** Header name → strings in its value, lower case. Each match is a vote for the row. */
  readonly header?: Readonly<Record<string, readonly string[]>>
  /** Lines that only this program writes. */
  readonly signature?: readonly string[]
  /** Recipients are in the lines below. */
  readonly recipientsBelow?: readonly string[]
  /** The recipient follows, in this line or the next. */
  readonly recipientLabel?: readonly string[]
  /** Diagnostics are in the lines below. */
  readonly diagnosticsBelow?: readonly string[]
  /** The address that follows is the sender. */
  readonly senderLabel?: readonly string[]
  /** General explanations after the recipients, up to the next section. */
  readonly advice?: readonly string[]
  /** The returned message begins below. */
  readonly originalBelow?: readonly string[]
}

export const MARKER_ROLES = [
  'signature',
  'recipientsBelow',
  'recipientLabel',
  'diagnosticsBelow',
  'senderLabel',
  'advice',
  'originalBelow',
] as const
export type MarkerRole = (typeof MARKER_ROLES)[number]
