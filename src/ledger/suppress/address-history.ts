/**
 * address-history - what the past deliveries to an address show: signs of life, repeated failures
 *
 * Reads the last deliveries to the address (LedgerState.addressHistory).
 *
 * Pure. See also: ledger/suppress/suppression, ledger/suppress/mass-bounce-guard.
 */
import type { Reason } from '../../classify/reasons.ts'
import type { Permanence } from '../../classify/verdict.ts'
import type { StatusEffect } from '../facts/decision.ts'
import { addressKey, type DeliveryRow, type LedgerState } from '../project/state.ts'

export const DAY_MS = 86_400_000

/** A bounce within this time after a 250 shows that the 250 meant nothing. */
const BOUNCE_WINDOW_MS = 7 * DAY_MS
/** An address with a sign of life within this time is `engaged`. */
const ENGAGED_WINDOW_MS = 30 * DAY_MS

/** A well-proven permanent `not-exist` that was not reported behind a forwarder: the only failure that feeds the bounce list at once. */
export function isPermanentUnknownUser(effect: Pick<StatusEffect, 'reason' | 'permanence' | 'weak' | 'forwarded'>): boolean {
  return effect.reason === 'not-exist' && effect.permanence === 'permanent' && !effect.weak && !effect.forwarded
}

/** The last deliveries to an address, as far as they are loaded. */
export function addressHistoryOf(ledger: LedgerState, account: number, addressHash: string): readonly DeliveryRow[] {
  return [...(ledger.addressHistory.get(addressKey(account, addressHash))?.values() ?? [])]
}

/** The last sign of life before `before`: a delivery without a later bounce, an open, a click. Null: none. */
function lastEngagementAt(history: readonly DeliveryRow[], before: number): number | null {
  const moments = history.flatMap(engagementTimesOf).filter((at) => at < before && !isBouncedAfter(history, at))
  return moments.length === 0 ? null : Math.max(...moments)
}

/** Whether there is a sign of life after `after` that no report contradicted within seven days, all of them before `now`. */
export function isCleanSince(history: readonly DeliveryRow[], after: number, now: number): boolean {
  return history.flatMap(engagementTimesOf).some((at) => at > after && at + BOUNCE_WINDOW_MS <= now && !isBouncedAfter(history, at))
}

/** Whether an address was alive within the 30 days before `at`. Input of the mass-bounce guard. */
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

/** Reasons that suppress only if they repeat: how often, and over how many days at least. */
const REPEAT_THRESHOLDS = {
  'mailbox-disabled': { times: 3, days: 14 },
  'domain-not-exist': { times: 3, days: 14 },
  'mailbox-full': { times: 5, days: 14 },
} as const satisfies Partial<Record<Reason, { readonly times: number; readonly days: number }>>
type RepeatReason = keyof typeof REPEAT_THRESHOLDS

const isRepeatReason = (reason: Reason | null): reason is RepeatReason => reason !== null && Object.hasOwn(REPEAT_THRESHOLDS, reason)

/** One failure of the address. */
type AddressFailure = {
  readonly deliveryId: string
  readonly reason: Reason | null
  readonly at: number
  readonly permanence?: Permanence | null
}

/** Whether this failure completes a series of the same reason that is long enough and has no sign of life in between. */
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
