/**
 * fact-fields - how erasure treats each text field of a fact's payload
 *
 * Every field of a payload that can hold free text must be listed with its class, or the table of the kind does not compile. Numbers,
 * booleans and words from a closed list cannot hold personal data and are not listed.
 *
 * Pure. See also: ledger/facts/fact-kinds (the table), ledger/decide/redact (erasure).
 */

/**
 * - `address`: one email address. Becomes null if it is the erased address.
 * - `personal`: tells something about the recipient (IP address, user agent, link that was clicked). Always becomes null.
 * - `text`: may quote the address. Each occurrence is replaced, at any depth.
 */
export type FieldClass = 'address' | 'personal' | 'text'

/** Whether a value of type T can contain a string that is not from a closed list. Distributes over unions. */
type HoldsFreeText<T> = T extends string
  ? string extends T
    ? true
    : false
  : T extends readonly (infer Item)[]
    ? HoldsFreeText<Item>
    : T extends object
      ? { [Field in keyof T]-?: HoldsFreeText<T[Field]> }[keyof T]
      : false

type FreeTextField<Data> = { [Field in keyof Data]-?: true extends HoldsFreeText<Data[Field]> ? Field : never }[keyof Data]

/** The classes of all free-text fields of a payload. Only a field that may be null can be cleared. */
export type FieldClasses<Data> = { readonly [Field in FreeTextField<Data>]: null extends Data[Field] ? FieldClass : 'text' }
