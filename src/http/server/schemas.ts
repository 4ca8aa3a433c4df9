/**
 * schemas - objects of requests that refuse what they do not know, with the nearest name that they do
 *
 * A misspelt field must not be taken for one that was left out.
 *
 * See also: config (which does the same for settings), http/server/problem.
 */
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { normaliseDomain } from '../../correlate/address-hash.ts'

/** A guess at what a longer name meant helps nobody, and takes time. */
const SIMPLE_FIELD_NAME = /^[\w-]{1,64}$/

/** An object of just these fields. */
export function strictObject<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const knownNames = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? describeUnknownField(issue.keys, knownNames) : undefined),
  })
}

/** What our own answers call otherwise: `next` of one page is `after` of the following. */
const FIELD_ALIASES: Readonly<Record<string, string>> = { next: 'after', cursor: 'after' }

function describeUnknownField([name = '']: readonly string[] = [], knownNames: readonly string[]): string {
  // Only a plain name is said again: an answer is no place for a stranger's words.
  if (!SIMPLE_FIELD_NAME.test(name)) return 'unknown field'
  const alias = FIELD_ALIASES[name]
  const nearest = alias !== undefined && knownNames.includes(alias) ? alias : knownNames.length === 0 ? null : closest(name, knownNames)
  return `unknown field "${name}"; ${nearest === null ? 'there is none here' : `the nearest known one is "${nearest}"`}`
}

/** The operator may name an account; `?account=` is read by http/server/authorize. */
export const operatorQuery = { account: z.string().max(128).optional().describe('The operator names an account') }

/** A domain, in lower case as A-labels whatever its dress. */
export const domainName = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => /^[^@\s]+$/.test(text) && normaliseDomain(text) !== null, 'must be a domain')
  .overwrite((text) => normaliseDomain(text) ?? text)
