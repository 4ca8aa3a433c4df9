/**
 * backoff - the machine: what one episode becomes when it hears an answer, when time passes, when an operator presses Recover
 *
 * Each function is pure: (policy, episode, what happened, now) → episode. Where the state changes, the epoch is the number that the caller
 * brings, counts begin anew, and n rises only: it is forgotten in ACTIVE, after a long time without trouble.
 *
 * See also: queue/backoff/backoff-state (the table of states), queue/backoff/backoff-classes (the table of classes), queue/backoff/key-state (who calls).
 */
import { dayEnd, isZone } from './provider-day.ts'
import { type Count, type Episode, MOST_EVIDENCE, recoveryOf } from './backoff-episode.ts'
import type { EvidenceReply, Transition, TransitionKind } from '../message.ts'
import type { ClassRow, Measure } from './backoff-classes.ts'
import type { Policy } from './policy.ts'
import { type Signal, type State, step } from './backoff-state.ts'
import { count, emptyTally, sum } from './sliding-count.ts'

/** The moment, the number that a transition would get, and a number from 0 to 1. */
export type Turn = { readonly now: number; readonly epoch: number; readonly roll: number }

/** One answer, as a key hears it. */
export type Heard = {
  /** The number of its dispatch; a report that comes later has the present one. */
  readonly number: number
  readonly what: 'hit' | 'complaint' | 'clean' | 'accepted'
  /** Whether it is one of the attempts that a share is taken of; a report that comes later is not. */
  readonly isAttempt: boolean
  /** Whether what the share is taken of has counted it already. */
  readonly isCounted: boolean
  readonly reply: EvidenceReply | null
  readonly statedDelayMs: number | null
  readonly zone: string | null
  /** Where the caller knows better than the measures whether the class trips (network); else null. */
  readonly trips: boolean | null
  /** The key's clean rate and its connections now. */
  readonly rate: number
  readonly connections: number
}

const DAY = 24 * 3_600_000
/** No provider is believed that wants a longer rest. */
const LONGEST_STATED = 7 * DAY

/** Where a pause that begins now ends; null: with an operator's Recover. */
function endOfPause(policy: Policy, episode: Episode, heard: Pick<Heard, 'statedDelayMs' | 'zone'> | null, turn: Turn): number | null {
  const row = policy.classes[episode.class]
  if (row.pause === 'operator') return null
  const stated = policy.keepsStated ? (heard?.statedDelayMs ?? null) : null
  if (stated !== null && stated > 0) return turn.now + Math.min(stated, LONGEST_STATED)
  if (row.pause === 'midnight') {
    const zone = heard?.zone ?? 'UTC'
    return dayEnd(turn.now, isZone(zone) ? zone : 'UTC') + Math.round(turn.roll * policy.midnightJitterMs)
  }
  const [low, high] = policy.jitter
  const length = Math.min(row.capMs, row.baseMs * row.growth ** Math.min(400, episode.n - 1))
  return turn.now + Math.round(length * (low + (high - low) * turn.roll))
}

const emptied = (row: ClassRow): readonly Count[] =>
  row.measures.map(({ windowMs }) => ({ hits: emptyTally(windowMs), of: emptyTally(windowMs) }))

/** The episode in another state: a new epoch, counts from nothing. */
function enter(policy: Policy, episode: Episode, to: State, turn: Turn): Episode {
  const { now, epoch } = turn
  const counts = emptied(policy.classes[episode.class])
  const blank = { state: to, epoch, since: now, until: null, counts, inARow: 0, batch: 0, sent: 0, answered: 0, movedAt: now }
  return { ...episode, ...blank, rung: to === 'recovering' ? 0 : null, rungAt: now, clean: 0 }
}

/** n is forgotten where the key was clean for long enough. */
function forget(policy: Policy, episode: Episode, now: number): Episode {
  if (episode.state !== 'active' || episode.n === 0) return episode
  const rest = Math.max(policy.forgetMs, policy.forgetTimes * episode.pausedMs)
  return now - Math.max(episode.since, episode.troubleAt) < rest ? episode : { ...episode, n: 0, pausedMs: 0, evidence: [] }
}

/** PAUSED: n rises unless the pause is the second half of the same step (throttled before, or silence). */
function pauseNow(policy: Policy, episode: Episode, heard: Heard | null, turn: Turn): Episode {
  const rises = heard !== null && episode.state !== 'throttled'
  const counted = { ...episode, n: Math.max(1, episode.n + (rises ? 1 : 0)) }
  const until = endOfPause(policy, counted, heard, turn)
  return { ...enter(policy, counted, 'paused', turn), until, pausedMs: until === null ? 0 : until - turn.now }
}

function throttleNow(policy: Policy, episode: Episode, turn: Turn): Episode {
  return { ...enter(policy, episode, 'throttled', turn), n: episode.n + 1 }
}

/** What the counts say of one measure: `far` is so many times the ratio at which the class pauses in any state. */
function weigh(
  measure: Measure,
  { hits, of }: Count,
  at: { readonly now: number; readonly inARow: number; readonly times: number | null },
) {
  const n = sum(hits, at.now)
  const all = sum(of, at.now)
  const isEnough = n >= measure.threshold && n >= measure.ratio * all
  const trips = all >= measure.floor ? isEnough : measure.inARow > 0 && at.inARow >= measure.inARow && n >= measure.ratio * all
  return { trips, isFar: trips && at.times !== null && n >= at.times * measure.ratio * all }
}

/** The signal that the counts give, if any. */
function tripOf(row: ClassRow, episode: Episode, trips: boolean | null, now: number): Signal | null {
  const isLate = row.again !== null && episode.state === 'throttled'
  const found = row.measures.map((measure, i) => {
    const tally = episode.counts[i]
    const strict = isLate && row.again !== null ? { ...measure, ratio: row.again.ratio } : measure
    return tally === undefined ? null : weigh(strict, tally, { now, inARow: episode.inARow, times: row.pausesAtTimes })
  })
  const isTripped = trips ?? found.some((one) => one?.trips === true)
  if (!isTripped) return null
  if (episode.state === 'throttled')
    return againOf(
      row,
      episode,
      found.some((one) => one?.isFar === true),
      now,
    )
  const isFar = row.pausesAtTimes !== null && found.some((one) => one?.isFar === true)
  return row.first === 'pause' || isFar ? 'blocked' : 'tripped'
}

/** A throttled key that trips again. */
function againOf(row: ClassRow, episode: Episode, isFar: boolean, now: number): Signal | null {
  if (row.pause === 'never') return null
  if (row.pausesAtTimes !== null) return isFar ? 'blocked' : null
  return row.again !== null && now - episode.since < row.again.afterMs ? null : 'blocked'
}

/** Counts an answer in each measure. */
function tell(row: ClassRow, episode: Episode, heard: Heard, now: number): readonly Count[] {
  return episode.counts.map((one, i) => {
    const measure = row.measures[i]
    if (measure === undefined) return one
    const isHit = heard.what === (measure.of === 'complaints' ? 'complaint' : 'hit')
    const isBase = heard.isAttempt && !heard.isCounted && (measure.per === 'attempts' || heard.what === 'accepted')
    return { hits: isHit ? count(one.hits, now) : one.hits, of: isBase ? count(one.of, now) : one.of }
  })
}

const withEvidence = (episode: Episode, reply: EvidenceReply | null): Episode =>
  reply === null ? episode : { ...episode, evidence: [...episode.evidence, reply].slice(-MOST_EVIDENCE) }

/** An answer of the class moved it. */
function move(policy: Policy, episode: Episode, signal: Signal, heard: Heard, turn: Turn): Episode {
  const to = step(episode.state, signal)
  if (to === episode.state) return episode
  const isNew = episode.state === 'active' && episode.rung === null
  const known = isNew ? { ...episode, rateBefore: heard.rate, connectionsBefore: heard.connections } : episode
  return to === 'throttled' ? throttleNow(policy, known, turn) : pauseNow(policy, known, heard, turn)
}

/** An answer on a key. One of an older epoch moves nothing, and is counted nowhere. */
export function hear(policy: Policy, before: Episode, heard: Heard, turn: Turn): Episode {
  if (heard.number <= before.epoch) return before
  const row = policy.classes[before.class]
  const isHit = heard.what === 'hit' || heard.what === 'complaint'
  const episode: Episode = {
    ...forget(policy, before, turn.now),
    counts: tell(row, before, heard, turn.now),
    inARow: isHit ? before.inARow + 1 : 0,
    answered: before.answered + (before.state === 'probing' && heard.isAttempt ? 1 : 0),
    clean: before.clean + (isHit || !heard.isAttempt ? 0 : 1),
    movedAt: heard.isAttempt ? turn.now : before.movedAt,
  }
  return isHit ? hearHit(policy, row, episode, heard, turn) : hearClean(policy, episode, turn)
}

function hearHit(policy: Policy, row: ClassRow, counted: Episode, heard: Heard, turn: Turn): Episode {
  const trip = tripOf(row, counted, heard.trips, turn.now)
  const isTrouble = row.relapse === 'hit' || trip !== null
  const episode = withEvidence(isTrouble ? { ...counted, troubleAt: turn.now } : counted, heard.reply)
  if (episode.state === 'probing' || episode.state === 'recovering') {
    if (!isTrouble) return hearClean(policy, episode, turn)
    return row.pause === 'never'
      ? { ...enter(policy, episode, 'throttled', turn), n: episode.n }
      : move(policy, episode, 'hit', heard, turn)
  }
  return trip === null ? episode : move(policy, episode, trip, heard, turn)
}

/** A probe of which every answer is in and none is of the class. */
function hearClean(policy: Policy, episode: Episode, turn: Turn): Episode {
  const isDone = episode.state === 'probing' && episode.sent >= episode.batch && episode.answered >= episode.sent
  return isDone ? enter(policy, episode, step(episode.state, 'clean'), turn) : episode
}

/** What a key has to send: mails that wait for it (counted up to a batch). */
export type Situation = { readonly waiting: number }

/** Time passes. Called at `wakeOf`, and whenever mail that could be a probe is gone. */
export function pass(policy: Policy, episode: Episode, situation: Situation, turn: Turn): Episode {
  const row = policy.classes[episode.class]
  if (episode.state === 'paused') {
    if (episode.until === null || turn.now < episode.until) return episode
    return policy.probes ? probeNow(policy, episode, situation, turn) : enter(policy, episode, step('paused', 'over'), turn)
  }
  if (episode.state === 'probing') return passProbing(policy, episode, situation, turn)
  if (episode.state === 'throttled') {
    const isQuiet = turn.now - Math.max(episode.since, episode.troubleAt) >= row.baseMs
    return isQuiet ? enter(policy, episode, step('throttled', 'quiet'), turn) : episode
  }
  return episode.rung === null ? forget(policy, episode, turn.now) : climb(policy, episode, episode.rung, turn)
}

/** PROBING with a batch of what waits. */
function probeNow(policy: Policy, episode: Episode, { waiting }: Situation, turn: Turn): Episode {
  return { ...enter(policy, episode, 'probing', turn), batch: Math.min(policy.batch, waiting) }
}

function passProbing(policy: Policy, episode: Episode, { waiting }: Situation, turn: Turn): Episode {
  const isOut = episode.sent > episode.answered
  if (isOut) return turn.now - episode.movedAt >= policy.silenceMs ? pauseNow(policy, episode, null, turn) : episode
  if (episode.sent < episode.batch && waiting > 0) return episode
  if (episode.sent > 0) return enter(policy, episode, step('probing', 'clean'), turn)
  return waiting > 0
    ? { ...episode, batch: Math.min(policy.batch, waiting) }
    : ontoRung(enter(policy, episode, step('probing', 'empty'), turn))
}

const ontoRung = (episode: Episode): Episode => ({ ...episode, rung: 0 })

/** The next rung, where this one is passed. */
function climb(policy: Policy, episode: Episode, rung: number, turn: Turn): Episode {
  const { ladder, rungs } = recoveryOf(policy, episode)
  const isPassed =
    rungs.some(({ afterMs, clean }) => turn.now - episode.rungAt >= afterMs && episode.clean >= clean) ||
    turn.now - Math.max(episode.rungAt, episode.movedAt) >= policy.idleMs
  if (!isPassed) return episode
  const next = rung + 1
  if (next < ladder.length) return { ...episode, rung: next, rungAt: turn.now, clean: 0 }
  if (episode.state === 'active') return { ...episode, rung: null, rungAt: turn.now, clean: 0 }
  return enter(policy, episode, step('recovering', 'clean'), turn)
}

/** When time alone may move it; null: never. */
export function wakeOf(policy: Policy, episode: Episode): number | null {
  if (episode.state === 'paused') return episode.until
  if (episode.state === 'probing') return episode.sent > episode.answered ? episode.movedAt + policy.silenceMs : null
  if (episode.state === 'throttled') return Math.max(episode.since, episode.troubleAt) + policy.classes[episode.class].baseMs
  if (episode.rung === null) return null
  const passed = recoveryOf(policy, episode)
    .rungs.filter(({ clean }) => episode.clean >= clean)
    .map(({ afterMs }) => episode.rungAt + afterMs)
  return Math.min(...passed, Math.max(episode.rungAt, episode.movedAt) + policy.idleMs)
}

/** A dispatch went out under it. */
export function send(episode: Episode, now: number): Episode {
  if (episode.state === 'probing') return { ...episode, sent: episode.sent + 1, movedAt: now }
  return episode.rung === null ? episode : { ...episode, movedAt: now }
}

/** A dispatch of this epoch came back without an answer of the provider: a probe may send another in its place. */
export function takeBack(episode: Episode, number: number): Episode {
  return episode.state === 'probing' && number > episode.epoch ? { ...episode, sent: Math.max(0, episode.sent - 1) } : episode
}

/** An operator's Recover: at once with the lowest rate, or by a probe. */
export function recover(policy: Policy, episode: Episode, how: 'immediate' | 'probe', situation: Situation, turn: Turn): Episode {
  if (how === 'probe') return episode.state === 'paused' ? probeNow(policy, episode, situation, turn) : episode
  const to = step(episode.state, 'recover')
  return to === episode.state ? episode : ontoRung(enter(policy, episode, to, turn))
}

const KINDS: Readonly<Record<State, TransitionKind>> = {
  throttled: 'queue.throttled',
  paused: 'queue.paused',
  probing: 'queue.probing',
  recovering: 'queue.recovering',
  active: 'queue.recovered',
}

/** The event of a transition; null where there was none. */
export function transitionOf(
  policy: Policy,
  [before, after]: readonly [Episode, Episode],
  now: number,
  by: Transition['by'],
): Transition | null {
  if (before.epoch === after.epoch) return null
  return {
    kind: KINDS[after.state],
    at: now,
    key: after.key,
    class: after.class,
    from: before.state,
    to: after.state,
    n: after.n,
    epoch: after.epoch,
    nextSendingAt: after.state === 'paused' ? after.until : now,
    evidence: after.evidence,
    alarm: policy.classes[after.class].alarm && after.state === 'paused',
    by,
  }
}
