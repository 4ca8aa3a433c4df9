/**
 * engagement - the fact of one open or click
 *
 * One client that asks for the same thing again within a few seconds makes the same fact: its dedup key is the delivery, what was asked for,
 * the client, and the window of time.
 *
 * Pure. See also: ledger/facts/delivery-facts, service/track/engagement-service.
 */
import type { AccountSettings } from '../account-settings.ts'
import { digestOf } from '../facts/dedup-key.ts'
import type { Fact } from '../facts/fact.ts'
import { aboutDelivery, createFact, type FactMoment } from '../facts/new-fact.ts'
import type { DeliveryRow } from '../project/state.ts'

type EngagementInput = {
  readonly kind: 'open' | 'click'
  readonly delivery: DeliveryRow
  readonly url: string | null
  readonly ip: string
  readonly userAgent: string | null
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** A second request of one client within this time is the same act: a double click, a reload, a flood. */
const SAME_ACT_MS = 10_000

/** The fact of one request. */
export function decideEngagement({ kind, delivery, url, ip, userAgent, settings, moment }: EngagementInput): Fact {
  const data = {
    requestId: digestOf([url, ip, userAgent, Math.floor(moment.at / SAME_ACT_MS)]),
    url: kind === 'click' ? url : null,
    ip: settings.engagementIp === 'none' ? null : ip,
    userAgent: settings.engagementUserAgent === 'reading' ? null : userAgent,
  }
  return createFact(kind, aboutDelivery(delivery), moment, data)
}
