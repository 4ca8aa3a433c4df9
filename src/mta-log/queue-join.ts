/**
 * queue-join - joins the lines of a queue id, and finds the delivery of each outcome
 *
 * An MTA names sender and Message-ID once, and the recipient with each attempt. A queue entry keeps what the lines of one queue id have named, until
 * the id is removed or a new mail takes it: MTAs use their ids again. An entry is known by host, queue id and the moment of its first line.
 *
 * A hand-over moves a recipient to the queue id that the next server gave the mail. An expiry that names no recipient ends all that are still open.
 * Recipients that are open are kept by the hash of their address, never in clear.
 *
 * Pure. See also: mta-log/hand-over, service/follow/record-lines (finds the deliveries), store/mail/followed-messages (keeps the entries).
 */
import { hashAddress } from '../correlate/address-hash.ts'
import { isPassedOn, type RelayMatcher } from './hand-over.ts'
import type { LogEvent, LogOutcome } from './log-outcome.ts'

const ANY_HOST = ''
const AWAITED = 0

export type MatchedDelivery = { readonly account: number; readonly deliveryId: string }

/** What the lines of one queue id have named so far. */
export type FollowedMessage = {
  readonly queueId: string
  /** {@link ANY_HOST}: a relay gave the id, and its log has not named it yet. */
  readonly host: string
  /** {@link AWAITED}: its own lines have not begun. */
  readonly firstSeenAt: number
  readonly lastSeenAt: number
  readonly sender: string | null
  /** The senders that the mail had before it was handed over. */
  readonly earlierSenders: readonly string[]
  /** Its own, and those that it had before. */
  readonly messageIds: readonly string[]
  readonly recipientCount: number | null
  /** The deliveries of the recipients without a final outcome, by the hash of the address. */
  readonly open: Readonly<Record<string, MatchedDelivery>>
}

/** By what the delivery of a recipient is found. `addressHashes`: of the recipient before aliases, then after; empty: the line names none. */
export type DeliveryQuery = Pick<FollowedMessage, 'queueId' | 'messageIds' | 'recipientCount'> & {
  readonly senders: readonly string[]
  readonly addressHashes: readonly string[]
}

export type FindDelivery = (query: DeliveryQuery) => MatchedDelivery | null

/** An outcome of a delivery of ours. */
export type JoinedOutcome = {
  readonly delivery: MatchedDelivery
  readonly result: 'sent' | 'deferred' | 'bounced' | 'expired'
  readonly line: LogOutcome
  readonly at: number
  readonly host: string
}

export type JoinCounts = { readonly matched: number; readonly unmatched: number; readonly handedOver: number }

export type JoinResult = {
  readonly outcomes: readonly JoinedOutcome[]
  /** Entries that are new or have changed, and stored ones that are to be forgotten. */
  readonly changed: readonly FollowedMessage[]
  readonly removed: readonly FollowedMessage[]
  readonly counts: JoinCounts
}

type JoinInput = {
  readonly lines: readonly LogOutcome[]
  /** The stored entries of every queue id that the lines name. */
  readonly entries: readonly FollowedMessage[]
  readonly find: FindDelivery
  readonly isOwnRelay: RelayMatcher
  /** The host of lines that name none, and the time of lines that have none. */
  readonly host: string
  readonly now: number
}

/** A mail to more recipients is joined too, but an expiry ends only this many of them. */
const MAX_OPEN = 10_000
const MAX_NAMES = 4

type Step = { readonly outcomes?: readonly JoinedOutcome[]; readonly unmatched?: number; readonly handedOver?: number }
type EntryTable = Map<string, FollowedMessage>

/** One line, where and when it was written, and the entry of its queue id. */
type LineCase = { readonly line: LogOutcome; readonly host: string; readonly at: number; readonly entry: FollowedMessage }

/** Joins lines, in their order. Total. */
export function joinLines(input: JoinInput): JoinResult {
  const table: EntryTable = new Map(input.entries.map((entry) => [keyOf(entry), entry]))
  const steps = input.lines.map((line) => joinLine(table, input, line))
  const stored = new Map(input.entries.map((entry) => [keyOf(entry), entry]))
  const outcomes = steps.flatMap((step) => step.outcomes ?? [])
  return {
    outcomes,
    changed: [...table.values()].filter((entry) => isWorthKeeping(entry) && stored.get(keyOf(entry)) !== entry),
    removed: input.entries.filter((entry) => !isWorthKeeping(table.get(keyOf(entry)))),
    counts: {
      matched: outcomes.length,
      unmatched: steps.reduce((sum, step) => sum + (step.unmatched ?? 0), 0),
      handedOver: steps.reduce((sum, step) => sum + (step.handedOver ?? 0), 0),
    },
  }
}

const keyOf = ({ host, queueId }: Pick<FollowedMessage, 'host' | 'queueId'>): string => `${host} ${queueId}`

const isWorthKeeping = (entry: FollowedMessage | undefined): boolean =>
  entry !== undefined && (sendersOf(entry).length > 0 || entry.messageIds.length > 0 || Object.keys(entry.open).length > 0)

function joinLine(table: EntryTable, input: JoinInput, line: LogOutcome): Step {
  const host = line.host ?? input.host
  const at = Math.min(line.time ?? input.now, input.now)
  if (line.queueId === '') return STEPS[line.event](table, input, { line, host, at, entry: createEntry(line.queueId, host, at) })
  const known = takeEntry(table, line.queueId, host)
  const isNew = known === null || isNewMail(known, line)
  const entry = isNew ? createEntry(line.queueId, host, at) : { ...known, lastSeenAt: Math.max(known.lastSeenAt, at) }
  return STEPS[line.event](table, input, { line, host, at, entry })
}

/** The entry of a queue id at a host. One that a relay gave belongs to the first host that names the id. */
function takeEntry(table: EntryTable, queueId: string, host: string): FollowedMessage | null {
  const own = table.get(keyOf({ host, queueId }))
  if (own !== undefined) return own
  const awaited = table.get(keyOf({ host: ANY_HOST, queueId }))
  if (awaited === undefined) return null
  table.delete(keyOf(awaited))
  const claimed = { ...awaited, host }
  table.set(keyOf(claimed), claimed)
  return claimed
}

/** Whether a line shows that the id has gone to another mail, whose first lines were not read. */
const isNewMail = (entry: FollowedMessage, { event, sender }: LogOutcome): boolean =>
  event === 'named' && sender !== null && entry.sender !== null && entry.sender !== sender

const createEntry = (queueId: string, host: string, at: number): FollowedMessage => ({
  queueId,
  host,
  firstSeenAt: at,
  lastSeenAt: at,
  sender: null,
  earlierSenders: [],
  messageIds: [],
  recipientCount: null,
  open: {},
})

const STEPS: Readonly<Record<LogEvent, (table: EntryTable, input: JoinInput, at: LineCase) => Step>> = {
  received: (table, _input, { line, host, at, entry }) => {
    // Entries that were handed over, and whose own lines begin only now, keep their names.
    const isAwaited = entry.firstSeenAt === AWAITED
    save(table, withNames(isAwaited ? { ...entry, firstSeenAt: at } : createEntry(line.queueId, host, at), line))
    return {}
  },
  named: (table, _input, { line, entry }) => {
    save(table, withNames(entry, line))
    return {}
  },
  sent: joinSent,
  deferred: (table, input, found) => joinAttempt(table, input, found, 'deferred'),
  bounced: (table, input, found) => joinAttempt(table, input, found, 'bounced'),
  expired: (table, input, found) =>
    found.line.recipient === null ? expireAll(table, input, found) : joinAttempt(table, input, found, 'expired'),
  removed: (table, _input, { entry }) => {
    table.delete(keyOf(entry))
    return {}
  },
}

function withNames(entry: FollowedMessage, { sender, messageId, recipientCount }: LogOutcome): FollowedMessage {
  return {
    ...entry,
    sender: sender ?? entry.sender,
    messageIds: addName(entry.messageIds, messageId),
    recipientCount: recipientCount ?? entry.recipientCount,
  }
}

const addName = (names: readonly string[], name: string | null): readonly string[] =>
  name === null || name === '' || names.includes(name) || names.length >= MAX_NAMES ? names : [...names, name]

const save = (table: EntryTable, entry: FollowedMessage): void => {
  if (entry.queueId !== '') table.set(keyOf(entry), entry)
}

function joinSent(table: EntryTable, input: JoinInput, found: LineCase): Step {
  if (!isPassedOn(found.line, input.isOwnRelay)) return joinAttempt(table, input, found, 'sent')
  const delivery = deliveryOf(input, found)
  save(table, close(found))
  passOn(table, found, delivery)
  return { handedOver: 1 }
}

/** The next server's entry gets the names of this one, and the delivery of the recipient. */
function passOn(table: EntryTable, { line, host, at, entry }: LineCase, delivery: MatchedDelivery | null): void {
  if (line.queuedAs === null || line.queuedAs === line.queueId) return
  const known = table.get(keyOf({ host, queueId: line.queuedAs })) ?? table.get(keyOf({ host: ANY_HOST, queueId: line.queuedAs }))
  const next = known ?? { ...createEntry(line.queuedAs, ANY_HOST, AWAITED), lastSeenAt: at }
  const { messageIds } = withNames(entry, line)
  const named = {
    ...next,
    earlierSenders: sendersOf(withNames(entry, line)).reduce(addName, next.earlierSenders),
    messageIds: messageIds.reduce(addName, next.messageIds),
  }
  save(table, delivery === null ? named : reopen(named, line, delivery))
}

function joinAttempt(table: EntryTable, input: JoinInput, found: LineCase, result: JoinedOutcome['result']): Step {
  const delivery = deliveryOf(input, found)
  save(table, result === 'deferred' && delivery !== null ? reopen(found.entry, found.line, delivery) : close(found))
  if (delivery === null) return { unmatched: 1 }
  return { outcomes: [{ delivery, result, line: found.line, at: found.at, host: found.host }] }
}

/** An expiry that names no recipient ends all that are open; if none is known, the one that the sender's address names. */
function expireAll(table: EntryTable, input: JoinInput, { line, host, at, entry }: LineCase): Step {
  const open = Object.values(entry.open)
  const named = open.length > 0 ? null : input.find({ ...queryOf(entry, line), addressHashes: [] })
  const ended = named === null ? open : [named]
  save(table, { ...entry, open: {} })
  if (ended.length === 0) return { unmatched: 1 }
  return { outcomes: ended.map((delivery) => ({ delivery, result: 'expired', line, at, host })) }
}

function deliveryOf({ find }: JoinInput, { line, entry }: LineCase): MatchedDelivery | null {
  const addressHashes = addressHashesOf(line)
  const known = addressHashes.flatMap((hash) => entry.open[openKeyOf(hash)] ?? [])[0]
  return known ?? find({ ...queryOf(entry, line), addressHashes })
}

const sendersOf = ({ sender, earlierSenders }: FollowedMessage): readonly string[] =>
  sender === null || sender === '' ? earlierSenders : [sender, ...earlierSenders]

const queryOf = (
  entry: FollowedMessage,
  { queueId, sender, messageId, recipientCount }: LogOutcome,
): Omit<DeliveryQuery, 'addressHashes'> => ({
  queueId,
  senders: sender === null || sender === '' ? sendersOf(entry) : [sender, ...sendersOf(entry)],
  messageIds: messageId === null ? entry.messageIds : [messageId, ...entry.messageIds],
  recipientCount: recipientCount ?? entry.recipientCount,
})

/** The hashes of the recipient before aliases, then after. */
export const addressHashesOf = ({ origTo, recipient }: Pick<LogOutcome, 'origTo' | 'recipient'>): readonly string[] =>
  [origTo, recipient].flatMap((address) => (address === null ? [] : (hashAddress(address) ?? [])))

/** Half of a SHA-256 tells the recipients of one mail apart. */
const openKeyOf = (hash: string): string => hash.slice(0, 32)

function reopen(entry: FollowedMessage, line: LogOutcome, delivery: MatchedDelivery): FollowedMessage {
  const [hash] = addressHashesOf({ origTo: null, recipient: line.recipient })
  const isFull = Object.keys(entry.open).length >= MAX_OPEN
  return hash === undefined || isFull ? entry : { ...entry, open: { ...entry.open, [openKeyOf(hash)]: delivery } }
}

/** The recipient of the line has a final outcome, or is no longer in this queue. */
function close({ line, entry }: LineCase): FollowedMessage {
  const keys = new Set(addressHashesOf(line).map(openKeyOf))
  if (!Object.keys(entry.open).some((key) => keys.has(key))) return entry
  return { ...entry, open: Object.fromEntries(Object.entries(entry.open).filter(([key]) => !keys.has(key))) }
}
