/**
 * rule-grammar - what a rule file may say
 *
 * A file is one provider's (`common` and `standard` are two reserved names), as data that was read from TOML:
 *
 *     provider = "google"                     # kebab-case; the name that verdicts and sites show
 *     mx = ["*.google.com"]                   # receiving hosts; a leading *. stands for any labels
 *     domains = ["gmail.com"]                 # recipient domains
 *     tokens = ["gsmtp"]                      # texts that only this provider writes (phrases)
 *     zone = "America/Los_Angeles"            # IANA zone in which its daily quotas end
 *     source = "https://…"                    # one link or a list
 *     owns = ["5.4.1", "5.7.x"]               # codes used in its own way: `standard` leaves them alone here
 *     sites = { "outlook.com" = ["*.olc.…"] } # where one provider is several receiving sites
 *     gateway = true                          # a filter in front of many domains
 *     tls = "required"                        # its hosts always offer STARTTLS: mail never goes to them in the clear; or "verified"
 *
 *     [[rule]]
 *     id = "google-mailbox-full"              # kebab-case, unique over all files, never renamed
 *     reason = "mailbox-full"
 *     permanence = "temporary"                # optional: wins over every digit
 *     pause = "recipient"                     # optional pause class
 *     deferral = true                         # optional: a 5xx that is to be tried again; temporary unless `permanence` says otherwise
 *     code = [452, "5xx"]                     # conditions: each that is there must hold, by any of its members
 *     status = ["4.2.2", "5.7.606-649", "x.2.x"]
 *     says = ["over quota"]                   # phrases: see classify/phrase
 *     unless = ["disk quota of the system"]   # none of these
 *     around = ["in reply to mail from"]      # any of these in all words of the report, the reply among them
 *     last = true                             # words that mean little alone: asked after the reply's enhanced code
 *                                             # (in `standard`: a code that says no more than its subject)
 *     hits = ["552 5.2.2 over quota"]         # replies that this very rule decides
 *     misses = ["452 4.3.1 No storage", { text = "…", status = "5.0.0", provider = "yahoo", around = "…" }]
 *
 * Unknown keys are refused. Pure. See also: classify/rule-table (what is made of it), config/rule-files (who reads the files).
 */
import * as z from 'zod'
import { Fault } from '../errors.ts'
import { type Reason, REASONS } from './reasons.ts'
import type { BackoffClass } from './verdict.ts'

/** Where a file comes from. The operator's rules are asked first. */
export type RuleLayer = 'operator' | 'shipped'

const BACKOFF_CLASSES = [
  'ip-reputation',
  'ip-blocklist',
  'deferred-for-good',
  'domain-rate',
  'domain-quota-day',
  'ip-rate',
  'connection-frequency',
  'network',
  'greylist',
  'busy',
  'content',
  'recipient',
] as const satisfies readonly BackoffClass[]

const isReason = (value: string): value is Reason => Object.hasOwn(REASONS, value)
const isTimeZone = (value: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

const name = z
  .string()
  .regex(/^[a-z0-9]+(?:[.-][a-z0-9]+)*$/, 'is not lower-case kebab-case')
  .max(80)
const id = z
  .string()
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case')
  .max(80)
const host = z
  .string()
  .regex(/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/, 'is no lower-case host name with at most a leading "*."')
  .max(253)
const domain = z
  .string()
  .regex(/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/, 'is no lower-case domain')
  .max(253)
const phrase = z.string().min(2).max(200)
const status = z
  .string()
  .regex(/^[245x]\.(?:x|\d{1,3})\.(?:x|\d{1,3}(?:-\d{1,3})?)$/, 'is no status such as "5.1.1", "x.2.x" or "5.7.606-649"')
const code = z.union([z.int().min(200).max(599), z.string().regex(/^[245]xx$/, 'is no class such as "5xx"')])

const evidence = z.union([
  z.string().min(1),
  z.strictObject({
    text: z.string().min(1),
    provider: name.or(z.literal('')).optional(),
    recipient: z.string().optional(),
    mx: z.string().optional(),
    status: z.string().optional(),
    around: z.string().optional(),
  }),
])

const rule = z.strictObject({
  id,
  reason: z.string().refine(isReason, { error: (issue) => `"${String(issue.input)}" is no reason` }),
  permanence: z.enum(['permanent', 'temporary']).optional(),
  pause: z.enum(BACKOFF_CLASSES).optional(),
  deferral: z.literal(true).optional(),
  code: z.array(code).min(1).optional(),
  status: z.array(status).min(1).optional(),
  says: z.array(phrase).min(1).optional(),
  unless: z.array(phrase).min(1).optional(),
  around: z.array(phrase).min(1).optional(),
  last: z.literal(true).optional(),
  source: z.union([z.string(), z.array(z.string())]).optional(),
  hits: z.array(evidence).min(1, 'is empty: show one reply that the rule decides'),
  misses: z.array(evidence).min(1, 'is empty: show one look-alike that the rule leaves alone'),
})

const file = z.strictObject({
  provider: name,
  mx: z.array(host).default([]),
  domains: z.array(domain).default([]),
  tokens: z.array(phrase).default([]),
  zone: z.string().refine(isTimeZone, 'is no IANA time zone').optional(),
  source: z.union([z.string(), z.array(z.string())]).optional(),
  owns: z.array(status).default([]),
  sites: z.record(name, z.array(host).min(1)).default({}),
  gateway: z.boolean().default(false),
  tls: z.enum(['required', 'verified']).optional(),
  rule: z.array(rule).default([]),
})

export type ParsedRule = z.infer<typeof rule> & { readonly reason: Reason }
export type ParsedEvidence = z.infer<typeof evidence>
export type ParsedRuleFile = Omit<z.infer<typeof file>, 'rule'> & {
  readonly file: string
  readonly layer: RuleLayer
  readonly rules: readonly ParsedRule[]
}

/** Names the rule beside its place, since a TOML author counts no rules. */
function describeIssuePath(data: unknown, path: readonly PropertyKey[]): string {
  const [first, at] = path
  if (first !== 'rule' || typeof at !== 'number') return path.map(String).join('.')
  const rules: unknown = typeof data === 'object' && data !== null && 'rule' in data ? data.rule : null
  const one: unknown = Array.isArray(rules) ? rules[at] : null
  const label = typeof one === 'object' && one !== null && 'id' in one ? `"${String(one.id)}"` : `number ${at + 1}`
  return `rule ${label} ${path.slice(2).map(String).join('.')}`.trimEnd()
}

/** Checks one file's data. Throws rule_invalid that names the file, the rule and what is wrong, all faults at once. */
export function readRuleFile(origin: { readonly file: string; readonly layer: RuleLayer }, data: unknown): ParsedRuleFile {
  const read = file.safeParse(data)
  if (!read.success) {
    const lines = read.error.issues.map((issue) => `${describeIssuePath(data, issue.path)}: ${issue.message}`)
    throw new Fault('rule_invalid', `${origin.file}: ${lines.join('; ')}`, { detail: { file: origin.file } })
  }
  const { rule: rules, ...head } = read.data
  const unconditional = rules.find(
    (one) => one.code === undefined && one.status === undefined && one.says === undefined && one.around === undefined,
  )
  if (unconditional !== undefined) {
    throw new Fault('rule_invalid', `${origin.file}: rule "${unconditional.id}" has no condition; give it code, status, says or around`, {
      detail: { file: origin.file, id: unconditional.id },
    })
  }
  return { ...head, ...origin, rules: rules.map((one) => ({ ...one, reason: isReason(one.reason) ? one.reason : 'other' })) }
}
