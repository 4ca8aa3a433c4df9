/**
 * delivery-finder - finds the deliveries that the lines of a log are about
 *
 * In this order: our token in the envelope sender, the Message-ID (ours, or the sender's own with which it registered the mail), and the id that the
 * sender gave at registration. A mail may have many recipients: the recipient of the line must be the one that the delivery was sent to, or another
 * one of the same request. Where the MTA rewrote the only recipient, the token decides.
 *
 * What may be needed is loaded in one round, in the transaction of the caller; then the join asks in memory.
 *
 * See also: mta-log/queue-join, service/follow/record-lines.
 */
import type { TokenDomains } from '../../correlate/references.ts'
import { unwrapReturnPath } from '../../correlate/return-path-unwrap.ts'
import { parseToken } from '../../correlate/token.ts'
import type { LogOutcome } from '../../mta-log/log-outcome.ts'
import {
  addressHashesOf,
  type MatchedDelivery,
  type DeliveryQuery,
  type FindDelivery,
  type FollowedMessage,
} from '../../mta-log/queue-join.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  findAddressesOfDeliveries,
  findByMessageIdAndAddressForOperator,
  findSiblingsByAddress,
} from '../../store/mail/deliveries-of-mail.ts'
import { findRegisteredQueueIdsForOperator } from '../../store/mail/registered-queue-ids.ts'
import type { AccountSnapshot } from '../account-cache.ts'

type FinderInput = {
  readonly snapshot: AccountSnapshot
  readonly domains: TokenDomains
  /** Only deliveries of this account are found; null: those of all. */
  readonly account: number | null
  readonly lines: readonly LogOutcome[]
  readonly entries: readonly FollowedMessage[]
}

/** What the lines of linked queue ids name: a hand-over links two. */
type NameGroup = {
  readonly queueIds: Set<string>
  readonly tokens: Map<string, MatchedDelivery>
  readonly messageIds: Set<string>
  readonly hashes: Set<string>
}

type Candidates = {
  /** The hash of the address of a delivery, by {@link keyOf}. */
  readonly addresses: ReadonlyMap<string, string>
  /** Deliveries of the same request, by {@link keyOf} and address hash. */
  readonly siblings: ReadonlyMap<string, MatchedDelivery>
  /** By Message-ID and address hash. */
  readonly byMessageId: ReadonlyMap<string, readonly MatchedDelivery[]>
  /** By registered queue id, the last registered first. */
  readonly byQueueId: ReadonlyMap<string, readonly MatchedDelivery[]>
}

const keyOf = ({ account, deliveryId }: MatchedDelivery): string => `${account}/${deliveryId}`

/** Loads what the lines may name. The result finds a delivery in memory. */
export async function createDeliveryFinder(db: Database, input: FinderInput): Promise<FindDelivery> {
  const readToken = createTokenReader(input)
  const groups = groupNames(input, readToken)
  const candidates = await loadCandidates(db, groups)
  return (query) => {
    const found = findByNames(candidates, readToken, query)
    return found === null || (input.account !== null && found.account !== input.account) ? null : found
  }
}

type ReadToken = {
  readonly ofSender: (sender: string) => MatchedDelivery | null
  readonly ofMessageId: (messageId: string) => MatchedDelivery | null
}

/** Only tokens that we signed count. */
function createTokenReader({ snapshot, domains }: FinderInput): ReadToken {
  const keyFrom = (text: string, purpose: 'return-path' | 'message-id', domain: string): MatchedDelivery | null => {
    const token = parseToken(text, purpose, domain, snapshot.keyFor)
    const owner = token.state === 'valid' ? snapshot.accountOf(token.account) : null
    return owner === null || token.state !== 'valid' ? null : { account: owner.account, deliveryId: token.deliveryId }
  }
  return {
    ofSender: (sender) => {
      const at = sender.lastIndexOf('@')
      const domain = sender.slice(at + 1).toLowerCase()
      return at > 0 && domains.returnPath.includes(domain) ? keyFrom(sender.slice(0, at), 'return-path', domain) : null
    },
    ofMessageId: (messageId) => {
      const at = messageId.lastIndexOf('@')
      return at > 0 ? keyFrom(messageId.slice(0, at), 'message-id', messageId.slice(at + 1).toLowerCase()) : null
    },
  }
}

/** The address of ours in an envelope sender, without what relays wrap around it; null: none. Total. */
export function ownSenderOf(sender: string, { returnPath }: TokenDomains): string | null {
  return unwrapReturnPath(sender).findLast((each) => returnPath.includes(each.slice(each.lastIndexOf('@') + 1).toLowerCase())) ?? null
}

function groupNames({ lines, entries }: FinderInput, readToken: ReadToken): readonly NameGroup[] {
  const groups = new Map<string, NameGroup>()
  const groupOf = (queueId: string, linked: string | null): NameGroup => {
    const known = groups.get(queueId)
    const other = linked === null ? undefined : groups.get(linked)
    const group = known ?? other ?? { queueIds: new Set(), tokens: new Map(), messageIds: new Set(), hashes: new Set() }
    if (known !== undefined && other !== undefined && known !== other) absorb(known, other, groups)
    for (const id of linked === null ? [queueId] : [queueId, linked]) groups.set(id, group)
    group.queueIds.add(queueId)
    return group
  }
  const addNames = (group: NameGroup, senders: readonly (string | null)[], messageIds: readonly (string | null)[]): void => {
    for (const sender of senders) addToken(group, sender === null ? null : readToken.ofSender(sender))
    for (const id of messageIds) {
      if (id === null) continue
      const key = readToken.ofMessageId(id)
      addToken(group, key)
      if (key === null) group.messageIds.add(id)
    }
  }
  for (const entry of entries) addNames(groupOf(entry.queueId, null), [entry.sender, ...entry.earlierSenders], entry.messageIds)
  for (const [index, line] of lines.entries()) {
    const group = groupOf(line.queueId === '' ? `line ${index}` : line.queueId, line.queuedAs)
    addNames(group, [line.sender], [line.messageId])
    for (const hash of addressHashesOf(line)) group.hashes.add(hash)
  }
  return [...new Set(groups.values())]
}

function addToken(group: NameGroup, key: MatchedDelivery | null): void {
  if (key !== null) group.tokens.set(keyOf(key), key)
}

/** Moves the names of a group into another one. */
function absorb(into: NameGroup, from: NameGroup, groups: Map<string, NameGroup>): void {
  for (const [queueId, group] of groups) if (group === from) groups.set(queueId, into)
  for (const id of from.queueIds) into.queueIds.add(id)
  for (const [id, key] of from.tokens) into.tokens.set(id, key)
  for (const id of from.messageIds) into.messageIds.add(id)
  for (const hash of from.hashes) into.hashes.add(hash)
}

async function loadCandidates(db: Database, groups: readonly NameGroup[]): Promise<Candidates> {
  const withoutToken = groups.filter(({ tokens }) => tokens.size === 0)
  const pairs = withoutToken.flatMap(({ messageIds, hashes }) =>
    [...messageIds].flatMap((messageId) => [...hashes].map((addressHash) => ({ messageId, addressHash }))),
  )
  const [byMessageId, registered] = await Promise.all([
    findByMessageIdAndAddressForOperator(db, pairs),
    findRegisteredQueueIdsForOperator(
      db,
      withoutToken.flatMap(({ queueIds }) => [...queueIds]),
    ),
  ])
  const found = await findAddressesOfDeliveries(db, [...groups.flatMap(({ tokens }) => [...tokens.values()]), ...registered])
  const addresses = new Map(found.map((each) => [keyOf(each), each.addressHash]))
  const others = groups.flatMap(({ tokens, hashes }) =>
    [...tokens.values()].flatMap((key) =>
      [...hashes].filter((addressHash) => addressHash !== addresses.get(keyOf(key))).map((addressHash) => ({ ...key, addressHash })),
    ),
  )
  const siblings = await findSiblingsByAddress(db, others)
  return {
    addresses,
    siblings: new Map(siblings.map((each) => [`${each.account}/${each.sibling} ${each.addressHash}`, each])),
    byMessageId: Map.groupBy(byMessageId, ({ messageId, addressHash }) => `${messageId} ${addressHash}`),
    byQueueId: Map.groupBy(
      registered.toSorted((a, b) => b.registeredAt - a.registeredAt),
      ({ queueId }) => queueId,
    ),
  }
}

function findByNames(candidates: Candidates, readToken: ReadToken, query: DeliveryQuery): MatchedDelivery | null {
  const tokens = [...query.senders.map(readToken.ofSender), ...query.messageIds.map(readToken.ofMessageId)]
  for (const key of tokens) {
    const found = key === null ? null : recipientOfToken(candidates, query, key)
    if (found !== null) return found
  }
  return findByMessageId(candidates, query) ?? findByQueueId(candidates, query)
}

/** The delivery of the token, or of the same request, whose address the line names. */
function recipientOfToken({ addresses, siblings }: Candidates, query: DeliveryQuery, key: MatchedDelivery): MatchedDelivery | null {
  const { addressHashes, recipientCount } = query
  const own = addresses.get(keyOf(key))
  if (own === undefined) return null
  if (addressHashes.length === 0 || addressHashes.includes(own)) return key
  const [sibling] = addressHashes.flatMap((hash) => siblings.get(`${keyOf(key)} ${hash}`) ?? [])
  return sibling ?? (recipientCount === 1 ? key : null)
}

/** A Message-ID that several accounts have used for a recipient names none of them. */
function findByMessageId({ byMessageId }: Candidates, { messageIds, addressHashes }: DeliveryQuery): MatchedDelivery | null {
  for (const messageId of messageIds)
    for (const hash of addressHashes) {
      const [first, ...others] = byMessageId.get(`${messageId} ${hash}`) ?? []
      if (first !== undefined && others.length === 0) return first
    }
  return null
}

function findByQueueId({ byQueueId, addresses }: Candidates, { queueId, addressHashes }: DeliveryQuery): MatchedDelivery | null {
  const rows = byQueueId.get(queueId) ?? []
  if (addressHashes.length === 0) return rows.length === 1 ? (rows[0] ?? null) : null
  return rows.find((row) => addressHashes.includes(addresses.get(keyOf(row)) ?? '')) ?? null
}
