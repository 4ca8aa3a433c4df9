/**
 * tracked-text - tracks an HTML or plain text that is not part of a mail yet
 *
 * For senders that build and deliver their mails themselves. The text is edited as the same part of a mail would be.
 *
 * Pure, total, linear. See also: tracking/text-edits, tracking/mail-edits, service/track/track-content.
 */
import { applyEdits } from './encoded-part.ts'
import { toEditableText } from './part-charset.ts'
import { htmlEdits, plainEdits, type TrackingPlanOptions } from './text-edits.ts'
import { createLinkWriter, type CopyTokens, type MailPiece } from './tracking-slot.ts'

/** A text with its places for links, as bytes of UTF-8 with one character each. */
export type TextPlan = { readonly base: string; readonly pieces: readonly MailPiece[] }

const BODY = { isBody: true, language: null } as const

/** Finds the places once for all copies. A text with NUL or with escapes of ISO-2022-JP has none. */
export function planText(text: string, type: 'html' | 'plain', options: TrackingPlanOptions): TextPlan {
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  const editable = toEditableText(bytes, 'utf-8')
  const edits = editable === null ? [] : type === 'html' ? htmlEdits(editable, BODY, options) : plainEdits(editable, BODY, options)
  return { base: options.base, pieces: applyEdits(bytes, edits, options.base) }
}

/** The text of one copy. */
export function fillText({ base, pieces }: TextPlan, tokens: CopyTokens): string {
  return Buffer.from(pieces.map(createLinkWriter(base, tokens)).join(''), 'latin1').toString('utf8')
}
