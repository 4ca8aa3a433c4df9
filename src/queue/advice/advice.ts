/**
 * advice - what an MTA that keeps its own queue should do now, key by key
 *
 * The view of an episode: which mail it covers, whether to stop or to slow down, until when, and why. A key that has recovered is in the list
 * until its past is forgotten (a day or more), so that a reader learns that a limit is over.
 *
 * Pure, plain JSON. See also: queue/advice/advice-machine, http/api/advice, queue/advice/formats.
 */
import { type BackoffEpisode, backoffLimitsOf } from '../backoff/backoff-episode.ts'
import { type BackoffKey, keyReasonOf, parseKey } from '../backoff/backoff-key.ts'
import type { BackoffPolicy } from '../backoff/policy.ts'
import type { BackoffState } from '../backoff/backoff-state.ts'
import type { StoredAdvice } from './advice-machine.ts'

/** What to do. `stop`: send nothing. `slow`: at most `perMinute` and `connections`. `open`: no limit. */
export const ADVICE_ACTIONS = ['stop', 'slow', 'open'] as const
type AdviceAction = (typeof ADVICE_ACTIONS)[number]

/** Which mail a key covers; null: any. `site`: the receiving provider; `hosts`: its MX hosts; `domain`: a recipient domain. */
type AdviceScope = {
  readonly egressIp: string | null
  readonly senderDomain: string | null
  readonly site: string | null
  readonly hosts: string | null
  readonly domain: string | null
}

export type Advice = {
  readonly key: string
  readonly class: string
  readonly scope: AdviceScope
  /** The recipient domains that were reported under the key, the latest last. */
  readonly domains: readonly string[]
  readonly action: AdviceAction
  readonly state: BackoffState
  /** In the words that a user reads. */
  readonly reason: string
  readonly n: number
  /** When it entered the state. */
  readonly since: number
  /** When to send again: a few messages first. Null: not stopped, or until somebody presses Recover. */
  readonly until: number | null
  /** The limits. Null: none. */
  readonly perMinute: number | null
  readonly connections: number | null
  /** The rule that decided the latest reply. */
  readonly rule: string | null
  readonly evidence: BackoffEpisode['evidence']
}

/** An egress IP that was not reported, in the place of one in a key. */
export const UNKNOWN_IP = '0.0.0.0'

const ANY: AdviceScope = { egressIp: null, senderDomain: null, site: null, hosts: null, domain: null }

const ipOf = (egressIp: string): string | null => (egressIp === UNKNOWN_IP ? null : egressIp)

function scopeOf(key: BackoffKey): AdviceScope {
  switch (key.kind) {
    case 'ip':
    case 'connection':
    case 'warmup':
      return { ...ANY, egressIp: ipOf(key.egressIp), site: key.site }
    case 'own':
      return { ...ANY, egressIp: ipOf(key.egressIp) }
    case 'sender-domain':
      return { ...ANY, senderDomain: key.senderDomain, site: key.site }
    case 'network':
      if (key.scope === 'site') return { ...ANY, site: key.name }
      return key.scope === 'dns' ? { ...ANY, domain: key.name } : { ...ANY, hosts: key.name }
    case 'account':
    case 'site':
      return { ...ANY, site: key.site }
    case 'manual':
    case 'lane':
      return { ...ANY, domain: key.domain }
    case 'slots':
      return ANY
  }
}

/** The advice of a stored episode; null for a key that this version does not know. Total. */
export function adviceOf(policy: BackoffPolicy, { episode, domains, rule }: StoredAdvice): Advice | null {
  const key = parseKey(episode.key)
  if (key === null) return null
  const { state, n, since, until, evidence } = episode
  const { perMinute, connections } = limitsOf(policy, episode)
  return {
    key: episode.key,
    class: episode.class,
    scope: scopeOf(key),
    domains,
    action: state === 'paused' ? 'stop' : perMinute === null && connections === null ? 'open' : 'slow',
    state,
    reason: keyReasonOf(episode.key) ?? '',
    n,
    since,
    until,
    perMinute,
    connections,
    rule,
    evidence,
  }
}

/** A probe sends its batch within a minute, over one connection. */
function limitsOf(policy: BackoffPolicy, episode: BackoffEpisode): Pick<Advice, 'perMinute' | 'connections'> {
  if (episode.state === 'paused') return { perMinute: null, connections: null }
  if (episode.state === 'probing') return { perMinute: policy.probeBatch, connections: 1 }
  const { perMinute, connections } = backoffLimitsOf(policy, episode)
  return { perMinute: perMinute === null ? null : Math.max(1, Math.floor(perMinute)), connections }
}
