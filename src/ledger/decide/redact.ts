/**
 * redact - an address goes, the protection stays
 *
 * The one case in which stored facts and rows are rewritten: wherever the clear address stands it is blanked, and its hash stays, so that
 * lists go on answering. The text of replies may quote it, so its occurrences there go too. Raw mail is the store's to delete.
 *
 * Pure. See also: correlate/address-hash (hash), store/facts/redact.
 */
import { knowAddress } from '../../correlate/address-hash.ts'
import type { Fact } from '../facts/fact.ts'
import { makeFact, type Moment } from '../facts/new-fact.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../project/state.ts'

/** What stands where an address stood. */
const ERASED = 'erased'

/** The fact that an address was erased: how much of it there was. */
export function decideErasure(
  input: {
    readonly account: number
    readonly addressHash: string
    readonly actor: string
    readonly deliveries: number
    readonly entries: number
  },
  moment: Moment,
): Fact {
  const { account, addressHash, actor, deliveries, entries } = input
  return makeFact('erased', { account, deliveryId: null, addressHash, subject: `address:${addressHash}` }, moment, {
    actor,
    deliveries,
    entries,
  })
}

/** A fact without the address. Ids, keys, hashes and decisions stay as they are. */
export function eraseFact(fact: Fact, address: string): Fact {
  const data = blank(fact.data, address)
  // blank changes no shape: strings stay strings, and what was the address alone becomes null only where null is allowed.
  return { ...fact, data } as Fact
}

/** A delivery without the address; its emailId holds it and goes too. */
export function eraseDelivery(row: DeliveryRow, address: string): DeliveryRow {
  const clean = (text: string): string => withoutAddress(text, address)
  const maybe = (text: string | null): string | null => (text === null ? null : clean(text))
  return {
    ...row,
    recipient: null,
    emailId: maybe(row.emailId),
    from: clean(row.from),
    subject: clean(row.subject),
    headers: Object.fromEntries(Object.entries(row.headers).map(([name, value]) => [name, clean(value)])),
    messageIdHeader: maybe(row.messageIdHeader),
    sendLog: clean(row.sendLog),
  }
}

/** An entry without the address: it goes on answering by its hash. */
export const eraseEntry = (row: SuppressionRow): SuppressionRow => ({ ...row, address: null })

/** An inbox mail without the address. */
export function eraseInbox(row: InboxRow, address: string): InboxRow {
  return {
    ...row,
    from: row.from === null ? null : withoutAddress(row.from, address),
    subject: row.subject === null ? null : withoutAddress(row.subject, address),
    summary: withoutAddress(row.summary, address),
  }
}

/** Fields that hold one address and may be null. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['recipient', 'address', 'reported'])

function blank(value: unknown, address: string, field = ''): unknown {
  if (typeof value === 'string') return ADDRESS_FIELDS.has(field) && isSame(value, address) ? null : withoutAddress(value, address)
  if (Array.isArray(value)) return value.map((each) => blank(each, address))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, blank(each, address, name)]))
}

const isSame = (text: string, address: string): boolean => knowAddress(text)?.address === knowAddress(address)?.address

/** Whether a text names the address, in any letter case; a longer address that ends the same way is another. */
export const isNamedIn = (text: string, address: string): boolean => withoutAddress(text, address) !== text

/** Every occurrence, in any letter case, without touching longer addresses that end the same way. */
function withoutAddress(text: string, address: string): string {
  const wanted = address.toLowerCase()
  const lower = text.toLowerCase()
  if (wanted === '' || lower.length !== text.length) return lower.includes(wanted) ? ERASED : text
  let out = ''
  let from = 0
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) {
    const isLonger = /[a-z0-9._%+-]/.test(lower.charAt(at - 1)) || /[a-z0-9-]/.test(lower.charAt(at + wanted.length))
    if (isLonger) continue
    out += text.slice(from, at) + ERASED
    from = at + wanted.length
  }
  return out + text.slice(from)
}
