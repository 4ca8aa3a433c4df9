/**
 * schemas - objects of requests that refuse what they do not know, with the nearest name that they do
 *
 * A misspelt field must not be taken for one that was left out.
 *
 * See also: config (which does the same for settings), http/server/problem.
 */
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { knowDomain } from '../../correlate/address-hash.ts'

/** A guess at what a longer name meant helps nobody, and takes time. */
const PLAIN_NAME = /^[\w-]{1,64}$/

/** An object of just these fields. */
export function strict<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape)
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? sayUnknown(issue.keys, known) : undefined) })
}

/** What our own answers call otherwise: `next` of one page is `after` of the following. */
const ALIASES: Readonly<Record<string, string>> = { next: 'after', cursor: 'after' }

function sayUnknown([name = '']: readonly string[] = [], known: readonly string[]): string {
  // Only a plain name is said again: an answer is no place for a stranger's words.
  if (!PLAIN_NAME.test(name)) return 'unknown field'
  const alias = ALIASES[name]
  const nearest = alias !== undefined && known.includes(alias) ? alias : known.length === 0 ? null : closest(name, known)
  return `unknown field "${name}"; ${nearest === null ? 'there is none here' : `the nearest known one is "${nearest}"`}`
}

/** The operator may name an account; `?account=` is read by http/server/authorize. */
export const operatorQuery = { account: z.string().max(128).optional().describe('The operator names an account') }

/** A domain, in lower case as A-labels whatever its dress. */
export const domainName = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => /^[^@\s]+$/.test(text) && knowDomain(text) !== null, 'must be a domain')
  .overwrite((text) => knowDomain(text) ?? text)
