/**
 * list-facts - payload of a change of a suppression list entry
 *
 * Payload of ledger/facts/fact-kinds. Pure. See also: ledger/suppress/list-entry.
 */
import type { FieldClasses } from './fact-fields.ts'
import type { Proof } from './decision.ts'
import type { UnsubscribeType } from './delivery-facts.ts'

export const LIST_NAMES = ['bounce', 'complaint', 'unsubscribe', 'block', 'allow'] as const
export type ListName = (typeof LIST_NAMES)[number]

export type ListAction = 'add' | 'remove' | 'hold' | 'apply' | 'discard'

/** The whole entry after this change. The change with the highest number is the entry. */
export type ListData = {
  readonly list: ListName
  readonly scope: string
  readonly change: number
  readonly action: ListAction
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
  /** Consecutive hits: the rung of the ladder. */
  readonly n: number
  readonly from: number
  /** Null: no end. */
  readonly until: number | null
  readonly removedAt: number | null
  readonly pending: boolean
  readonly reason: string
  readonly rule: string | null
  readonly site: string | null
  /** The delivery that caused the entry. */
  readonly deliveryId: string | null
  readonly proof: Proof | null
  readonly unsubscribeType: UnsubscribeType | null
  readonly apiUser: string | null
  readonly labelId: number | null
  /** The fact that caused the change; null if a person made it. */
  readonly cause: string | null
  /** The person who made the change. */
  readonly actor: string | null
  /** Why the person made it. */
  readonly note: string | null
  readonly settingsVersion: number
}

export const LIST_FIELDS = {
  scope: 'text',
  address: 'address',
  domain: 'text',
  reason: 'text',
  rule: 'text',
  site: 'text',
  deliveryId: 'text',
  apiUser: 'text',
  cause: 'text',
  actor: 'text',
  note: 'text',
} as const satisfies FieldClasses<ListData>
