/**
 * badge - a state in one word; its colour repeats the word and says nothing more
 */
import { html, type Child, type View } from './html.ts'

export type BadgeTone = 'good' | 'warn' | 'bad' | 'accent' | 'plain'

export const Badge = ({ tone = 'plain', children }: { readonly tone?: BadgeTone; readonly children?: Child }): View =>
  html`<span class=${`badge ${tone}`}>${children}</span>`
