/**
 * backoff-episode - one class's trouble with one key, as a value
 *
 * A key has one for each class that it has heard; a delivery needs all of them open. `epoch` is the queue's running number at the last
 * transition: a dispatch with a lower number is older than the transition, and its answer moves nothing.
 *
 * Pure, plain JSON. See also: queue/backoff/backoff (what moves it), queue/backoff/backoff-state (the states).
 */
import type { KeyId } from './backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { ClassName, Measure, Recovery } from './backoff-classes.ts'
import type { Policy } from './policy.ts'
import type { State } from './backoff-state.ts'
import { emptyTally, type Tally } from './sliding-count.ts'

/** Hits and what they are a share of, for one measure. */
export type Count = { readonly hits: Tally; readonly of: Tally }

export type Episode = {
  readonly key: KeyId
  readonly class: ClassName
  readonly state: State
  readonly n: number
  readonly epoch: number
  /** When it came to this state. */
  readonly since: number
  /** The next sending time of a pause; null: an operator's Recover, or not paused. */
  readonly until: number | null
  readonly pausedMs: number
  /** The last answer of the class (for ratio classes: the last trip). */
  readonly troubleAt: number
  readonly counts: readonly Count[]
  readonly inARow: number
  /** What the key sent cleanly before the trouble: mails a minute, and connections at once. */
  readonly rateBefore: number
  readonly connectionsBefore: number
  /** A probe: how many it is, how many are out or in, how many are in, and when the last went out or came in. */
  readonly batch: number
  readonly sent: number
  readonly answered: number
  readonly movedAt: number
  /** The rung of recovery; null: none, full speed. */
  readonly rung: number | null
  readonly rungAt: number
  readonly clean: number
  readonly evidence: readonly EvidenceReply[]
}

/** More would be read by nobody. */
export const MOST_EVIDENCE = 5

/** An episode in which nothing has happened. `known`: what the key has counted of attempts and accepted mails in such a window. */
export function freshEpisode(
  policy: Policy,
  at: { readonly key: KeyId; readonly class: ClassName; readonly now: number },
  known: (measure: Measure) => Tally,
): Episode {
  return {
    key: at.key,
    class: at.class,
    state: 'active',
    n: 0,
    epoch: 0,
    since: at.now,
    until: null,
    pausedMs: 0,
    troubleAt: at.now,
    counts: policy.classes[at.class].measures.map((measure) => ({ hits: emptyTally(measure.windowMs), of: known(measure) })),
    inARow: 0,
    rateBefore: 0,
    connectionsBefore: 1,
    batch: 0,
    sent: 0,
    answered: 0,
    movedAt: at.now,
    rung: null,
    rungAt: at.now,
    clean: 0,
    evidence: [],
  }
}

/** How a key may be used. Null: not limited so. */
export type Opening = {
  /** Shut until then; `operator`: until somebody opens it; false: not shut. */
  readonly shut: number | 'operator' | false
  readonly perMinute: number | null
  readonly connections: number | null
  /** How many mails of a probe may still go out, one after the other. */
  readonly probes: number | null
}

export const OPEN: Opening = { shut: false, perMinute: null, connections: null, probes: null }

/** A rate that was never measured, or was tiny, is taken as this: recovery must move. */
const LEAST_RATE = 60

/** How an episode recovers: as its class says, else as the policy does. */
export const recoveryOf = (policy: Policy, episode: Episode): Recovery => policy.classes[episode.class].recovery ?? policy

function atShare(episode: Episode, share: number): Opening {
  if (episode.key.startsWith('connection|')) {
    return { ...OPEN, connections: Math.max(1, Math.ceil(share * episode.connectionsBefore)) }
  }
  return { ...OPEN, perMinute: Math.max(1, share * Math.max(LEAST_RATE, episode.rateBefore)) }
}

/** What an episode allows. Total. */
export function openingOf(policy: Policy, episode: Episode): Opening {
  if (episode.state === 'paused') return { ...OPEN, shut: episode.until ?? 'operator' }
  if (episode.state === 'probing') {
    const isBusy = episode.sent > episode.answered
    return { ...OPEN, probes: isBusy ? 0 : Math.max(0, episode.batch - episode.sent) }
  }
  if (episode.state === 'throttled') {
    const { share, perMinute, connections } = policy.classes[episode.class].throttle
    return share === null ? { ...OPEN, perMinute, connections } : atShare(episode, share)
  }
  const share = episode.rung === null ? null : (recoveryOf(policy, episode).ladder[episode.rung] ?? null)
  return share === null ? OPEN : atShare(episode, share)
}
