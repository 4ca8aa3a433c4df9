/**
 * new-fact - a fact out of its data, with its subject, month and dedup key
 *
 * Pure. See also: ledger/facts/fact, ledger/facts/dedup-key.
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import { DEDUP_KEYS, type DedupContext } from './dedup-key.ts'
import { FACT_VERSIONS, type Fact, type FactData, type FactKind, type FactOf, type ListName } from './fact.ts'

/** Ids are made outside: UUIDv7 of the moment that is given. */
export type FactIdGenerator = { readonly next: (at: number) => string }

/** When it happened and when we learnt it; whence ids come. */
export type FactMoment = { readonly at: number; readonly receivedAt: number; readonly ids: FactIdGenerator }

/** What a fact is about. */
export type FactSubject = {
  readonly account: number
  readonly deliveryId: string | null
  readonly addressHash: string | null
  readonly subject: string
}

/** About a delivery. */
export function aboutDelivery(row: {
  readonly account: number
  readonly deliveryId: string
  readonly addressHash: string | null
}): FactSubject {
  return { account: row.account, deliveryId: row.deliveryId, addressHash: row.addressHash, subject: row.deliveryId }
}

/** About an entry of a list. `deliveryId` shows it in the delivery's timeline. */
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

/** About a mail that came. */
export function aboutMail(account: number, digest: string, deliveryId: string | null): FactSubject {
  return { account, deliveryId, addressHash: null, subject: `mail:${digest}` }
}

/** About a site: the operator's. */
export const aboutSite = (site: string): FactSubject => ({ account: 0, deliveryId: null, addressHash: null, subject: `site:${site}` })

/** About where an account's events are sent to. */
export const aboutEndpoint = (account: number, endpointId: number): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `endpoint:${account}:${endpointId}`,
})

/** About a key of the delivery queue, as an account (0: the operator) sees it. */
export const aboutBackoffKey = (account: number, key: string): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `queue:${key}`,
})

/** About an account itself. */
export const aboutAccount = (account: number): FactSubject => ({
  account,
  deliveryId: null,
  addressHash: null,
  subject: `audit:${account}`,
})

/**
 * Makes one fact. Only what is about a delivery itself lies in the delivery's month; lists, mails and sites lie in month 0: of them only
 * mails are retired, by the time at which they came.
 */
export function createFact<K extends FactKind>(kind: K, about: FactSubject, moment: FactMoment, data: FactData[K]): FactOf<K> {
  const id = moment.ids.next(moment.receivedAt)
  const key: (data: FactData[K], whose: DedupContext) => string = DEDUP_KEYS[kind]
  const fact = {
    id,
    kind,
    v: FACT_VERSIONS[kind],
    at: moment.at,
    receivedAt: moment.receivedAt,
    account: about.account,
    deliveryId: about.deliveryId,
    deliveryMonth: about.deliveryId !== null && about.deliveryId === about.subject ? monthOfDelivery(about.deliveryId) : 0,
    subject: about.subject,
    dedupKey: key(data, { id, at: moment.at, addressHash: about.addressHash }),
    addressHash: about.addressHash,
    data,
  }
  // The compiler cannot follow that `kind` and `data` belong to one K; the parameters say so.
  return fact as unknown as FactOf<K>
}

/** Whether a fact is part of its delivery's own story: what the fold of a delivery reads. */
export const isDeliveryFact = (fact: Fact): boolean => fact.deliveryId !== null && fact.subject === fact.deliveryId
