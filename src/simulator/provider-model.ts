/**
 * provider-model - a simulated receiving provider: what it replies to one attempt
 *
 * In the order of a dialogue: whether it is reachable, whether it knows the egress IP (block list, connections), whether it refuses the IP or
 * the sender domain at present, whether this message passes a limit, and only then the mailbox, the greylist and the content.
 *
 * Mutates the provider's records, which one simulation owns. All randomness is seeded by the message (queue/schedule/seeded-random).
 * See also: simulator/provider-file, simulator/provider-limits, simulator/mailbox-model.
 */
import { logUniform, RANDOM_SALTS, seededRandom } from '../queue/schedule/seeded-random.ts'
import { mailboxOutcomeOf } from './mailbox-model.ts'
import type { Mailboxes, ProviderFile } from './provider-file.ts'
import {
  activeHoldOf,
  applyLimits,
  createSenderRecords,
  recordAcceptance,
  type RefusalKind,
  type SenderRecords,
} from './provider-limits.ts'
import { replyTextOf } from './reply-text.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** How long an attempt waits for a connection that no host accepts. */
const CONNECT_TIMEOUT_MS = 30_000

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
  readonly mailboxes: Mailboxes
}

export type ProviderResponse = {
  /** Null: there was no reply, and `error` says why. */
  readonly text: string | null
  readonly error: 'connect' | 'timeout' | 'dns' | 'dropped' | null
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
}

/** A provider that has seen no attempt. */
export function createSimulatedProvider(file: ProviderFile, seed: number, conditions: ProviderConditions): SimulatedProvider {
  return { file, seed, conditions, records: createSenderRecords(file, conditions.priorDeliveries) }
}

/** Replies to one attempt and records it. */
export function respondToAttempt(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse {
  const { file, seed, records } = provider
  const outage = outageAt(provider, attempt.at)
  if (outage !== null) return outageResponse(provider, attempt, outage)
  if (seededRandom(seed, attempt.messageNumber, RANDOM_SALTS.drop + 100 * attempt.attempt) < file.pace.drop)
    return failureResponse('dropped', latencyOf(provider, attempt, 'refuse'), null)
  const refusal = activeRefusalOf(provider, attempt)
  if (refusal !== null) return replyResponse(provider, attempt, refusal.answer, refusal.kind)
  const { outcome, lateAnswer } = mailboxOutcomeOf(file, seed, attempt)
  const limitAnswer = applyLimits(records, file, attempt, outcome === 'unknown')
  if (limitAnswer !== null) return replyResponse(provider, attempt, limitAnswer, null)
  if (isGreylisted(provider, attempt)) return replyResponse(provider, attempt, file.greylist?.answer ?? '', null)
  if (outcome !== 'accepted') return replyResponse(provider, attempt, outcome, null)
  return acceptedResponse(provider, attempt, lateAnswer)
}

function outageAt({ file, conditions }: SimulatedProvider, at: number): OutageKind | null {
  if (file.unreachable !== undefined) return file.unreachable
  return conditions.outages.find((each) => each.from <= at && at < each.to)?.how ?? null
}

function outageResponse(provider: SimulatedProvider, attempt: SimulatedAttempt, how: OutageKind): ProviderResponse {
  if (how === 'busy') return replyResponse(provider, attempt, 'busy', 'down')
  return failureResponse(how, how === 'timeout' ? CONNECT_TIMEOUT_MS : latencyOf(provider, attempt, 'refuse'), 'down')
}

const failureResponse = (
  error: NonNullable<ProviderResponse['error']>,
  durationMs: number,
  refusal: RefusalKind | null,
): ProviderResponse => ({ text: null, error, durationMs, refusal, report: null, complaint: null })

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
  return { text, error: null, durationMs, refusal, report: null, complaint: null }
}

/** The refusal of the sender that is in force now; null: none is. */
function activeRefusalOf(
  { file, conditions, records }: SimulatedProvider,
  attempt: SimulatedAttempt,
): { readonly answer: string; readonly kind: RefusalKind } | null {
  const { at, ip } = attempt
  if (conditions.listings.some((each) => each.ip === ip && each.from <= at && at < each.to)) return { answer: 'listed', kind: 'listed' }
  if (file.connections !== undefined && attempt.connections > file.connections.count)
    return { answer: file.connections.answer, kind: 'connections' }
  return activeHoldOf(records, file, attempt)
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
  return { text, error: null, durationMs: latencyOf(provider, attempt, 'accept'), refusal: null, report, complaint }
}
