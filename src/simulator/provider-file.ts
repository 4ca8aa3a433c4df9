/**
 * provider-file - what a provider's file of the simulator may say
 *
 * One TOML a provider: how fast it answers, what its mailboxes are like, what it allows an address or a sender domain, how long it says no,
 * and the words that it says it in. Each answer names the reason and the pause class that our rules read out of it; a test holds them to it.
 *
 *     [[limit]]
 *     key = "ip"                  # or "sender-domain"
 *     window = "hour"             # the hour behind, or "day": from midnight to midnight in `zone`, over when it is over
 *     count = 60000               # mails it takes in the window
 *     cold = 0.004                # the share of it that an unknown address is allowed
 *     warm_after = 150000         # mails taken after which an address is known
 *     holds_minutes = 45          # how long it says no
 *     extends_seconds = 5         # and how much longer for each knock meanwhile
 *     holds_at_most_minutes = 360
 *
 * In the texts {recipient}, {domain}, {sender} (the sender's domain), {ip} and {id} are filled in. Unknown keys are refused.
 * Pure. See also: simulator/provider-model (how it behaves), config/provider-files (who reads the files), src/providers.
 */
import * as z from 'zod'
import { invalidFile, schemaProblems } from '../invalid-file.ts'
import { type Reason, REASONS } from '../classify/reasons.ts'
import { isTimeZone } from '../queue/backoff/provider-day.ts'

const share = z.number().min(0).max(1)
const minutes = z.number().min(0).max(100_000)
const name = z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case')
const host = z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, 'is no lower-case host name')
const range = z
  .tuple([z.number().min(0), z.number().min(0)])
  .refine(([low, high]) => low <= high, 'runs backwards: put the smaller number first')

/** How long it says no once it does. */
const holdFields = {
  holds_minutes: minutes.default(0),
  extends_seconds: z.number().min(0).max(3_600).default(0),
  holds_at_most_minutes: minutes.default(0),
}

const limit = z.strictObject({
  id: name,
  key: z.enum(['ip', 'sender-domain']),
  window: z.enum(['hour', 'day']),
  count: z.int().min(1),
  cold: share.default(1),
  warm_after: z.int().min(0).default(0),
  answer: name,
  ...holdFields,
})

const answer = z.strictObject({
  text: z
    .string()
    .regex(/^[245]\d\d /, 'does not begin with a reply code')
    .max(1_000),
  reason: z
    .string()
    .refine((value): value is Reason => Object.hasOwn(REASONS, value), { error: (issue) => `"${String(issue.input)}" is no reason` })
    .optional(),
  pause: name.optional(),
})

/** What its mailboxes are like, as shares of all. */
export const mailboxesSchema = z.strictObject({
  unknown: share,
  disabled: share,
  full: share,
  content: share,
  busy: share,
})

const schema = z.strictObject({
  name,
  title: z.string().min(1).max(80),
  mx: host,
  domains: z.array(host).min(1).max(50),
  zone: z.string().refine(isTimeZone, { error: (issue) => `"${String(issue.input)}" is no time zone` }),
  source: z.array(z.url()).min(1),
  /** It never answers: `connect` refuses, `timeout` swallows. */
  unreachable: z.enum(['connect', 'timeout', 'dns']).optional(),
  pace: z.strictObject({ accept_ms: range, refuse_ms: range, drop: share }),
  mailboxes: mailboxesSchema,
  connections: z.strictObject({ count: z.int().min(1), answer: name }).optional(),
  limit: z.array(limit).default([]),
  /** An address falls out of favour by what it sends to: shares of the mails of a day, from `floor` mails on. */
  reputation: z.strictObject({ unknown: share, complaints: share, floor: z.int().min(1), answer: name, ...holdFields }).optional(),
  greylist: z.strictObject({ minutes, hours: z.number().min(0), answer: name }).optional(),
  /** What it takes and sends back afterwards. */
  late: z.strictObject({ share, minutes: range, answers: z.array(name).min(1), from: z.string() }).optional(),
  complaints: z.strictObject({ share, hours: range, arf: z.boolean(), from: z.string().optional() }).optional(),
  answer: z.record(name, answer),
})

export type ProviderFile = Readonly<z.infer<typeof schema>>
export type Mailboxes = Readonly<z.infer<typeof mailboxesSchema>>
export type LimitRow = ProviderFile['limit'][number]

/**
 * Reads one provider. `file` is for messages. Throws config_invalid, one line for each thing that is wrong, answers that are named and not
 * there among them.
 */
export function readProviderFile(file: string, data: unknown): ProviderFile {
  const read = schema.safeParse(data)
  if (!read.success) throw invalidFile(file, schemaProblems(read.error))
  const missing = answersOf(read.data).filter((each) => !Object.hasOwn(read.data.answer, each))
  if (missing.length > 0)
    throw invalidFile(
      file,
      [...new Set(missing)].map((each) => `there is no [answer.${each}]`),
    )
  return read.data
}

/** The answers that it may come to give. */
function answersOf(file: ProviderFile): string[] {
  const mailboxes = (['unknown', 'disabled', 'full', 'content', 'busy'] as const).filter((each) => file.mailboxes[each] > 0)
  return [
    'accepted',
    ...mailboxes,
    ...file.limit.map((each) => each.answer),
    ...(file.connections === undefined ? [] : [file.connections.answer]),
    ...(file.reputation === undefined ? [] : [file.reputation.answer]),
    ...(file.greylist === undefined ? [] : [file.greylist.answer]),
    ...(file.late?.answers ?? []),
  ]
}
