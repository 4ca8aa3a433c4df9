/**
 * advice-machine - the backoff keys of an account whose mail another MTA sends, fed by the outcomes that this MTA reports
 *
 * The same states, classes and policy as our own queue, on a queue without messages: how many wait elsewhere is not known. So a probe is taken to
 * have a full batch, each outcome of a probing key is one of its messages, and a probe without outcomes ends as one with nothing waiting. Limits that
 * our own queue learns from its dispatches are not learnt.
 *
 * Outcomes may come late and in any order. One from before a transition moves nothing that the transition put in force, and one that is older than
 * MAX_OUTCOME_AGE_MS moves nothing at all, so that a log that is read again changes no advice.
 *
 * Mutates its queue. See also: queue/backoff/feedback, queue/advice/advice (the view), service/advise/adviser.
 */
import type { ReadResult } from '../../ledger/decide/attempt-reading.ts'
import { advanceBackoff, recordDispatch } from '../backoff/backoff.ts'
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { BACKOFF_KEYS, type BackoffKeyId, destinationKeys, egressKeys, type EgressRoute } from '../backoff/backoff-key.ts'
import { applyResultToKeys } from '../backoff/feedback.ts'
import { nextTransitionInput, replaceEpisode, setKeyTimer } from '../backoff/key-state.ts'
import type { BackoffPolicy } from '../backoff/policy.ts'
import type { Dispatch, KeyTransition, QueueEvent } from '../message.ts'
import { applyCommand, createQueue, nextDispatchBatch } from '../queue.ts'
import type { KeyState, QueueState } from '../queue-state.ts'
import { putEpisode } from '../backoff/key-episodes.ts'
import { restoreEpisodes, snapshotEpisodes } from '../snapshot.ts'

/** One outcome that an MTA reports. `at`: when its attempt ended. */
export type ReportedOutcome = {
  readonly mailId: string
  readonly to: EgressRoute
  readonly result: ReadResult
  readonly at: number
  /** The rule that decided; null for an accepted message. */
  readonly rule: string | null
}

export type AdviceMachine = {
  readonly queue: QueueState
  /** The recipient domains that were reported under a key, the latest last: an MTA has its queues by domain. */
  readonly domains: Map<BackoffKeyId, readonly string[]>
  /** The rule that decided the latest reply of the evidence, by key and class. */
  readonly rules: Map<string, string>
}

/** What a provider said a quarter of an hour ago does not tell how it is now: the shortest pauses are over by then. */
export const MAX_OUTCOME_AGE_MS = 900_000

/** A site costs some four keys, of about a kilobyte each, for an hour after its last outcome. Beyond this many keys, outcomes of further sites are not counted. */
const MAX_KEYS = 50_000

/** Domains of a key; those of a large provider have more, and the most recent ones have mail. */
const MAX_DOMAINS = 200

/** The stored form of an episode, plain JSON. */
export type StoredAdvice = { readonly episode: BackoffEpisode; readonly domains: readonly string[]; readonly rule: string | null }

const episodeIdOf = ({ key, class: name }: BackoffEpisode): string => `${key} ${name}`

/** A machine that knows nothing. The seed decides the jitter of pauses. */
export function createAdviceMachine(policy: BackoffPolicy, seed: number): AdviceMachine {
  return {
    queue: createQueue({ policy: { ...policy, adapts: false }, seed, pools: {}, keepsMessages: false }),
    domains: new Map(),
    rules: new Map(),
  }
}

/** Passes an outcome to the keys of its route, after {@link advanceMachine} at the same time. Returns the transitions. */
export function applyOutcome(machine: AdviceMachine, outcome: ReportedOutcome, now: number): KeyTransition[] {
  const { queue } = machine
  const at = Math.min(outcome.at, now)
  if (now - at > MAX_OUTCOME_AGE_MS) return []
  const { mailId, to, result, rule } = outcome
  const keys = [...destinationKeys(to), ...egressKeys(to, true)]
  const keyStates = keys.flatMap((key) => queue.keyStates.get(key) ?? [])
  if (queue.keyStates.size >= MAX_KEYS && !queue.keyStates.has(BACKOFF_KEYS.ip(to))) return []
  const number = dispatchNumberAt(keyStates, at)
  for (const keyState of keyStates) countProbe(queue, keyState, number, now)
  const dispatch: Dispatch = { ...to, number, mailId, attempt: 1, hasOtherIp: false, probe: false, at }
  const attempt = { dispatch, keys: [], countedKeys: [], stream: '', lane: '' }
  const applied = applyResultToKeys({ queue, attempt, result, previous: null, now })
  for (const key of keys) {
    const keyState = queue.keyStates.get(key)
    if (keyState === undefined) continue
    addDomain(machine, key, to.domain)
    if (rule !== null) noteRule(machine, keyState, { mailId, rule, now })
  }
  return transitionsOf(applied)
}

/** Remembers the rule where the outcome has become evidence. */
function noteRule(
  { rules }: AdviceMachine,
  { episodes }: KeyState,
  { mailId, rule, now }: { readonly mailId: string; readonly rule: string; readonly now: number },
): void {
  for (const episode of episodes.values()) {
    const last = episode.evidence.at(-1)
    if (last?.mailId === mailId && last.at === now) rules.set(episodeIdOf(episode), rule)
  }
}

/** Above the epochs of all transitions before `at`, and below those after it. */
function dispatchNumberAt(keyStates: readonly KeyState[], at: number): number {
  const episodes = keyStates.flatMap((keyState) => [...keyState.episodes.values()])
  const before = episodes.filter(({ since, epoch }) => epoch === 0 || since < at)
  const after = episodes.filter(({ since, epoch }) => epoch > 0 && since >= at)
  return Math.min(Math.max(0, ...before.map(({ epoch }) => epoch)) + 0.5, ...after.map(({ epoch }) => epoch))
}

/** Each outcome of a probing key is a message of its probe: no dispatch was seen. */
function countProbe(queue: QueueState, keyState: KeyState, number: number, now: number): void {
  for (const episode of keyState.episodes.values())
    if (episode.state === 'probing' && number > episode.epoch) putEpisode(queue, keyState, recordDispatch(episode, now))
}

function addDomain({ domains }: AdviceMachine, key: BackoffKeyId, domain: string): void {
  const known = domains.get(key) ?? []
  if (known.at(-1) === domain) return
  domains.set(key, [...known.filter((each) => each !== domain), domain].slice(-MAX_DOMAINS))
}

/** Lets time pass. Returns the transitions. */
export function advanceMachine(machine: AdviceMachine, now: number): KeyTransition[] {
  const { queue, domains, rules } = machine
  // Nothing waits here that a key could wake.
  queue.keysToWake.clear()
  const { events } = nextDispatchBatch(queue, now, 0)
  const ended = [...queue.keyStates.values()].flatMap((keyState) => endSilentProbes(queue, keyState, now))
  for (const key of domains.keys()) if (!queue.keyStates.has(key)) domains.delete(key)
  for (const id of rules.keys()) if (!queue.keyStates.has(id.slice(0, id.lastIndexOf(' ')))) rules.delete(id)
  return transitionsOf([...events, ...ended])
}

const isProbeSilent = ({ policy }: QueueState, { state, movedAt }: BackoffEpisode, now: number): boolean =>
  state === 'probing' && now - movedAt >= policy.probeTimeoutMs

/** A probe of which nothing was heard for long: nothing is waiting. */
function endSilentProbes(queue: QueueState, keyState: KeyState, now: number): QueueEvent[] {
  const silent = [...keyState.episodes.values()].filter((episode) => isProbeSilent(queue, episode, now))
  const events = silent.flatMap((before) => {
    const after = advanceBackoff(queue.policy, before, { waiting: 0 }, nextTransitionInput(queue, now))
    return replaceEpisode(queue, { keyState, before, after }, { now, by: 'queue' })
  })
  if (silent.length > 0) setKeyTimer(queue, keyState, now)
  return events
}

/** A person's Recover. An unknown key changes nothing. */
export function recoverAdvice({ queue }: AdviceMachine, key: BackoffKeyId, how: 'immediate' | 'probe', now: number): KeyTransition[] {
  return transitionsOf(applyCommand(queue, { kind: 'recover-key', key, how }, now))
}

const transitionsOf = (events: readonly QueueEvent[]): KeyTransition[] =>
  events.filter((event): event is KeyTransition => event.kind.startsWith('queue.') && event.kind !== 'queue.manual')

/** Occasional refusals without a transition need no row. */
const isSignificant = ({ state, n, rung }: BackoffEpisode): boolean => state !== 'active' || n > 0 || rung !== null

/** What a store keeps. Counts of keys without trouble are in memory only. */
export function snapshotAdvice({ queue, domains, rules }: AdviceMachine): StoredAdvice[] {
  const episodes = snapshotEpisodes(queue).filter(isSignificant)
  return episodes.map((episode) => ({
    episode,
    domains: domains.get(episode.key) ?? [],
    rule: rules.get(episodeIdOf(episode)) ?? null,
  }))
}

/** Restores stored rows into a machine that knows nothing. */
export function restoreAdvice({ queue, domains, rules }: AdviceMachine, stored: readonly StoredAdvice[], now: number): void {
  for (const { episode, domains: known, rule } of stored) {
    domains.set(episode.key, known)
    if (rule !== null) rules.set(episodeIdOf(episode), rule)
  }
  restoreEpisodes(
    queue,
    stored.map(({ episode }) => episode),
    now,
  )
}

/** Whether nothing is known that an empty machine does not know. */
export const isIdle = ({ queue }: AdviceMachine): boolean => queue.keyStates.size === 0
