/**
 * provider-file - the schema of a simulated provider's TOML file
 *
 * One file per provider: how fast it replies, the state of its mailboxes, its limits for an egress IP or a sender domain, how long it refuses,
 * and the texts of its replies. Each answer names the reason and the backoff class that the rules give it; a test checks both.
 *
 *     [connections]
 *     count = 20                  # open at once from one egress IP
 *     answer = "connections"      # the reply to the next one
 *     mails = 20                  # messages that a connection carries, delivered or not
 *     mails_answer = "session"    # the reply to the next MAIL; without it, the provider closes the connection after the last message
 *
 *     [tls]
 *     offered = true              # STARTTLS
 *     answer = "tls"              # the reply to a message over a connection without TLS; without it, the provider takes the message
 *
 *     [[limit]]
 *     key = "ip"                  # or "sender-domain"; "subnet": a /24 or /64; "all-ips": all egress IPs together
 *     counts = "messages"         # or "connections": new ones
 *     window = "hour"             # the last "second", "minute" or "hour", or "day": from midnight to midnight in `zone`
 *     fixed = false               # true: the window begins with its first message, and all of it ends at once, as in Postfix's anvil(8)
 *     count = 60000               # accepted in the window
 *     cold = 0.004                # the share of it for an unknown egress IP
 *     warm_after = 150000         # accepted messages after which an egress IP is fully known
 *     holds_minutes = 45          # how long it refuses; 0: until the window has room again
 *     extends_seconds = 5         # how much each attempt in that time extends it
 *     holds_at_most_minutes = 360 # the bound of the extension
 *
 *     [answer.connections]
 *     text = "421 4.7.0 Too many connections from {ip}"
 *     phase = "greeting"          # when the reply comes: "greeting", "ehlo", "mail", "rcpt", "data" or "end" (after the message)
 *     reason = "rate-limited"
 *     pause = "connection-frequency"
 *
 * Without `phase`, refusals of connections come as the greeting, `content` comes after the message, and all others at RCPT.
 * The texts may contain {recipient}, {domain}, {sender} (the sender's domain), {ip} and {id}. Unknown members are refused.
 * Pure. See also: simulator/provider-model (the behaviour), config/provider-files (reads the files), src/simulator/providers.
 */
import * as z from 'zod'
import { invalidFile, schemaProblems } from '../invalid-file.ts'
import { type Reason, REASONS } from '../classify/reasons.ts'
import type { SmtpPhase } from '../ledger/decide/attempt-reading.ts'
import { isTimeZone } from '../queue/backoff/provider-day.ts'

const share = z.number().min(0).max(1)
const minutes = z.number().min(0).max(100_000)
const name = z.string().regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'is not lower-case kebab-case')
const host = z.string().regex(/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/, 'is not a lower-case host name')
const range = z
  .tuple([z.number().min(0), z.number().min(0)])
  .refine(([low, high]) => low <= high, 'has the larger number first: put the smaller one first')

/** How long a provider refuses once it does (simulator/provider-hold). */
const holdFields = {
  holds_minutes: minutes.default(0),
  extends_seconds: z.number().min(0).max(3_600).default(0),
  holds_at_most_minutes: minutes.default(0),
}

const limit = z
  .strictObject({
    id: name,
    key: z.enum(['ip', 'sender-domain', 'subnet', 'all-ips']),
    counts: z.enum(['messages', 'connections']).default('messages'),
    fixed: z.boolean().default(false),
    window: z.enum(['second', 'minute', 'hour', 'day']),
    count: z.int().min(1),
    cold: share.default(1),
    warm_after: z.int().min(0).default(0),
    answer: name,
    ...holdFields,
  })
  .refine(({ counts, key }) => counts === 'messages' || key !== 'sender-domain', 'a new connection has no sender domain yet')

const connections = z
  .strictObject({ count: z.int().min(1), answer: name, mails: z.int().min(1).optional(), mails_answer: name.optional() })
  .refine((each) => each.mails_answer === undefined || each.mails !== undefined, 'has "mails_answer" without "mails"')

const tls = z
  .strictObject({ offered: z.boolean().default(true), answer: name.optional() })
  .refine((each) => each.offered || each.answer === undefined, 'demands TLS and does not offer it')

/** When a reply can come, in the order of a dialogue. */
const PHASES = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'end'] as const satisfies readonly SmtpPhase[]
export type AnswerPhase = (typeof PHASES)[number]

const answer = z.strictObject({
  text: z
    .string()
    .regex(/^[245]\d\d /, 'does not begin with a reply code')
    .max(1_000),
  phase: z.enum(PHASES).optional(),
  reason: z
    .string()
    .refine((value): value is Reason => Object.hasOwn(REASONS, value), { error: (issue) => `"${String(issue.input)}" is not a reason` })
    .optional(),
  pause: name.optional(),
})

/** The states of its mailboxes, as shares of all. */
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
  zone: z.string().refine(isTimeZone, { error: (issue) => `"${String(issue.input)}" is not a time zone` }),
  source: z.array(z.url()).min(1),
  /** It is never reachable: `connect` refuses connections, `timeout` never accepts one, `dns` has no address. */
  unreachable: z.enum(['connect', 'timeout', 'dns']).optional(),
  pace: z.strictObject({ accept_ms: range, refuse_ms: range, drop: share }),
  mailboxes: mailboxesSchema,
  connections: connections.optional(),
  tls: tls.optional(),
  limit: z.array(limit).default([]),
  /** An egress IP loses its reputation at these shares of a day's messages, from `floor` messages on. */
  reputation: z.strictObject({ unknown: share, complaints: share, floor: z.int().min(1), answer: name, ...holdFields }).optional(),
  greylist: z.strictObject({ minutes, hours: z.number().min(0), answer: name }).optional(),
  /** Messages that it accepts and returns later by an NDR. */
  late: z.strictObject({ share, minutes: range, answers: z.array(name).min(1), from: z.string() }).optional(),
  complaints: z.strictObject({ share, hours: range, arf: z.boolean(), from: z.string().optional() }).optional(),
  answer: z.record(name, answer),
})

export type ProviderFile = Readonly<z.infer<typeof schema>>
export type Mailboxes = Readonly<z.infer<typeof mailboxesSchema>>
export type LimitRow = ProviderFile['limit'][number]

/**
 * Reads one provider. `file` is for messages. Throws config_invalid with one line per problem, including answers that are named but
 * missing, and answers in a phase in which their cause is not known yet.
 */
export function readProviderFile(file: string, data: unknown): ProviderFile {
  const read = schema.safeParse(data)
  if (!read.success) throw invalidFile(file, schemaProblems(read.error))
  const missing = [...new Set(answersOf(read.data).filter((each) => !Object.hasOwn(read.data.answer, each)))]
  const problems = [
    ...missing.map((each) => `there is no [answer.${each}]`),
    ...answersAfterMail(read.data)
      .filter((each) => DIALOGUE_STAGES[phaseOfAnswer(read.data, each)] === 'connection')
      .map((each) => `answer.${each}.phase: its cause is known at MAIL, not before`),
  ]
  if (problems.length > 0) throw invalidFile(file, problems)
  return read.data
}

/** The answers that need more than a new connection. */
const answersAfterMail = ({ connections: each, tls: demand, greylist, limit: limits }: ProviderFile): string[] => [
  ...[each?.mails_answer, demand?.answer, greylist?.answer].filter((answered) => answered !== undefined),
  ...limits.flatMap(({ key, answer: answered }) => (key === 'sender-domain' ? [answered] : [])),
]

/** The names of all answers that the provider may give. */
function answersOf(file: ProviderFile): string[] {
  const mailboxes = (['unknown', 'disabled', 'full', 'content', 'busy'] as const).filter((each) => file.mailboxes[each] > 0)
  return ['accepted', ...mailboxes, ...file.limit.map((each) => each.answer), ...optionalAnswers(file), ...(file.late?.answers ?? [])]
}

const optionalAnswers = ({ connections: each, tls: demand, reputation, greylist }: ProviderFile): string[] =>
  [each?.answer, each?.mails_answer, demand?.answer, reputation?.answer, greylist?.answer].filter((answered) => answered !== undefined)

/** Where a provider decides: when a connection is opened, at MAIL, or once it knows the recipient. */
export type DialogueStage = 'connection' | 'mail' | 'message'

/** Where the provider decides about an answer. */
export const DIALOGUE_STAGES = {
  greeting: 'connection',
  ehlo: 'connection',
  mail: 'mail',
  rcpt: 'message',
  data: 'message',
  end: 'message',
} as const satisfies Record<AnswerPhase, DialogueStage>

/** When the reply of an answer comes. */
export function phaseOfAnswer(file: ProviderFile, answered: string): AnswerPhase {
  const own = file.answer[answered]?.phase
  if (own !== undefined) return own
  if (answered === 'accepted' || answered === 'content') return 'end'
  const isOfConnections =
    file.connections?.answer === answered || file.limit.some((each) => each.counts === 'connections' && each.answer === answered)
  return isOfConnections ? 'greeting' : 'rcpt'
}
