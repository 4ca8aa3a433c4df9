/**
 * status-badge - the status of a message: a word, with the sub status of the compatible API
 */
import { verdictWord } from '../texts/verdict-texts.ts'
import { Badge, type BadgeTone } from './badge.ts'
import { html, type View } from './html.ts'

const TONES: Readonly<Record<number, BadgeTone>> = { 1: 'good', 4: 'bad', 5: 'warn', 18: 'accent' }

export const StatusBadge = ({ status }: { readonly status: number }): View =>
  html`<${Badge} tone=${TONES[status] ?? 'plain'}>${verdictWord(`status${status}`)}</${Badge}>`
