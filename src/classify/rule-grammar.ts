/**
 * rule-grammar - the syntax of rule files
 *
 * A file describes one provider (`common` and `standard` are reserved names), as data that was read from TOML:
 *
 *     provider = "google"                     # kebab-case; the name in verdicts and sites
 *     mx = ["*.google.com"]                   # receiving hosts; a leading *. matches any labels
 *     domains = ["gmail.com"]                 # recipient domains
 *     tokens = ["gsmtp"]                      # texts that only this provider writes (phrases)
 *     zone = "America/Los_Angeles"            # IANA time zone in which its daily quotas end
 *     source = "https://…"                    # one link or a list
 *     owns = ["5.4.1", "5.7.x"]               # codes that it uses in its own way: `standard` does not decide them here
 *     sites = { "outlook.com" = ["*.olc.…"] } # if the provider has several receiving sites
 *     gateway = true                          # a filter in front of many domains
 *     phrases = { "other-cause" = ["quota"] } # named sets: "@other-cause" stands for them in any file (classify/phrase-sets)
 *     tls = "required"                        # its hosts always offer STARTTLS, so mail is never sent to them in clear text; or "verified"
 *
 *     [[rule]]
 *     id = "google-mailbox-full"              # kebab-case, unique over all files, never renamed
 *     reason = "mailbox-full"
 *     permanence = "temporary"                # optional: overrides the code
 *     pause = "recipient"                     # optional backoff class
 *     deferral = true                         # optional: a 5xx that is retried; temporary unless `permanence` says otherwise
 *     code = [452, "5xx"]                     # conditions: all that are present must hold, each by any of its members
 *     status = ["4.2.2", "5.7.606-649", "x.2.x"]
 *     says = ["over quota"]                   # phrases: see classify/phrase
 *     unless = ["disk quota of the system"]   # none of these may match
 *     around = ["in reply to mail from"]      # one of these must match in the whole text of the report, the reply included
 *     last = true                             # words that mean little by themselves: tried after the reply's enhanced code
 *                                             # (in `standard`: a code that names its subject only, such as x.5.0)
 *     hits = ["552 5.2.2 over quota"]         # replies that this rule must decide
 *     misses = ["452 4.3.1 No storage", { text = "…", status = "5.0.0", provider = "yahoo", around = "…" }]
 *
 * Unknown keys are refused. Pure. See also: classify/rule-table (compiles the files), config/rule-files (reads them).
 */
import * as z from 'zod'
import { Fault } from '../errors.ts'
import { type Reason, REASONS } from './reasons.ts'
import { PERMANENCES, RULE_BACKOFF_CLASSES } from './verdict.ts'

/** The origin of a file. The operator's rules are tried first. */
export type RuleLayer = 'operator' | 'shipped'

const isReason = (value: string): value is Reason => Object.hasOwn(REASONS, value)
const isTimeZone = (value: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const nameSchema = z
  .string()
  .regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/, 'is not lower-case kebab-case')
  .max(80)
const idSchema = z
  .string()
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case')
  .max(80)
const hostSchema = z
  .string()
  .regex(/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/, 'is not a lower-case host name, with or without a leading "*."')
  .max(253)
const domainSchema = z
  .string()
  .regex(/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/, 'is not a lower-case domain')
  .max(253)
const phraseSchema = z.string().min(2).max(200)
const statusSchema = z
  .string()
  .regex(/^[245x]\.(?:x|\d{1,3})\.(?:x|\d{1,3}(?:-\d{1,3})?)$/, 'is not a status such as "5.1.1", "x.2.x" or "5.7.606-649"')
const codeSchema = z.union([z.int().min(200).max(599), z.string().regex(/^[245]xx$/, 'is not a class such as "5xx"')])

const evidenceSchema = z.union([
  z.string().min(1),
  z.strictObject({
    text: z.string().min(1),
    provider: nameSchema.or(z.literal('')).optional(),
    recipient: z.string().optional(),
    mx: z.string().optional(),
    status: z.string().optional(),
    around: z.string().optional(),
  }),
])

const ruleSchema = z.strictObject({
  id: idSchema,
  reason: z.string().refine(isReason, { error: (issue) => `"${String(issue.input)}" is not a reason` }),
  permanence: z.enum(PERMANENCES).optional(),
  pause: z.enum(RULE_BACKOFF_CLASSES).optional(),
  deferral: z.literal(true).optional(),
  code: z.array(codeSchema).min(1).optional(),
  status: z.array(statusSchema).min(1).optional(),
  says: z.array(phraseSchema).min(1).optional(),
  unless: z.array(phraseSchema).min(1).optional(),
  around: z.array(phraseSchema).min(1).optional(),
  last: z.literal(true).optional(),
  source: z.union([z.string(), z.array(z.string())]).optional(),
  hits: z.array(evidenceSchema).min(1, 'is empty: give at least one reply that the rule must decide'),
  misses: z.array(evidenceSchema).min(1, 'is empty: give at least one similar reply that the rule must not decide'),
})

const fileSchema = z.strictObject({
  provider: nameSchema,
  mx: z.array(hostSchema).default([]),
  domains: z.array(domainSchema).default([]),
  tokens: z.array(phraseSchema).default([]),
  zone: z.string().refine(isTimeZone, 'is not an IANA time zone').optional(),
  source: z.union([z.string(), z.array(z.string())]).optional(),
  owns: z.array(statusSchema).default([]),
  sites: z.record(nameSchema, z.array(hostSchema).min(1)).default({}),
  gateway: z.boolean().default(false),
  phrases: z.record(nameSchema, z.array(phraseSchema.regex(/^[^@]/, 'is a reference: a set cannot contain a set')).min(1)).default({}),
  tls: z.enum(['required', 'verified']).optional(),
  rule: z.array(ruleSchema).default([]),
})

export type ParsedRule = z.infer<typeof ruleSchema> & { readonly reason: Reason }
export type ParsedEvidence = z.infer<typeof evidenceSchema>
export type ParsedRuleFile = Omit<z.infer<typeof fileSchema>, 'rule'> & {
  readonly file: string
  readonly layer: RuleLayer
  readonly rules: readonly ParsedRule[]
}

/** The place of an error. Names the rule by its id, because authors of TOML do not count rules. */
function describeIssuePath(data: unknown, path: readonly PropertyKey[]): string {
  const [first, index] = path
  if (first !== 'rule' || typeof index !== 'number') return path.map(String).join('.')
  const rules: unknown = typeof data === 'object' && data !== null && 'rule' in data ? data.rule : null
  const item: unknown = Array.isArray(rules) ? rules[index] : null
  const label = typeof item === 'object' && item !== null && 'id' in item ? `"${String(item.id)}"` : `number ${index + 1}`
  return `rule ${label} ${path.slice(2).map(String).join('.')}`.trimEnd()
}

/** Validates the data of one file. Throws rule_invalid, which names the file, the rules and all errors at once. */
export function readRuleFile(origin: { readonly file: string; readonly layer: RuleLayer }, data: unknown): ParsedRuleFile {
  const read = fileSchema.safeParse(data)
  if (!read.success) {
    const lines = read.error.issues.map((issue) => `${describeIssuePath(data, issue.path)}: ${issue.message}`)
    throw new Fault('rule_invalid', `${origin.file}: ${lines.join('; ')}`, { detail: { file: origin.file } })
  }
  const { rule: rules, ...head } = read.data
  const unconditional = rules.find(
    (each) => each.code === undefined && each.status === undefined && each.says === undefined && each.around === undefined,
  )
  if (unconditional !== undefined) {
    throw new Fault('rule_invalid', `${origin.file}: rule "${unconditional.id}" has no condition; give it code, status, says or around`, {
      detail: { file: origin.file, id: unconditional.id },
    })
  }
  return { ...head, ...origin, rules: rules.map((each) => ({ ...each, reason: isReason(each.reason) ? each.reason : 'other' })) }
}
