/**
 * provider-model - a receiving provider as a sender meets it: what it answers to one attempt
 *
 * In the order of a dialogue: is it there, does it know the address (block list, connections), does it say no to the address or the sender
 * domain just now, is a limit passed with this mail, and only then the mailbox, the grey list and the content. Once it says no, it says so for a time, and
 * each knock meanwhile makes that time longer, up to a bound: that is why a sender should pause. What it takes makes the address known.
 *
 * Pure but for the Standing that one simulation owns; all chance is rolled for the mail (queue/schedule/seeded-random). See also: simulator/provider-file.
 */
import { endOfProviderDay } from '../queue/backoff/provider-day.ts'
import { startHold, type ProviderHold, extendHold, createHold } from './provider-hold.ts'
import type { LimitRow, Mailboxes, ProviderFile } from './provider-file.ts'
import { seededRandom, logUniform, RANDOM_SALTS } from '../queue/schedule/seeded-random.ts'
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** To whom the provider was saying no when the answer came: such an answer is wasted. */
export type RefusalKind = 'ip' | 'sender-domain' | 'quota' | 'connections' | 'listed' | 'down'

/** One attempt at a provider. `person` is whose mailbox it is, `mail` the number of the mail; `recipient` and `id` fill the texts. */
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
  /** Open connections of this address to the provider, this one included. */
  readonly connections: number
  readonly mailboxes: Mailboxes
}

/** What comes back afterwards: a report of failure, a complaint. */
export type DelayedReport = { readonly after: number; readonly text: string }

export type ProviderResponse = {
  /** Null: there was no answer, and `error` says why. */
  readonly text: string | null
  readonly error: 'connect' | 'timeout' | 'dns' | 'dropped' | null
  /** How long it took, in milliseconds. */
  readonly durationMs: number
  /** Null: it was not saying no. */
  readonly refusal: RefusalKind | null
  readonly report: DelayedReport | null
  /** Milliseconds after; `heard` false: the provider knows and tells nobody. */
  readonly complaint: { readonly after: number; readonly isReported: boolean } | null
}

/** What a scenario does to a provider. Times are epoch milliseconds. */
export type ProviderConditions = {
  readonly outages: readonly { readonly from: number; readonly to: number; readonly how: 'connect' | 'timeout' | 'dns' | 'busy' }[]
  readonly listings: readonly { readonly ip: string; readonly from: number; readonly to: number }[]
  /** Mails that the address has delivered here before the scenario begins. */
  readonly known: ReadonlyMap<string, number>
}

type LimitUsage = { readonly hour: SlidingWindow; day: number; dayEnd: number; readonly hold: ProviderHold }
type IpReputation = {
  taken: number
  readonly seen: SlidingWindow
  readonly unknown: SlidingWindow
  readonly complaints: SlidingWindow
  readonly hold: ProviderHold
}

export type SimulatedProvider = {
  readonly file: ProviderFile
  readonly seed: number
  readonly conditions: ProviderConditions
  readonly reputations: Map<string, IpReputation>
  /** By limit, then by address or sender domain. */
  readonly limitUsage: ReadonlyMap<LimitRow, Map<string, LimitUsage>>
}

/** A provider that has met nobody. */
export function createSimulatedProvider(file: ProviderFile, seed: number, conditions: ProviderConditions): SimulatedProvider {
  return {
    file,
    seed,
    conditions,
    reputations: new Map(),
    limitUsage: new Map(file.limit.map((limit) => [limit, new Map<string, LimitUsage>()])),
  }
}

/** Answers one attempt and remembers it. */
export function respondToAttempt(provider: SimulatedProvider, attempt: SimulatedAttempt): ProviderResponse {
  const { file } = provider
  const outage = outageAt(provider, attempt.at)
  if (outage !== null) return unreachableResponse(provider, attempt, outage)
  if (seededRandom(provider.seed, attempt.messageNumber, RANDOM_SALTS.drop + 100 * attempt.attempt) < file.pace.drop)
    return failureResponse('dropped', latencyOf(provider, attempt, 'refuse'), null)
  const refusal = activeRefusalOf(provider, attempt)
  if (refusal !== null) return replyResponse(provider, attempt, refusal.answer, refusal.kind)
  const { fate: outcome, late: lateAnswer } = outcomeOf(provider, attempt)
  const limitAnswer = applyLimits(provider, attempt, outcome)
  if (limitAnswer !== null) return replyResponse(provider, attempt, limitAnswer, null)
  if (isGreylisted(provider, attempt)) return replyResponse(provider, attempt, file.greylist?.answer ?? '', null)
  if (outcome !== 'fine') return replyResponse(provider, attempt, outcome, null)
  return acceptedResponse(provider, attempt, lateAnswer)
}

function outageAt({ file, conditions }: SimulatedProvider, at: number): ProviderConditions['outages'][number]['how'] | null {
  if (file.unreachable !== undefined) return file.unreachable
  return conditions.outages.find((each) => each.from <= at && at < each.to)?.how ?? null
}

function unreachableResponse(
  provider: SimulatedProvider,
  attempt: SimulatedAttempt,
  how: ProviderConditions['outages'][number]['how'],
): ProviderResponse {
  if (how === 'busy') return replyResponse(provider, attempt, 'busy', 'down')
  // A refused connection is known at once; one that nobody answers is waited for.
  return failureResponse(how, how === 'timeout' ? 30_000 : latencyOf(provider, attempt, 'refuse'), 'down')
}

const failureResponse = (
  error: NonNullable<ProviderResponse['error']>,
  durationMs: number,
  refusal: RefusalKind | null,
): ProviderResponse => ({
  text: null,
  error,
  durationMs,
  refusal,
  report: null,
  complaint: null,
})

function latencyOf({ file, seed }: SimulatedProvider, { messageNumber, attempt: n }: SimulatedAttempt, which: 'accept' | 'refuse'): number {
  return Math.round(
    logUniform(
      seededRandom(seed, messageNumber, RANDOM_SALTS.pace + 100 * n),
      which === 'accept' ? file.pace.accept_ms : file.pace.refuse_ms,
    ),
  )
}

function replyResponse(
  provider: SimulatedProvider,
  attempt: SimulatedAttempt,
  answer: string,
  refusal: RefusalKind | null,
): ProviderResponse {
  return {
    ...failureResponse('dropped', latencyOf(provider, attempt, 'refuse'), refusal),
    error: null,
    text: replyTextOf(provider, attempt, answer),
  }
}

/** The words of an answer, filled in. A report's words are made the same way. */
export function replyTextOf(
  { file }: SimulatedProvider,
  attempt: Pick<SimulatedAttempt, 'recipient' | 'domain' | 'senderDomain' | 'ip' | 'id'>,
  answer: string,
): string {
  const text = file.answer[answer]?.text ?? '451 4.3.0 Temporary failure'
  if (!text.includes('{')) return text
  return text
    .replaceAll('{recipient}', attempt.recipient)
    .replaceAll('{domain}', attempt.domain)
    .replaceAll('{sender}', attempt.senderDomain)
    .replaceAll('{ip}', attempt.ip)
    .replaceAll('{id}', attempt.id)
}

/** The no that stands at this moment; knocking at it makes it longer. */
function activeRefusalOf(
  provider: SimulatedProvider,
  attempt: SimulatedAttempt,
): { readonly answer: string; readonly kind: RefusalKind } | null {
  const { file, conditions } = provider
  const { at, ip } = attempt
  if (conditions.listings.some((each) => each.ip === ip && each.from <= at && at < each.to)) return { answer: 'listed', kind: 'listed' }
  if (file.connections !== undefined && attempt.connections > file.connections.count)
    return { answer: file.connections.answer, kind: 'connections' }
  const { reputation } = file
  if (reputation !== undefined && extendHold(reputationOf(provider, ip).hold, at, reputation))
    return { answer: reputation.answer, kind: 'ip' }
  for (const limit of file.limit) {
    if (extendHold(limitUsageOf(provider, limit, attempt).hold, at, limit))
      return { answer: limit.answer, kind: limit.window === 'day' ? 'quota' : limit.key }
  }
  return null
}

function reputationOf(provider: SimulatedProvider, ip: string): IpReputation {
  const known = provider.reputations.get(ip)
  if (known !== undefined) return known
  const window = (): SlidingWindow => createSlidingWindow(24, HOUR_MS)
  const created = {
    taken: provider.conditions.known.get(ip) ?? 0,
    seen: window(),
    unknown: window(),
    complaints: window(),
    hold: createHold(),
  }
  provider.reputations.set(ip, created)
  return created
}

function limitUsageOf(provider: SimulatedProvider, limit: LimitRow, attempt: SimulatedAttempt): LimitUsage {
  const key = limit.key === 'ip' ? attempt.ip : attempt.senderDomain
  const known = provider.limitUsage.get(limit)?.get(key)
  if (known !== undefined) return known
  const created = { hour: createSlidingWindow(60, MINUTE_MS), day: 0, dayEnd: 0, hold: createHold() }
  provider.limitUsage.get(limit)?.set(key, created)
  return created
}

/** What an address or a domain may send in the window of a limit: a stranger little, and more with every mail that was taken. */
export function allowanceOf(limit: LimitRow, acceptedCount: number): number {
  const warmUpShare = limit.warm_after === 0 ? 1 : Math.min(1, acceptedCount / limit.warm_after)
  return Math.max(1, Math.round(limit.count * (limit.cold + (1 - limit.cold) * warmUpShare)))
}

/** Counts a mail that it looks at; the answer of the limit that this mail passes, null: none. */
function applyLimits(provider: SimulatedProvider, attempt: SimulatedAttempt, outcome: string): string | null {
  const { file } = provider
  const { at } = attempt
  const reputationState = reputationOf(provider, attempt.ip)
  for (const limit of file.limit) {
    const usage = limitUsageOf(provider, limit, attempt)
    if (limit.window === 'day' && at >= usage.dayEnd) {
      usage.day = 0
      usage.dayEnd = endOfProviderDay(at, file.zone)
    }
    const used = limit.window === 'day' ? usage.day : usage.hour.sum(at)
    if (used < allowanceOf(limit, limit.key === 'ip' ? reputationState.taken : 0)) continue
    if (limit.window === 'day') usage.hold.until = usage.dayEnd
    else {
      startHold(usage.hold, at, limit)
      // Its time is the punishment: afterwards it counts anew.
      usage.hour.scale(0)
    }
    return limit.answer
  }
  for (const limit of file.limit) {
    const usage = limitUsageOf(provider, limit, attempt)
    usage.day += 1
    usage.hour.add(at)
  }
  reputationState.seen.add(at)
  if (outcome === 'unknown') reputationState.unknown.add(at)
  return judgeReputation(provider, reputationState, at)
}

/** Whether what it sends has ruined an address. */
function judgeReputation({ file }: SimulatedProvider, reputationState: IpReputation, at: number): string | null {
  const { reputation } = file
  if (reputation === undefined) return null
  const seen = reputationState.seen.sum(at)
  if (seen < reputation.floor) return null
  const isBad =
    reputationState.unknown.sum(at) > seen * reputation.unknown || reputationState.complaints.sum(at) > seen * reputation.complaints
  if (!isBad) return null
  startHold(reputationState.hold, at, reputation)
  // The no is the punishment; what led to it is half forgiven with it, else nothing could ever be delivered again on that day.
  for (const window of [reputationState.seen, reputationState.unknown, reputationState.complaints]) window.scale(0.5)
  return reputation.answer
}

/** What becomes of a mail if the provider has nothing against its sender. `late`: it is taken, and comes back. */
function outcomeOf(provider: SimulatedProvider, attempt: SimulatedAttempt): { readonly fate: string; readonly late: string | null } {
  const { file, seed } = provider
  const { mailboxes, messageNumber, attempt: n } = attempt
  const mailbox = mailboxStateOf(seed, attempt)
  if (mailbox === 'unknown' || mailbox === 'disabled') return { fate: mailbox, late: null }
  if (mailbox === 'full' && !hasFreedSpace(seed, attempt)) return { fate: 'full', late: null }
  if (seededRandom(seed, messageNumber, RANDOM_SALTS.content) < mailboxes.content) return { fate: 'content', late: null }
  if (seededRandom(seed, messageNumber, RANDOM_SALTS.busy + 100 * n) < mailboxes.busy) return { fate: 'busy', late: null }
  const { late: lateAnswer } = file
  if (lateAnswer === undefined || seededRandom(seed, messageNumber, RANDOM_SALTS.late) >= lateAnswer.share)
    return { fate: 'fine', late: null }
  const answer = lateAnswer.answers[Math.floor(seededRandom(seed, messageNumber, RANDOM_SALTS.lateText) * lateAnswer.answers.length)]
  return { fate: 'fine', late: answer ?? null }
}

/** What a person's mailbox is like: the same for every mail to it. */
export function mailboxStateOf(
  seed: number,
  { recipientNumber, mailboxes }: Pick<SimulatedAttempt, 'recipientNumber' | 'mailboxes'>,
): 'unknown' | 'disabled' | 'full' | 'good' {
  const unit = seededRandom(seed, recipientNumber, RANDOM_SALTS.fate)
  const { unknown, disabled, full } = mailboxes
  if (unit < unknown) return 'unknown'
  if (unit < unknown + disabled) return 'disabled'
  return unit < unknown + disabled + full ? 'full' : 'good'
}

/** Who has a full mailbox makes room at some time within four days of the first attempt. */
function hasFreedSpace(seed: number, { recipientNumber, at, firstAt }: SimulatedAttempt): boolean {
  return at - firstAt > seededRandom(seed, recipientNumber, RANDOM_SALTS.fateKind) * 4 * DAY_MS
}

function isGreylisted({ file }: SimulatedProvider, { at, firstAt, attempt: n }: SimulatedAttempt): boolean {
  const { greylist } = file
  if (greylist === undefined) return false
  return n === 1 || at - firstAt < greylist.minutes * MINUTE_MS
}

function acceptedResponse(provider: SimulatedProvider, attempt: SimulatedAttempt, lateAnswer: string | null): ProviderResponse {
  const { file, seed } = provider
  const { messageNumber } = attempt
  const reputationState = reputationOf(provider, attempt.ip)
  reputationState.taken += 1
  const report =
    lateAnswer === null || file.late === undefined
      ? null
      : {
          after: Math.round(logUniform(seededRandom(seed, messageNumber, RANDOM_SALTS.lateAt), file.late.minutes) * MINUTE_MS),
          text: replyTextOf(provider, attempt, lateAnswer),
        }
  const isComplaint =
    report === null && file.complaints !== undefined && seededRandom(seed, messageNumber, RANDOM_SALTS.complaint) < file.complaints.share
  if (isComplaint) reputationState.complaints.add(attempt.at)
  return {
    text: replyTextOf(provider, attempt, 'accepted'),
    error: null,
    durationMs: latencyOf(provider, attempt, 'accept'),
    refusal: null,
    report,
    complaint: !isComplaint
      ? null
      : {
          after: Math.round(
            logUniform(seededRandom(seed, messageNumber, RANDOM_SALTS.complaintAt), file.complaints?.hours ?? [1, 1]) * HOUR_MS,
          ),
          isReported: file.complaints?.arf === true,
        },
  }
}
