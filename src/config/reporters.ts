/**
 * reporters - the operators of feedback loops, from reporters.toml and the setting `reporters`
 *
 * See also: config/reporters.toml (the data and its grammar), correlate/reporter (how a mail is compared with one).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { parseReporter, REPORTER_DOMAIN, REPORTER_FROM, type Reporter } from '../correlate/reporter.ts'
import { Fault } from '../errors.ts'
import { isMailboxDomain } from './mailbox-domains.ts'

const reporterSchema = z
  .strictObject({
    name: z.string().min(1),
    signs: z.boolean().default(true),
    from: z.array(z.string().regex(REPORTER_FROM, 'must be an address in lower case')).default([]),
    domains: z.array(z.string().regex(REPORTER_DOMAIN, 'must be a domain in lower case')).default([]),
    covers: z.array(z.string()).min(1),
    source: z.url(),
    sample: z.string().min(1),
  })
  .refine(({ signs, domains }) => signs === domains.length > 0, 'domains: a loop that signs has its d=, one with signs = false has none')
  .refine(
    ({ from, domains }) => from.length > 0 || !domains.some(isMailboxDomain),
    'from: a domain that gives mailboxes needs a From address',
  )

const reportersSchema = z.strictObject({ reporter: z.array(reporterSchema).min(1) })

const SHIPPED_REPORTERS = join(import.meta.dirname, 'reporters.toml')

/** Reads a list. Throws Fault config_invalid with the file and the invalid field. */
export function readReporters(file: string = SHIPPED_REPORTERS): readonly Reporter[] {
  try {
    return reportersSchema.parse(parse(readFileSync(file, 'utf8'))).reporter
  } catch (cause) {
    throw new Fault('config_invalid', `${file}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause })
  }
}

/** The shipped reporters and those of the operator, which the settings have checked. */
export function createReporters(shipped: readonly Reporter[], own: readonly string[] = []): readonly Reporter[] {
  return [...shipped, ...own.flatMap((text) => parseReporter(text) ?? [])]
}
