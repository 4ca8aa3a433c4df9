/**
 * address-history - what the past of an address says: was it alive, how often did it fail
 *
 * Read from the last deliveries to the address (World.history). Pure. See also: ledger/suppress/suppression, ledger/suppress/mass-bounce-guard.
 */
import type { Reason } from '../../classify/reasons.ts'
import type { Permanence } from '../../classify/verdict.ts'
import type { StatusEffect } from '../facts/decision.ts'
import { addressKey, type DeliveryRow, type LedgerState } from '../project/state.ts'

export const DAY_MS = 86_400_000

/** A bounce within so long after a 250 says that the 250 meant nothing. */
const BOUNCE_WINDOW_MS = 7 * DAY_MS
/** An address with a sign of life within so long is `engaged`. */
const ENGAGED_WINDOW_MS = 30 * DAY_MS

/** Permanently no such mailbox, well proven, and not behind a forwarder: the one thing that feeds the bounce list at once. */
export function isPermanentUnknownUser(effect: Pick<StatusEffect, 'reason' | 'permanence' | 'weak' | 'forwarded'>): boolean {
  return effect.reason === 'not-exist' && effect.permanence === 'permanent' && !effect.weak && !effect.forwarded
}

/** The last deliveries to an address, as far as they are loaded. */
export function addressHistoryOf(ledger: LedgerState, account: number, addressHash: string): readonly DeliveryRow[] {
  return [...(ledger.addressHistory.get(addressKey(account, addressHash))?.values() ?? [])]
}

/** When an address was last alive (a delivery that no bounce followed, an open, a click) before `before`; null: never. */
function lastEngagementAt(history: readonly DeliveryRow[], before: number): number | null {
  const moments = history.flatMap(engagementTimesOf).filter((at) => at < before && !isBouncedAfter(history, at))
  return moments.length === 0 ? null : Math.max(...moments)
}

/** Whether the address showed life after `after`, and then no report came back for seven days that have passed by `now`. */
export function isCleanSince(history: readonly DeliveryRow[], after: number, now: number): boolean {
  return history.flatMap(engagementTimesOf).some((at) => at > after && at + BOUNCE_WINDOW_MS <= now && !isBouncedAfter(history, at))
}

/** What the brake asks of a hit. */
export function isEngaged(history: readonly DeliveryRow[], at: number): boolean {
  const lastEngaged = lastEngagementAt(history, at)
  return lastEngaged !== null && lastEngaged >= at - ENGAGED_WINDOW_MS
}

function engagementTimesOf(row: DeliveryRow): readonly number[] {
  return [row.deliveredAt, row.openedAt, row.clickedAt, row.touchedAt].filter((at) => at !== null)
}

function isBouncedAfter(history: readonly DeliveryRow[], at: number): boolean {
  return history.some((row) => row.asynchronous && row.statusAt >= at && row.statusAt <= at + BOUNCE_WINDOW_MS)
}

/** Reasons that suppress only when they repeat: how often, over how long at least. */
const REPEAT_THRESHOLDS = {
  'mailbox-disabled': { times: 3, days: 14 },
  'domain-not-exist': { times: 3, days: 14 },
  'mailbox-full': { times: 5, days: 14 },
} as const satisfies Partial<Record<Reason, { readonly times: number; readonly days: number }>>
type RepeatReason = keyof typeof REPEAT_THRESHOLDS

const isRepeatReason = (reason: Reason | null): reason is RepeatReason => reason !== null && Object.hasOwn(REPEAT_THRESHOLDS, reason)

/** One failure, this one or one of the past. */
export type AddressFailure = {
  readonly deliveryId: string
  readonly reason: Reason | null
  readonly at: number
  readonly permanence?: Permanence | null
}

/** Whether this failure completes a row of the same reason, long enough and without a sign of life between. */
export function isRepeatedFailure(history: readonly DeliveryRow[], now: AddressFailure): boolean {
  if (!isRepeatReason(now.reason)) return false
  const { times, days } = REPEAT_THRESHOLDS[now.reason]
  const lastEngaged = lastEngagementAt(history, now.at) ?? Number.NEGATIVE_INFINITY
  const past = history.filter(
    (row) =>
      row.reason === now.reason &&
      row.statusAt > lastEngaged &&
      row.statusAt <= now.at &&
      row.deliveryId !== now.deliveryId &&
      !row.weak &&
      !row.forwarded,
  )
  const first = Math.min(now.at, ...past.map((row) => row.statusAt))
  return past.length + 1 >= times && now.at - first >= days * DAY_MS
}
