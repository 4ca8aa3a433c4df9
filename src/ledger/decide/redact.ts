/**
 * redact - an address goes, the protection stays
 *
 * The one case in which stored facts and rows are rewritten: wherever the clear address stands it is blanked, and its hash stays, so that
 * lists go on answering. The text of replies may quote it, so its occurrences there go too. Raw mail is the store's to delete.
 *
 * Pure. See also: correlate/address-hash (hash), store/facts/redact.
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import type { Fact } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'
import type { DeliveryRow, InboxRow, SuppressionRow } from '../project/state.ts'

/** What stands where an address stood. */
const ERASED_PLACEHOLDER = 'erased'

/** The fact that an address was erased: how much of it there was. */
export function decideErasure(
  input: {
    readonly account: number
    readonly addressHash: string
    readonly actor: string
    readonly deliveries: number
    readonly entries: number
  },
  moment: FactMoment,
): Fact {
  const { account, addressHash, actor, deliveries, entries } = input
  return createFact('erased', { account, deliveryId: null, addressHash, subject: `address:${addressHash}` }, moment, {
    actor,
    deliveries,
    entries,
  })
}

/** A fact without the address. Ids, keys, hashes and decisions stay as they are. */
export function redactFact(fact: Fact, address: string): Fact {
  const data = redactValue(fact.data, address)
  // blank changes no shape: strings stay strings, and what was the address alone becomes null only where null is allowed.
  return { ...fact, data } as Fact
}

/** A delivery without the address; its emailId holds it and goes too. */
export function redactDelivery(row: DeliveryRow, address: string): DeliveryRow {
  const redactText = (text: string): string => redactAddress(text, address)
  const redactOptionalText = (text: string | null): string | null => (text === null ? null : redactText(text))
  return {
    ...row,
    recipient: null,
    emailId: redactOptionalText(row.emailId),
    from: redactText(row.from),
    subject: redactText(row.subject),
    headers: Object.fromEntries(Object.entries(row.headers).map(([name, value]) => [name, redactText(value)])),
    messageIdHeader: redactOptionalText(row.messageIdHeader),
    sendLog: redactText(row.sendLog),
  }
}

/** An entry without the address: it goes on answering by its hash. */
export const redactEntry = (row: SuppressionRow): SuppressionRow => ({ ...row, address: null })

/** An inbox mail without the address. */
export function redactInbox(row: InboxRow, address: string): InboxRow {
  return {
    ...row,
    from: row.from === null ? null : redactAddress(row.from, address),
    subject: row.subject === null ? null : redactAddress(row.subject, address),
    summary: redactAddress(row.summary, address),
  }
}

/** Fields that hold one address and may be null. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(['recipient', 'address', 'reported'])

function redactValue(value: unknown, address: string, field = ''): unknown {
  if (typeof value === 'string') return ADDRESS_FIELDS.has(field) && isSameAddress(value, address) ? null : redactAddress(value, address)
  if (Array.isArray(value)) return value.map((each) => redactValue(each, address))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, redactValue(each, address, name)]))
}

const isSameAddress = (text: string, address: string): boolean => normaliseAddress(text)?.address === normaliseAddress(address)?.address

/** Whether a text names the address, in any letter case; a longer address that ends the same way is another. */
export const containsAddress = (text: string, address: string): boolean => redactAddress(text, address) !== text

/** Every occurrence, in any letter case, without touching longer addresses that end the same way. */
function redactAddress(text: string, address: string): string {
  const lowerAddress = address.toLowerCase()
  const lower = text.toLowerCase()
  if (lowerAddress === '' || lower.length !== text.length) return lower.includes(lowerAddress) ? ERASED_PLACEHOLDER : text
  let out = ''
  let from = 0
  for (let at = lower.indexOf(lowerAddress); at >= 0; at = lower.indexOf(lowerAddress, at + lowerAddress.length)) {
    const isLonger = /[a-z0-9._%+-]/.test(lower.charAt(at - 1)) || /[a-z0-9-]/.test(lower.charAt(at + lowerAddress.length))
    if (isLonger) continue
    out += text.slice(from, at) + ERASED_PLACEHOLDER
    from = at + lowerAddress.length
  }
  return out + text.slice(from)
}
