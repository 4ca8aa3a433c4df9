/**
 * shaping-file - reads the limits of receiving sites from a TOML file
 *
 *     [default]                        # every site
 *     mails_per_connection = 100
 *
 *     [site.yahoo]                     # a site as the queue shows it, or a pattern of its hosts: [site."*.example.net"]
 *     source = "https://help.yahoo.com/kb/SLN3433.html"
 *     connections = 10                 # simultaneously, from one egress IP
 *     connections_all = 50             # from all egress IPs together
 *     new_connections = "100/min"      # opened from one egress IP
 *     mails_per_connection = 20
 *     messages = "1000/h"              # from one egress IP
 *     messages_all = "20,000/h"        # from all egress IPs together
 *     tls = "required"                 # or "off", "opportunistic", "verified", "mta-sts"
 *     retry_minutes = [5, 30, 120]     # between the attempts of one message; the last one repeats
 *     give_up_hours = 48
 *     class.ip-rate.base_minutes = 30  # a backoff class, with the members of a policy file
 *     ip."192.0.2.1".connections = 2   # for one egress IP: connections, new_connections, mails_per_connection, messages
 *
 * Unknown members are refused, and the error names every invalid one with its line. Pure. See also: queue/shaping/shaping-table, queue/backoff/policy-file.
 */
import * as z from 'zod'
import { invalidFile } from '../../invalid-file.ts'
import { BACKOFF_CLASSES } from '../backoff/backoff-classes.ts'
import { classSchema } from '../backoff/policy-file.ts'
import { perMinuteOf } from './rate-text.ts'

const count = z.int().min(1).max(100_000)

const rate = z.string().transform((text, context) => {
  const perMinute = perMinuteOf(text)
  if (perMinute !== null) return perMinute
  context.addIssue({ code: 'custom', message: `"${text}" is not a rate such as "100/min"` })
  return z.NEVER
})

/** From the least strict to the strictest, but for `mta-sts`, which asks the recipient's domain. */
const SHAPED_TLS = ['off', 'opportunistic', 'required', 'verified', 'mta-sts'] as const

/** What can differ by egress IP. */
const ipOptions = {
  connections: count.optional(),
  new_connections: rate.optional(),
  mails_per_connection: count.optional(),
  messages: rate.optional(),
}

const siteOptions = {
  ...ipOptions,
  connections_all: count.optional(),
  messages_all: rate.optional(),
  tls: z.enum(SHAPED_TLS).optional(),
  retry_minutes: z.array(z.number().positive().max(10_080)).min(1).max(50).optional(),
  give_up_hours: z.number().positive().max(720).optional(),
  class: z
    .record(
      z.string().refine((name) => Object.hasOwn(BACKOFF_CLASSES, name), 'no such backoff class'),
      classSchema,
    )
    .optional(),
}

const optionsSchema = z.strictObject(siteOptions)
const sectionSchema = z.strictObject({
  ...siteOptions,
  source: z.union([z.string(), z.array(z.string())]).optional(),
  note: z.string().optional(),
  ip: z.record(z.union([z.ipv4(), z.ipv6()]), z.strictObject(ipOptions)).optional(),
})

/** A site, or a pattern of host names with a leading `*.`. */
const siteName = z
  .string()
  .regex(/^(?:\*\.)?[a-z0-9_(][a-z0-9_.,()-]{0,199}$/, 'is not the name of a site in lower case, nor a pattern such as "*.example.net"')

const fileSchema = z.strictObject({ default: sectionSchema.optional(), site: z.record(siteName, sectionSchema).default({}) })

export type SiteOptions = z.output<typeof optionsSchema>
export type SiteOptionName = keyof SiteOptions

/** The options of one table. `site` null: every site; `egressIp` null: every egress IP. */
export type ShapingSection = {
  readonly site: string | null
  readonly egressIp: string | null
  readonly options: SiteOptions
  readonly sources: readonly string[]
  readonly note: string | null
  readonly lineOf: (option: string) => number
}

export type ShapingFile = { readonly file: string; readonly sections: readonly ShapingSection[] }

/** The line of a table or a key, by its path. */
type LineFinder = (path: readonly string[]) => number

/** Reads the data of a file. `file` is for messages. Throws config_invalid with one line per problem, each with its line in the file. */
export function readShapingFile(file: string, data: unknown, lineOf: LineFinder): ShapingFile {
  const read = fileSchema.safeParse(data)
  if (!read.success)
    throw invalidFile(
      file,
      read.error.issues.map((issue) => describeIssue(issue, lineOf)),
    )
  const { default: all, site } = read.data
  return {
    file,
    sections: [
      ...(all === undefined ? [] : sectionsOf(['default'], null, all, lineOf)),
      ...Object.entries(site).flatMap(([name, section]) => sectionsOf(['site', name], name, section, lineOf)),
    ],
  }
}

function describeIssue(issue: z.core.$ZodIssue, lineOf: LineFinder): string {
  const path = issue.path.map(String)
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message
  return `line ${lineOf(path)}: ${path.length === 0 ? '' : `${path.join('.')}: `}${message}`
}

function sectionsOf(
  path: readonly string[],
  site: string | null,
  section: z.output<typeof sectionSchema>,
  lineOf: LineFinder,
): ShapingSection[] {
  const { source = [], note = null, ip = {}, ...options } = section
  const shared = { site, sources: typeof source === 'string' ? [source] : source, note }
  return [
    { ...shared, egressIp: null, options, lineOf: (option) => lineOf([...path, option]) },
    ...Object.entries(ip).map(([egressIp, ipSection]): ShapingSection => ({
      ...shared,
      egressIp,
      options: ipSection,
      lineOf: (option) => lineOf([...path, 'ip', egressIp, option]),
    })),
  ]
}
