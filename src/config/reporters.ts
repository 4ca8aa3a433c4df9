/**
 * reporters - the domains of trusted feedback loops, from reporters.toml and the setting `reporters`
 *
 * See also: config/reporters.toml (the data), correlate/match (which trusts signed reports of these domains).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { Fault } from '../errors.ts'

const domain = z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, 'must be a domain in lower case')
const reportersSchema = z.strictObject({
  reporter: z
    .array(
      z.strictObject({ name: z.string().min(1), domains: z.array(domain).min(1), covers: z.array(z.string()).min(1), source: z.url() }),
    )
    .min(1),
})

type Reporter = z.infer<typeof reportersSchema>['reporter'][number]

const SHIPPED_REPORTERS = join(import.meta.dirname, 'reporters.toml')

/** Reads a list. Throws Fault config_invalid with the file and the invalid field. */
export function readReporters(file: string = SHIPPED_REPORTERS): readonly Reporter[] {
  try {
    return reportersSchema.parse(parse(readFileSync(file, 'utf8'))).reporter
  } catch (cause) {
    throw new Fault('config_invalid', `${file}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause })
  }
}

/** The domains of a list and the domains that the operator adds, in lower case. */
export function reporterDomains(reporters: readonly Reporter[], operatorDomains: readonly string[] = []): ReadonlySet<string> {
  return new Set([...reporters.flatMap(({ domains }) => domains), ...operatorDomains.map((each) => each.toLowerCase())])
}
