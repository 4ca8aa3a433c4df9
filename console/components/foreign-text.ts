/**
 * foreign-text - text that a stranger wrote: shown as text, isolated from the direction of ours, with its control characters visible
 *
 * Every address, subject, reply and name from a mail goes through here. A control that reverses what follows (U+202E), or hides it, is drawn as
 * its code.
 *
 * Unicode UAX 9 (isolates), UTS 55. See also: components/marked-text.
 */
import { common } from '../texts/common-texts.ts'
import { html, type Child, type View } from './html.ts'

/** Controls but tab and line feed, and the characters that change direction or have no width. */
const INVISIBLE = /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb])/u

const codeOf = (character: string): string => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

/** The text in pieces, its invisible characters as codes. */
export function withVisibleControls(text: string): readonly Child[] {
  if (!INVISIBLE.test(text)) return [text]
  return text.split(INVISIBLE).map((piece, at) => {
    if (at % 2 === 0) return piece
    const code = codeOf(piece)
    return html`<span class="foreign-control" title=${common('controlCharacter', { code })}>${code}</span>`
  })
}

/** `fallback` stands for an absent or empty text. */
export function ForeignText({ text, fallback = '–' }: { readonly text: string | null | undefined; readonly fallback?: Child }): View {
  if (text === null || text === undefined || text === '') return html`<span class="muted">${fallback}</span>`
  return html`<bdi>${withVisibleControls(text)}</bdi>`
}
