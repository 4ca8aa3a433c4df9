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

export const UNSUBSCRIBE_TYPE_NAMES = ['does not want it any more', 'never subscribed', 'spam', 'fraud'] as const
