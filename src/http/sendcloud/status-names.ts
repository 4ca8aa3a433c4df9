/**
 * status-names - SendCloud's names of statuses and unsubscribe types
 *
 * See also: webhook/sub-status-names.
 */
import type { DeliveryStatus } from '../../ledger/facts/decision.ts'

export const STATUS_NAMES = { 18: 'sending', 1: 'delivered', 4: 'invalid email', 5: 'soft bounce' } as const satisfies Record<
  DeliveryStatus,
  string
>

/** Letter by letter, because clients compare them. */
export const UNSUBSCRIBE_TYPE_NAMES = [
  "I don't want to receive such mail anymore.",
  'This is not my subscription',
  'This is spam',
  'This is a fraudulent email',
] as const
