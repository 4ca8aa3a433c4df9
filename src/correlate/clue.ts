/**
 * clue - what in a report points at a mail of ours, in order of trust
 *
 * See also: correlate/match.
 */
import type { TokenRead } from './token.ts'

/** Where a clue stood, the most trusted first. */
export const VIAS = ['rcpt', 'return-path', 'cfbl-feedback-id', 'envelope-id', 'recipient', 'email-id', 'message-id'] as const
export type Via = (typeof VIAS)[number]

export type Clue =
  | { readonly via: Via; readonly token: Exclude<TokenRead, { state: 'none' }> }
  | { readonly via: 'email-id' | 'message-id'; readonly value: string }
