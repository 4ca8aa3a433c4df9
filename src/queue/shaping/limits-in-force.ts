/**
 * limits-in-force - what the shaping of a site means for a backoff key, a retry and a lifetime
 *
 * Without a shaping table every limit is null, and the queue's own schedule and policy hold. At a speed above 1 (simulated providers), rates rise and times shrink by it.
 *
 * Changes nothing but the cache of policies. See also: queue/shaping/shaping-table, queue/backoff/send-budget, queue/schedule/attempt-result.
 */
import type { BackoffKey, EgressRoute } from '../backoff/backoff-key.ts'
import type { BackoffPolicy } from '../backoff/policy.ts'
import { mergeClasses } from '../backoff/policy-file.ts'
import type { QueueState } from '../queue-state.ts'
import type { DeliveryRetrySchedule } from '../schedule/retry.ts'
import type { SiteOptions } from './shaping-file.ts'

/** How many mails a connection carries, and how many connections are opened a minute; null: no limit. */
export type SiteConnectionLimits = { readonly site: string; readonly mails: number | null; readonly newPerMinute: number | null }

const NO_OPTIONS: SiteOptions = {}
const MINUTE_MS = 60_000

type Shaped = Pick<QueueState, 'shaping'>

const optionsOf = ({ shaping }: Shaped, site: string, egressIp: string | null = null): SiteOptions =>
  shaping === null ? NO_OPTIONS : shaping.table.siteShaping(site, egressIp).options

const perMinute = ({ shaping }: Shaped, rate: number | undefined): number | null =>
  rate === undefined ? null : rate * (shaping?.speed ?? 1)

/** The site of a key that a shaping can concern; null: another key. */
const siteOfKey = (key: BackoffKey | null): string | null => (key !== null && 'site' in key ? key.site : null)

/** Messages a minute that a file allows a key; null: no limit. */
export function shapedRateOf(queue: Shaped, key: BackoffKey | null): number | null {
  if (queue.shaping === null || key === null) return null
  if (key.kind === 'ip') return perMinute(queue, optionsOf(queue, key.site, key.egressIp).messages)
  return key.kind === 'site' ? perMinute(queue, optionsOf(queue, key.site).messages_all) : null
}

/**
 * Connections that a file allows a key; null: no limit. As many as may be opened in a minute are enough, so that no attempt waits longer than that for its
 * connection.
 */
export function shapedConnectionsOf(queue: Shaped, key: BackoffKey | null): number | null {
  if (queue.shaping === null || key === null) return null
  if (key.kind === 'site') return optionsOf(queue, key.site).connections_all ?? null
  if (key.kind !== 'connection') return null
  const { connections = Infinity, new_connections: opened } = optionsOf(queue, key.site, key.egressIp)
  const most = Math.min(connections, Math.max(1, Math.ceil(perMinute(queue, opened) ?? Infinity)))
  return most === Infinity ? null : most
}

/** The limits of the connections from an egress IP to a site; null: a file names none. */
export function connectionLimitsOf(queue: Shaped, { site, egressIp }: EgressRoute): SiteConnectionLimits | null {
  const { mails_per_connection: mails, new_connections: opened } = optionsOf(queue, site, egressIp)
  return mails === undefined && opened === undefined ? null : { site, mails: mails ?? null, newPerMinute: perMinute(queue, opened) }
}

/** Whether a file limits a site over all egress IPs. */
export function hasSiteLimits(queue: Shaped, site: string): boolean {
  const { connections_all: connections, messages_all: messages } = optionsOf(queue, site)
  return connections !== undefined || messages !== undefined
}

/** The retry schedule and the lifetime for a site. */
export function retryScheduleOf(queue: Pick<QueueState, 'shaping' | 'retrySchedule'>, site: string): DeliveryRetrySchedule {
  const { retry_minutes: minutes, give_up_hours: hours } = optionsOf(queue, site)
  if (minutes === undefined && hours === undefined) return queue.retrySchedule
  const speed = queue.shaping?.speed ?? 1
  return {
    ...queue.retrySchedule,
    ...(minutes === undefined ? {} : { delaysMs: minutes.map((each) => Math.max(1, Math.round((each * MINUTE_MS) / speed))) }),
    ...(hours === undefined ? {} : { giveUpMs: Math.max(1, Math.round((hours * 60 * MINUTE_MS) / speed)) }),
  }
}

/** The backoff policy for a key: that of the queue, with the classes that a file changes for its site. */
export function policyOf(queue: Pick<QueueState, 'shaping' | 'policy'>, key: BackoffKey | null): BackoffPolicy {
  const site = siteOfKey(key)
  if (queue.shaping === null || site === null) return queue.policy
  const { class: classes } = optionsOf(queue, site)
  if (classes === undefined) return queue.policy
  const { policies, speed } = queue.shaping
  const known = policies.get(site)
  if (known !== undefined) return known
  const policy = { ...queue.policy, classes: mergeClasses(queue.policy.classes, speedUpClasses(classes, speed)) }
  policies.set(site, policy)
  return policy
}

function speedUpClasses(classes: NonNullable<SiteOptions['class']>, speed: number): NonNullable<SiteOptions['class']> {
  if (speed === 1) return classes
  const faster = Object.entries(classes).map(([name, { base_minutes: base, cap_minutes: cap, ...others }]) => [
    name,
    {
      ...others,
      ...(base === undefined ? {} : { base_minutes: base / speed }),
      ...(cap === undefined ? {} : { cap_minutes: cap / speed }),
    },
  ])
  return Object.fromEntries(faster)
}
