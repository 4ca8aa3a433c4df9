/**
 * bounce-format - the shape of a row of mail/freeform/formats: how one program lays out a bounce written as prose
 *
 * Pure data. See also: mail/freeform/formats (the rows), mail/freeform/format-index (their lookup).
 */

export type BounceFormat = {
  readonly id: string
  /** Header name → what its value contains, lower case; any of them is a vote for the row. */
  readonly header?: Readonly<Record<string, readonly string[]>>
  /** Lines that only this writer writes. */
  readonly signature?: readonly string[]
  /** Recipients stand in the lines below. */
  readonly recipientsBelow?: readonly string[]
  /** The recipient stands behind these words, in this line or the next. */
  readonly recipientLabel?: readonly string[]
  /** Diagnostics stand below. */
  readonly diagnosticsBelow?: readonly string[]
  /** The address that follows is the sender's. */
  readonly senderLabel?: readonly string[]
  /** What the writer says to people, after its recipients; nothing about them follows until another section opens. */
  readonly advice?: readonly string[]
  /** The returned mail begins. */
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
