/**
 * cached-reader - reads the responses of simulated providers by the product's reader of attempts, and caches the readings
 *
 * The reader sees what a real connection would show: a reply, or an error with its text. What the simulator knows in addition (that the
 * mailbox does not exist, that the provider is refusing) never reaches the queue another way.
 *
 * Mutable (the cache), owned by one simulation. See also: ledger/decide/attempt-reading, simulator/provider-model.
 */
import type { RuleTable } from '../classify/rule-table.ts'
import { type AttemptReading, type AttemptSubject, type DialogueOutcome, readAttempt } from '../ledger/decide/attempt-reading.ts'
import { parseReply } from '../mail/smtp/reply.ts'
import type { ProviderResponse } from './provider-model.ts'

/** Bounds the cache: apart from the ids in them, providers send few different replies. */
const MAX_CACHED = 500

/** The same readings as `readAttempt` with these rules. */
export type AttemptReader = (subject: AttemptSubject, outcome: DialogueOutcome) => AttemptReading

/** A reader with an empty cache. */
export function createCachedReader(rules: RuleTable): AttemptReader {
  const cache = new Map<string, AttemptReading>()
  return (subject, outcome) => {
    const key = [outcome.mx, subject.domain, subject.site, ...readingKeyOf(outcome)].join(' ')
    const known = cache.get(key)
    const reading = known ?? readAttempt(rules, subject, outcome)
    if (known === undefined) {
      if (cache.size >= MAX_CACHED) cache.clear()
      cache.set(key, reading)
    }
    return { ...reading, attempt: { ...reading.attempt, n: subject.attempt, egressIp: subject.egressIp } }
  }
}

const readingKeyOf = (outcome: DialogueOutcome): readonly (string | number)[] =>
  outcome.kind === 'error' ? [outcome.error, outcome.text] : [outcome.code, outcome.phase ?? '', outcome.text]

/** The texts that a real connection shows where no reply came. */
const ERROR_TEXTS = {
  connect: 'connect ECONNREFUSED',
  timeout: 'connect ETIMEDOUT',
  dns: 'getaddrinfo EAI_AGAIN',
  dropped: 'connection closed unexpectedly',
  tls: 'the server does not offer STARTTLS',
} as const satisfies Record<NonNullable<ProviderResponse['error']>, string>

/** A provider's response as the outcome of a real connection to `mx`. */
export function outcomeOf({ error, text, phase }: Pick<ProviderResponse, 'error' | 'text' | 'phase'>, mx: string): DialogueOutcome {
  if (error !== null) return { kind: 'error', error, text: ERROR_TEXTS[error], mx }
  const replied = simulatedReply(text ?? '', mx)
  return phase === null ? replied : { ...replied, phase }
}

/** A reply by its text, code first. A text without a code counts as 451. */
export const simulatedReply = (text: string, mx: string): Extract<DialogueOutcome, { readonly kind: 'reply' }> => ({
  kind: 'reply',
  code: parseReply(text).code ?? 451,
  text,
  mx,
})
