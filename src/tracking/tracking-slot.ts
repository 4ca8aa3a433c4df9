/**
 * tracking-slot - the places of a mail where each copy has links of its own
 *
 * All links of one slot have the same length in every copy, so that the places are found once for all copies and line lengths are known
 * before the tokens are.
 *
 * Pure. See also: tracking/tracking-link, tracking/mail-edits.
 */
import { clickUrl, openUrl, unsubscribeUrl } from './tracking-link.ts'

export type TrackingSlot =
  | { readonly kind: 'open' }
  | { readonly kind: 'unsubscribe' }
  | {
      readonly kind: 'click'
      readonly target: string
    }

/** Text that is inserted: bytes with one character each, and slots. */
export type InsertedText = readonly (string | TrackingSlot)[]

/** Replaces the characters from `start` to `end`. Edits are in order and do not overlap. */
export type TextEdit = { readonly start: number; readonly end: number; readonly insert: InsertedText }

/** What the links of one copy are made of. `unsubscribe` is a token of its own purpose; `key` signed the tracking token. */
export type CopyTokens = { readonly tracking: string; readonly unsubscribe: string; readonly key: Uint8Array }

/** Stands for the tokens of any copy where only lengths matter. */
export const SAMPLE_TOKENS: CopyTokens = { tracking: 'a'.repeat(30), unsubscribe: 'a'.repeat(30), key: new Uint8Array(32) }

/** The link of a slot. Null: a target that cannot be tracked. */
export function slotUrl(slot: TrackingSlot, base: string, { tracking, unsubscribe, key }: CopyTokens): string | null {
  if (slot.kind === 'click') return clickUrl({ base, token: tracking, key, target: slot.target })
  return slot.kind === 'open' ? openUrl({ base, token: tracking }) : unsubscribeUrl({ base, token: unsubscribe })
}

/** Text, or the characters from `from` to `to` of a slot's link. */
export type MailPiece = string | { readonly slot: TrackingSlot; readonly from: number; readonly to: number }

/** Writes the pieces of one copy. A link that occurs more than once is signed once. */
export function createLinkWriter(base: string, tokens: CopyTokens): (piece: MailPiece) => string {
  const urls = new Map<string, string>()
  return (piece) => {
    if (typeof piece === 'string') return piece
    const { slot, from, to } = piece
    const key = slot.kind === 'click' ? slot.target : slot.kind
    const url = urls.get(key) ?? slotUrl(slot, base, tokens) ?? ''
    urls.set(key, url)
    return url.slice(from, to)
  }
}
