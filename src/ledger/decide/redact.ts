/**
 * redact - erases one address from facts, and keeps what protects it
 *
 * Erasure is the only case in which stored facts and rows are rewritten. The clear address is removed wherever it occurs; its hash stays,
 * so that the suppression lists keep working. Reply texts may quote the address, so its occurrences there are replaced. The table of fact
 * kinds says how each field is treated.
 *
 * Pure. See also: ledger/facts/fact-kinds (classes of fields), correlate/address-hash (hash), store/erasure/redact-row (rows).
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { FACT_KINDS } from '../facts/fact-kinds.ts'
import type { FieldClass } from '../facts/fact-fields.ts'
import type { Fact } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

/** Replaces an address in text. */
const ERASED_PLACEHOLDER = 'erased'

/** The fact that records an erasure, with the numbers of deliveries and entries that it covered. */
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

/** A fact about the address, without it. Ids, keys, hashes and decisions do not change. Idempotent. */
export const redactFact = (fact: Fact, address: string): Fact =>
  // Checked cast: redaction keeps the shape of a payload. It writes null only where the row of the kind allows it.
  ({ ...fact, data: redactFields(fact.data, FACT_KINDS[fact.kind].fields, address) }) as Fact

/** A fact without the fields that tell something about its recipient; ids, times and decisions stay. Idempotent. */
export function clearPersonalFields<F extends Fact>(fact: F): F {
  const classes: Readonly<Record<string, FieldClass>> = FACT_KINDS[fact.kind].fields
  const data = Object.fromEntries(Object.entries(fact.data).map(([name, value]) => [name, classes[name] === 'personal' ? null : value]))
  // Checked cast: only a field that may be null has this class.
  return { ...fact, data } as F
}

/** A field that the table does not list is text: no field of an earlier version keeps the address. */
function redactFields<Fields extends object>(fields: Fields, classes: Readonly<Record<string, FieldClass>>, address: string): Fields {
  const redacted = Object.entries(fields).map(([name, value]) => [name, redactField(value, classes[name] ?? 'text', address)])
  // Checked cast: every field of `fields` is there again, as null only where its class says that it may be null.
  return Object.fromEntries(redacted) as Fields
}

function redactField(value: unknown, fieldClass: FieldClass, address: string): unknown {
  if (fieldClass === 'personal') return null
  if (fieldClass === 'address' && typeof value === 'string' && isSameAddress(value, address)) return null
  return redactText(value, address)
}

/** Replaces the address in all strings of a value, names of members included. */
export function redactText(value: unknown, address: string): unknown {
  if (typeof value === 'string') return redactAddress(value, address)
  if (Array.isArray(value)) return value.map((each) => redactText(each, address))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [redactAddress(name, address), redactText(each, address)]))
}

const isSameAddress = (text: string, address: string): boolean => normaliseAddress(text)?.address === normaliseAddress(address)?.address

/** Whether a text contains the address, in any letter case. A longer address with the same ending is another address. */
export const containsAddress = (text: string, address: string): boolean => redactAddress(text, address) !== text

/** Replaces every occurrence, in any letter case, but not inside a longer address. Total. */
export function redactAddress(text: string, address: string): string {
  const lowerAddress = address.toLowerCase()
  const lower = text.toLowerCase()
  // Lower case changed the length, so positions do not correspond.
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
