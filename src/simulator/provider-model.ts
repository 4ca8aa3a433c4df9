/**
 * provider-model - a simulated receiving provider: what it replies to one attempt
 *
 * In the order of a dialogue: whether it is reachable; when a connection is opened, whether it takes another one of the egress IP; at MAIL, whether the
 * connection is encrypted and has messages left, and whether the sender is refused at present; and then whether the message passes a limit, the mailbox,
 * the greylist and the content. A refusal comes in the phase that the provider's file names: one in the greeting is met by new connections only.
 *
 * Mutates the provider's records, which one simulation owns. All randomness is seeded by the message (queue/schedule/seeded-random).
 * See also: simulator/provider-file, simulator/provider-limits, simulator/mailbox-model, simulator/sender-connections.
 */
import { logUniform, RANDOM_SALTS, seededRandom } from '../queue/schedule/seeded-random.ts'
import { mailboxOutcomeOf } from './mailbox-model.ts'
import { type AnswerPhase, DIALOGUE_STAGES, type DialogueStage, type Mailboxes, phaseOfAnswer, type ProviderFile } from './provider-file.ts'
import {
  activeHoldOf,
  applyLimits,
  applyReputation,
  createSenderRecords,
  type LimitRefusal,
  recordAcceptance,
  type RefusalKind,
  type SenderRecords,
} from './provider-limits.ts'
import { replyTextOf } from './reply-text.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** How long an attempt waits for a connection that no host accepts. */
const CONNECT_TIMEOUT_MS = 30_000

/** The connection of an attempt before its MAIL. `mails`: what it has carried, delivered or not. */
export type SessionAtMail = { readonly isNew: boolean; readonly mails: number; readonly isEncrypted: boolean }

/** One attempt at a provider. `recipient` and `id` fill the texts; the two numbers seed what happens. */
export type SimulatedAttempt = {
  readonly recipientNumber: number
  readonly messageNumber: number
  readonly attempt: number
  readonly at: number
  readonly firstAt: number
  readonly ip: string
  readonly senderDomain: string
  readonly recipient: string
  readonly domain: string
  readonly id: string
  /** Open connections of this egress IP to the provider, this one included. */
  readonly connections: number
  readonly session: SessionAtMail
  readonly mailboxes: Mailboxes
}

export type ProviderResponse = {
  /** Null: there was no reply, and `error` says why. */
  readonly text: string | null
  readonly error: 'connect' | 'timeout' | 'dns' | 'dropped' | 'tls' | null
  /** When the reply came; null: there was none. */
  readonly phase: AnswerPhase | null
  /** Whether the provider closes the connection afterwards. */
  readonly closes: boolean
  readonly durationMs: number
  /** Null: the provider was not refusing the sender. */
  readonly refusal: RefusalKind | null
  /** An NDR that comes back later. */
  readonly report: { readonly afterMs: number; readonly text: string } | null
  /** `isReported` false: the provider counts the complaint but sends no report. */
  readonly complaint: { readonly afterMs: number; readonly isReported: boolean } | null
}

/** What a scenario does to a provider. Times are epoch milliseconds. */
export type ProviderConditions = {
  readonly outages: readonly { readonly from: number; readonly to: number; readonly how: 'connect' | 'timeout' | 'dns' | 'busy' }[]
  readonly listings: readonly { readonly ip: string; readonly from: number; readonly to: number }[]
  /** Messages that an egress IP delivered here before the scenario begins. */
  readonly priorDeliveries: ReadonlyMap<string, number>
}

type OutageKind = ProviderConditions['outages'][number]['how']

export type SimulatedProvider = {
  readonly file: ProviderFile
  readonly seed: number
  readonly conditions: ProviderConditions
  readonly records: SenderRecords
  /** By answer. */
  readonly phases: ReadonlyMap<string, AnswerPhase>
}

/** A provider that has seen no attempt. */
export function createSimulatedProvider(file: ProviderFile, seed: number, conditions: ProviderConditions): SimulatedProvider {
  const phases = new Map(Object.keys(file.answer).map((answer) => [answer, phaseOfAnswer(file, answer)]))
  return { file, seed, conditions, records: createSenderRecords(file, conditions.priorDeliveries), phases }
}

/** Replies to one attempt and records it. */
export function respondToAttempt(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse {
  return (
    respondInOutage(provider, attempt) ??
    (attempt.session.isNew ? respondToConnection(provider, attempt) : null) ??
    respondToMail(provider, attempt) ??
    respondToRecipient(provider, attempt)
  )
}

/** The response of a provider that is down; null: it is not. */
export function respondInOutage(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse | null {
  const how = outageAt(provider, attempt.at)
  if (how === null) return null
  if (how === 'busy') return replyResponse(provider, attempt, 'busy', 'down')
  return failureResponse(how, how === 'timeout' ? CONNECT_TIMEOUT_MS : latencyOf(provider, attempt, 'refuse'), 'down')
}

/** What a sender meets that demands TLS, if the provider does not offer it. */
export const respondWithoutTls = (provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse =>
  failureResponse('tls', latencyOf(provider, attempt, 'refuse'), 'tls')

/** Counts a new connection and refuses it, or not (null). The server closes a connection that it has refused. */
export function respondToConnection(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse | null {
  const { file, records } = provider
  const refused = refusalOfSender(provider, attempt, 'connection') ?? applyLimits(records, file, attempt, 'connection')
  return refused === null ? null : { ...replyResponse(provider, attempt, refused.answer, refused.kind), closes: true }
}

/** What MAIL is refused with; null: it is not refused. */
export function respondToMail(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse | null {
  const { file, records } = provider
  const refused = refusalOfSender(provider, attempt, 'mail') ?? applyLimits(records, file, attempt, 'mail')
  return refused === null ? null : replyResponse(provider, attempt, refused.answer, refused.kind)
}

/** The response to a message whose connection and sender are not refused, from RCPT on. */
export function respondToRecipient(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse {
  const { file, seed, records } = provider
  if (seededRandom(seed, attempt.messageNumber, RANDOM_SALTS.drop + 100 * attempt.attempt) < file.pace.drop)
    return failureResponse('dropped', latencyOf(provider, attempt, 'refuse'), null)
  const refused = refusalOfSender(provider, attempt, 'message')
  if (refused !== null) return replyResponse(provider, attempt, refused.answer, refused.kind)
  const { outcome, lateAnswer } = mailboxOutcomeOf(file, seed, attempt)
  const limited = applyLimits(records, file, attempt, 'message')
  if (limited !== null) return replyResponse(provider, attempt, limited.answer, limited.kind)
  const reputationAnswer = applyReputation(records, file, attempt, outcome === 'unknown')
  if (reputationAnswer !== null) return replyResponse(provider, attempt, reputationAnswer, null)
  if (isGreylisted(provider, attempt)) return replyResponse(provider, attempt, file.greylist?.answer ?? '', null)
  if (outcome !== 'accepted') return replyResponse(provider, attempt, outcome, null)
  return acceptedResponse(provider, attempt, lateAnswer)
}

function outageAt({ file, conditions }: SimulatedProvider, at: number): OutageKind | null {
  if (file.unreachable !== undefined) return file.unreachable
  return conditions.outages.find((each) => each.from <= at && at < each.to)?.how ?? null
}

const failureResponse = (
  error: NonNullable<ProviderResponse['error']>,
  durationMs: number,
  refusal: RefusalKind | null,
): ProviderResponse => ({ text: null, error, phase: null, closes: true, durationMs, refusal, report: null, complaint: null })

function latencyOf({ file, seed }: SimulatedProvider, { messageNumber, attempt: n }: SimulatedAttempt, which: 'accept' | 'refuse'): number {
  const range = which === 'accept' ? file.pace.accept_ms : file.pace.refuse_ms
  return Math.round(logUniform(seededRandom(seed, messageNumber, RANDOM_SALTS.latency + 100 * n), range))
}

function replyResponse(
  provider: SimulatedProvider,
  attempt: SimulatedAttempt,
  answer: string,
  refusal: RefusalKind | null,
): ProviderResponse {
  const durationMs = latencyOf(provider, attempt, 'refuse')
  const text = replyTextOf(provider.file, attempt, answer)
  const phase = phaseOf(provider, answer)
  return { text, error: null, phase, closes: isClosedAfter(provider, attempt, text), durationMs, refusal, report: null, complaint: null }
}

const phaseOf = ({ phases }: SimulatedProvider, answer: string): AnswerPhase => phases.get(answer) ?? 'rcpt'

const stageOf = (provider: SimulatedProvider, answer: string): DialogueStage => DIALOGUE_STAGES[phaseOf(provider, answer)]

/** A 421 closes the connection (RFC 5321 §4.2.2), and so does a limit of messages that has no reply. */
function isClosedAfter({ file }: SimulatedProvider, { session }: SimulatedAttempt, text: string): boolean {
  const { mails, mails_answer: answer } = file.connections ?? {}
  return text.startsWith('421') || (mails !== undefined && answer === undefined && session.mails + 1 >= mails)
}

/** The refusal of the sender or its connection that is in force at a stage; null: none is. */
function refusalOfSender(provider: SimulatedProvider, attempt: SimulatedAttempt, stage: DialogueStage): LimitRefusal | null {
  const { file, conditions, records } = provider
  const { at, ip } = attempt
  if (conditions.listings.length > 0 && stageOf(provider, 'listed') === stage && isListed(conditions, ip, at))
    return { answer: 'listed', kind: 'listed' }
  return refusalOfConnection(provider, attempt, stage) ?? activeHoldOf(records, file, attempt, stage)
}

const isListed = ({ listings }: ProviderConditions, ip: string, at: number): boolean =>
  listings.some((each) => each.ip === ip && each.from <= at && at < each.to)

/** The refusal of a connection, for itself; null: none is in force. */
function refusalOfConnection(
  provider: SimulatedProvider,
  { session, connections: open }: SimulatedAttempt,
  stage: DialogueStage,
): LimitRefusal | null {
  const { connections, tls } = provider.file
  if (stage === 'connection')
    return connections !== undefined && open > connections.count ? { answer: connections.answer, kind: 'connections' } : null
  if (tls?.answer !== undefined && !session.isEncrypted && stageOf(provider, tls.answer) === stage)
    return { answer: tls.answer, kind: 'tls' }
  const { mails, mails_answer: answer } = connections ?? {}
  if (mails === undefined || answer === undefined || session.mails < mails || stageOf(provider, answer) !== stage) return null
  return { answer, kind: 'session' }
}

function isGreylisted({ file }: SimulatedProvider, { at, firstAt, attempt: n }: SimulatedAttempt): boolean {
  const { greylist } = file
  if (greylist === undefined) return false
  return n === 1 || at - firstAt < greylist.minutes * MINUTE_MS
}

function acceptedResponse(provider: SimulatedProvider, attempt: SimulatedAttempt, lateAnswer: string | null): ProviderResponse {
  const { file, seed, records } = provider
  const { late, complaints } = file
  const random = (salt: number): number => seededRandom(seed, attempt.messageNumber, salt)
  const report =
    lateAnswer === null || late === undefined
      ? null
      : {
          afterMs: Math.round(logUniform(random(RANDOM_SALTS.reportAt), late.minutes) * MINUTE_MS),
          text: replyTextOf(file, attempt, lateAnswer),
        }
  const complaint =
    report !== null || complaints === undefined || random(RANDOM_SALTS.complaint) >= complaints.share
      ? null
      : {
          afterMs: Math.round(logUniform(random(RANDOM_SALTS.complaintAt), complaints.hours) * HOUR_MS),
          isReported: complaints.arf,
        }
  recordAcceptance(records, attempt, complaint !== null)
  const text = replyTextOf(file, attempt, 'accepted')
  const durationMs = latencyOf(provider, attempt, 'accept')
  const closes = isClosedAfter(provider, attempt, text)
  return { text, error: null, phase: 'end', closes, durationMs, refusal: null, report, complaint }
}
