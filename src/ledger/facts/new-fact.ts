/**
 * new-fact - creates a fact from its payload, with subject, month and dedup key
 *
 * Pure. See also: ledger/facts/fact, ledger/facts/fact-kinds.
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { FACT_KINDS, type FactData, type FactKind } from './fact-kinds.ts'
import type { Fact, FactOf } from './fact.ts'
import type { ListName } from './list-facts.ts'

/** Source of fact ids. Each id is a UUIDv7 of the given time. */
export type FactIdGenerator = { readonly next: (at: number) => string }

/** When something happened, when we learned of it, and the source of its id. */
export type FactMoment = { readonly at: number; readonly receivedAt: number; readonly ids: FactIdGenerator }

/** What a fact is about. */
export type FactSubject = {
  readonly account: number
  readonly deliveryId: string | null
  readonly addressHash: string | null
  readonly subject: string
}

/** The subject of a delivery. */
export function aboutDelivery(row: {
  readonly account: number
  readonly deliveryId: string
  readonly addressHash: string | null
}): FactSubject {
  return { account: row.account, deliveryId: row.deliveryId, addressHash: row.addressHash, subject: row.deliveryId }
}

/** The subject of a list entry. `deliveryId` makes the fact visible in the delivery's timeline. */
export function aboutEntry(entry: {
  readonly account: number
  readonly list: ListName
  readonly addressHash: string
  readonly scope: string
  readonly deliveryId: string | null
}): FactSubject {
  const { account, deliveryId, addressHash } = entry
  return { account, deliveryId, addressHash, subject: `list:${entry.list}:${addressHash}:${entry.scope}` }
}

/** The subject of a received mail. */
export function aboutMail(account: number, digest: string, deliveryId: string | null): FactSubject {
  return { account, deliveryId, addressHash: null, subject: `mail:${digest}` }
}

/** The subject of a receiving site; belongs to the operator. */
export const aboutSite = (site: string): FactSubject => ({ account: 0, deliveryId: null, addressHash: null, subject: `site:${site}` })

/** The subject of a webhook endpoint of an account. */
export const aboutEndpoint = (account: number, endpointId: number): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `endpoint:${account}:${endpointId}`,
})

/** The subject of a backoff key, as one account (0: the operator) sees it. */
export const aboutBackoffKey = (account: number, key: string): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `queue:${key}`,
})

/** The subject of an account itself. */
export const aboutAccount = (account: number): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `audit:${account}`,
})

/**
 * Creates one fact. Only a fact whose subject is the delivery is stored in the delivery's month. Facts about lists, mails and sites have
 * month 0; of those, retention removes facts about mails, by the time of receipt.
 */
export function createFact<K extends FactKind>(kind: K, about: FactSubject, moment: FactMoment, data: FactData[K]): FactOf<K> {
  const id = moment.ids.next(moment.receivedAt)
  const { version, dedupKey } = FACT_KINDS[kind]
  const fact = {
    id,
    kind,
    v: version,
    at: moment.at,
    receivedAt: moment.receivedAt,
    account: about.account,
    deliveryId: about.deliveryId,
    deliveryMonth: about.deliveryId !== null && about.deliveryId === about.subject ? monthOfDelivery(about.deliveryId) : 0,
    subject: about.subject,
    dedupKey: dedupKey(data, { id, at: moment.at, addressHash: about.addressHash }),
    addressHash: about.addressHash,
    data,
  }
  // Checked cast: the compiler cannot see that `kind` and `data` belong to one K, which the parameters guarantee.
  return fact as unknown as FactOf<K>
}

/** Whether the fold of a delivery reads this fact: its subject is the delivery. */
export const isDeliveryFact = (fact: Fact): boolean => fact.deliveryId !== null && fact.subject === fact.deliveryId
