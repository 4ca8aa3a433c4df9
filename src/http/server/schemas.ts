/**
 * schemas - request schemas that reject unknown fields and suggest the nearest known name
 *
 * A misspelled field must not be treated as a missing one.
 *
 * See also: settings/load (does the same for settings), http/server/problem.
 */
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { REASONS } from '../../classify/reasons.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'

/** No suggestion for other names: it would not help and costs time. */
const SIMPLE_FIELD_NAME = /^[\w-]{1,64}$/

/** An object schema with only these fields. */
export function strictObject<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const knownNames = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? describeUnknownField(issue.keys, knownNames) : undefined),
  })
}

/** Names from our own responses: `next` of one page is `after` of the following page. */
const FIELD_ALIASES: Readonly<Record<string, string>> = { next: 'after', cursor: 'after' }

function describeUnknownField([name = '']: readonly string[] = [], knownNames: readonly string[]): string {
  // Only a simple name is repeated, so that the response does not reflect arbitrary input.
  if (!SIMPLE_FIELD_NAME.test(name)) return 'unknown field'
  const alias = FIELD_ALIASES[name]
  const nearest = alias !== undefined && knownNames.includes(alias) ? alias : knownNames.length === 0 ? null : closest(name, knownNames)
  return `unknown field "${name}"; ${nearest === null ? 'no fields are allowed here' : `the nearest known field is "${nearest}"`}`
}

/** The operator may name an account; `?account=` is read by http/server/authorize. */
export const operatorQuery = { account: z.string().max(128).optional().describe('For the operator: an API user of the account to act for') }

/** A domain, normalised to lower-case A-labels. */
export const domainName = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => /^[^@\s]+$/.test(text) && normaliseDomain(text) !== null, 'must be a domain')
  .overwrite((text) => normaliseDomain(text) ?? text)

// Checked cast: the keys of the table.
/** The reason of a verdict. */
export const reasonSchema = z.enum(Object.keys(REASONS) as [string, ...string[]])
