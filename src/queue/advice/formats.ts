/**
 * formats - advice as an MTA reads it: KumoMTA's suspensions and shaping, PowerMTA's commands, Postfix's transport map
 *
 * The text depends on the advice alone, so that an unchanged file need not be written again. A format whose reader keeps a limit until it is told otherwise
 * (PowerMTA) also names the domains that are open again.
 *
 * Pure. KumoMTA: POST /api/admin/suspend/v1, shaping.toml. PowerMTA: pmta pause queue, resume queue, set queue --mode. Postfix: transport(5), error(8), postconf(5).
 * See also: queue/advice/domain-limits, commands/queue/advise, docs/ADVICE.md.
 */
import type { Advice } from './advice.ts'
import { type DomainLimit, domainLimitsOf } from './domain-limits.ts'

type AdviceToFormat = {
  /** Every key that is known, also those that are open. */
  readonly advice: readonly Advice[]
  /** Egress IP → the MTA's name for it. */
  readonly sources: ReadonlyMap<string, string>
  readonly now: number
}

type AdviceFormat = { readonly summary: string; readonly write: (input: AdviceToFormat) => readonly string[] }

const DAY_MS = 86_400_000

const untilText = ({ until }: DomainLimit): string => (until === null ? 'until Recover' : `until ${new Date(until).toISOString()}`)

/** All sources as one: Postfix and a suspension of KumoMTA know no source. */
const WHOLE_DOMAINS: ReadonlyMap<string, string> = new Map()

/** One request body a line. A suspension ends by itself; one without an end is renewed every day. */
function writeKumoMta({ advice, sources, now }: AdviceToFormat): readonly string[] {
  // A source that has a name is limited by shaping, and other sources may go on.
  const limits = domainLimitsOf(advice, sources).filter(({ action, source }) => action === 'stop' && source === null)
  const renewedAt = Math.ceil(now / DAY_MS + 1) * DAY_MS
  return limits.map(({ domain, reason, until }) =>
    JSON.stringify({ domain, reason: `bounced: ${reason}`, expires: new Date(until ?? renewedAt).toISOString() }),
  )
}

/** A stopped source sends one message an hour: shaping has no other word for it. */
const STOPPED_RATE = '1/hour'

function writeKumoShaping({ advice, sources }: AdviceToFormat): readonly string[] {
  const limits = domainLimitsOf(advice, sources).filter(({ action, source }) => action === 'slow' || (action === 'stop' && source !== null))
  const byDomain = Map.groupBy(limits, ({ domain }) => domain)
  return [...byDomain].flatMap(([domain, ofDomain]) => {
    const whole = ofDomain.filter(({ source }) => source === null)
    const bySource = ofDomain.filter(({ source }) => source !== null)
    return [
      // Domains of one site have limits of their own here, which add up to that of the site.
      `[${JSON.stringify(domain)}]`,
      'mx_rollup = false',
      ...whole.flatMap(shapingLines),
      '',
      ...bySource.flatMap((limit) => [`[${JSON.stringify(domain)}.sources.${JSON.stringify(limit.source)}]`, ...shapingLines(limit), '']),
    ]
  })
}

function shapingLines({ action, perMinute, connections, reason }: DomainLimit): string[] {
  const rate = action === 'stop' ? STOPPED_RATE : perMinute === null ? null : `${perMinute}/min`
  return [
    `# ${reason}`,
    ...(rate === null ? [] : [`max_message_rate = "${rate}"`]),
    ...(action !== 'stop' && connections === null ? [] : [`connection_limit = ${connections ?? 1}`]),
  ]
}

/** A script. What a mode `backoff` sends is in PowerMTA's own configuration (`backoff-max-msg-rate`). */
function writePowerMta({ advice, sources }: AdviceToFormat): readonly string[] {
  const commands = domainLimitsOf(advice, sources).flatMap((limit) => {
    const queue = `${limit.domain}/${limit.source ?? '*'}`
    const resume = `pmta resume queue '${queue}'`
    if (limit.action === 'stop') return [`# ${limit.reason}, ${untilText(limit)}`, `pmta pause queue '${queue}'`]
    return limit.action === 'slow'
      ? [`# ${limit.reason}`, resume, `pmta set queue --mode=backoff '${queue}'`]
      : [resume, `pmta set queue --mode=normal '${queue}'`]
  })
  return ['#!/bin/sh', ...commands]
}

/** The transports for slow domains, by the messages a minute that each sends to one domain. docs/ADVICE.md has their lines for master.cf and main.cf. */
const SLOW_TRANSPORTS = [
  { name: 'slow60', perMinute: 60 },
  { name: 'slow10', perMinute: 10 },
  { name: 'slow1', perMinute: 1 },
] as const

/** One connection, at any rate. Also for rates above those that Postfix can keep: its delays are whole seconds. */
const ONE_CONNECTION = 'slow'

function writePostfix({ advice }: AdviceToFormat): readonly string[] {
  return domainLimitsOf(advice, WHOLE_DOMAINS).flatMap((limit) => {
    if (limit.action === 'open') return []
    if (limit.action === 'stop') return [`${limit.domain}\tretry:4.7.1 ${limit.reason}, ${untilText(limit)}`]
    const { perMinute } = limit
    const slow = perMinute === null || perMinute > 60 ? null : SLOW_TRANSPORTS.find((each) => each.perMinute <= perMinute)
    return [`${limit.domain}\t${slow?.name ?? ONE_CONNECTION}:`]
  })
}

export const ADVICE_FORMATS = {
  json: { summary: 'one JSON object for each key', write: ({ advice }) => advice.map((each) => JSON.stringify(each)) },
  kumomta: { summary: 'stopped domains, as bodies for POST /api/admin/suspend/v1, one a line', write: writeKumoMta },
  'kumomta-shaping': { summary: 'slow domains and stopped sources, as a shaping file (TOML)', write: writeKumoShaping },
  powermta: { summary: 'a shell script of pmta commands, which also opens what is over', write: writePowerMta },
  postfix: { summary: 'a transport map: stopped domains wait, slow ones use transports of their own', write: writePostfix },
} as const satisfies Record<string, AdviceFormat>

export type AdviceFormatName = keyof typeof ADVICE_FORMATS
