/**
 * inbox-item - a mail of the inbox as `GET /v1/inbox` shows it
 *
 * See also: http/api/inbox.
 */
import { inboxTexts as t } from './inbox-texts.ts'

export const STATES = ['open', 'accepted', 'discarded', 'linked', 'replayed', 'any'] as const

export const ITEM_REASONS = [
  'unreadable',
  'unmatched',
  'unverified',
  'pending',
  'expired',
  'unregistered',
  'ambiguous',
  'contradictory',
  'signature-failed',
  'postmaster',
  'cut',
] as const

export type InboxItem = {
  readonly id: string
  readonly reason: (typeof ITEM_REASONS)[number]
  readonly kind: string
  readonly state: Exclude<(typeof STATES)[number], 'any'>
  readonly receivedAt: string
  readonly from: string | null
  readonly subject: string | null
  readonly summary: string
}

export const STATE_TONES = { open: 'warn', accepted: 'good', discarded: 'plain', linked: 'good', replayed: 'good' } as const

/** What an action answers, in words. */
export const outcomeText = ({ changed, events }: { readonly changed: boolean; readonly events: readonly unknown[] }): string =>
  changed ? t('changed', { n: events.length }) : t('unchanged')
