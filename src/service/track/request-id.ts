/**
 * request-id - names one act of one client: an image that it fetches, a link that it follows
 *
 * The id is the dedup key of the fact, so it is the same on every node. It is keyed with a secret of the account: from a plain hash, the IP
 * address could be found by trying all of them.
 *
 * See also: ledger/facts/fact-kinds (dedup keys), service/track/engagement-recorder.
 */
import { createHmac, hash } from 'node:crypto'
import type { AccountSnapshot } from '../account-cache.ts'
import type { EngagementRequest } from './engagement-service.ts'

/** A double click, a reload, a flood. */
const SAME_ACT_MS = 10_000

/** Long enough that two acts on one mail never share an id. */
const ID_LENGTH = 16

/**
 * A digest of the act, for memory only. The user agent is not part of it: whoever floods a link may send another one each time. What a
 * browser fetches in advance is an act of its own, so that it does not hide its reader's.
 */
export function actOf({ kind, account, deliveryId, url, ip, method, purpose, receivedAt }: EngagementRequest): string {
  const moment = Math.floor(receivedAt / SAME_ACT_MS)
  return hash('sha256', JSON.stringify([kind, account, deliveryId, url, ip, method, purpose === null, moment]), 'base64')
}

/** The id of an act, which is stored. */
export function requestIdOf(
  { keyFor, signingIndex }: Pick<AccountSnapshot, 'keyFor' | 'signingIndex'>,
  account: number,
  act: string,
): string {
  const key = keyFor(account, signingIndex) ?? new Uint8Array()
  return createHmac('sha256', key).update(act).digest('hex').slice(0, ID_LENGTH)
}
