/**
 * machine-reading - tells opens and clicks of machines from those of people
 *
 * Mail providers fetch images in advance, and security services follow links before anybody reads the mail. One table has a row for each sign;
 * the first that fits names the machine. What no row recognises is taken for a person.
 *
 * Pure, total. See also: tracking/machine-networks, ledger/decide/engagement (stores the sign), docs/TRACKING.md.
 */
import { isbot } from 'isbot'
import { machineNetworkOf } from './machine-networks.ts'

/** What is known of a request when it is decided. */
export type EngagementSigns = {
  readonly kind: 'open' | 'click'
  readonly method: 'GET' | 'HEAD'
  /** The value of Sec-Purpose, Purpose or X-Moz. */
  readonly purpose: string | null
  readonly userAgent: string | null
  /** Whether the user agent is that of a program without a reader (`isBot`). */
  readonly isBot: boolean
  readonly ip: string
  readonly at: number
  /** When the receiving server took the mail; null: not known. */
  readonly deliveredAt: number | null
  readonly requestedAt: number
  /** Whether the click is one of several links at once (`burstOf`). */
  readonly isBurst: boolean
}

type SignedRequest = EngagementSigns & { readonly agent: string; readonly network: ReturnType<typeof machineNetworkOf> }
type SignRow = { readonly sign: string; readonly fits: (request: SignedRequest) => boolean }

/** A reader needs longer to notice the mail, open it and press a link. */
const TOO_SOON_MS = 1_000

const ROWS = [
  { sign: 'head', fits: ({ method }) => method === 'HEAD' },
  { sign: 'prefetch', fits: ({ purpose }) => purpose !== null && /\b(?:prefetch|prerender|preview)\b/i.test(purpose) },
  // Mail Privacy Protection fetches all images when the mail arrives. It sends this header and nothing more.
  { sign: 'apple-proxy', fits: ({ kind, agent, network }) => kind === 'open' && (agent === 'Mozilla/5.0' || network === 'apple-proxy') },
  {
    sign: 'google-proxy',
    fits: ({ kind, agent, network }) => /GoogleImageProxy/i.test(agent) || (kind === 'open' && network === 'google-proxy'),
  },
  { sign: 'image-proxy', fits: ({ agent }) => /YahooMailProxy|ImageProxy/i.test(agent) },
  { sign: 'scanner', fits: ({ agent, network }) => network === 'scanner' || SCANNER_NAMES.test(agent) },
  { sign: 'bot', fits: ({ isBot }) => isBot },
  {
    sign: 'too-soon',
    fits: ({ kind, at, deliveredAt, requestedAt }) => kind === 'click' && at < Math.max(deliveredAt ?? 0, requestedAt) + TOO_SOON_MS,
  },
  { sign: 'burst', fits: ({ isBurst }) => isBurst },
] as const satisfies readonly SignRow[]

/** Programs in which people read mail, and whose own name the library takes for a program without a reader. */
const MAIL_PROGRAMS =
  /\b(?:airmail|bluemail|em ?client|evolution|foxmail|geary|kmail|mailmaster|mailspring|netease|postbox|qqmail|spark|sylpheed|yahoomobile)\b|samsung\.android\.email/i

/** Why an open or a click counts as a machine's. */
export type MachineSign = (typeof ROWS)[number]['sign']

const SCANNER_NAMES =
  /barracuda|mimecast|proofpoint|messagelabs|symantec|fireeye|ironport|trendmicro|sophos|forcepoint|office existence discovery/i

/** Whether a user agent names a program without a reader. Takes some 40 µs: keep the result where many requests have the same user agent. */
export function isBot(userAgent: string | null): boolean {
  const agent = (userAgent ?? '').trim()
  return agent !== '' && isbot(agent) && !MAIL_PROGRAMS.test(agent)
}

/** The first sign of a machine; null: none. */
export function readMachine(signs: EngagementSigns): MachineSign | null {
  const request = { ...signs, agent: (signs.userAgent ?? '').trim(), network: machineNetworkOf(signs.ip) }
  return ROWS.find(({ fits }) => fits(request))?.sign ?? null
}

/** One link of a mail, followed at a moment. */
export type TimedClick = { readonly url: string | null; readonly at: number }

/** So many different links of one mail within so short a time are followed by a program. */
const BURSTS = [
  { links: 2, withinMs: 1_000 },
  { links: 3, withinMs: 5_000 },
] as const

/** The clicks must be remembered for so long. */
export const BURST_MS = Math.max(...BURSTS.map(({ withinMs }) => withinMs))

/** Those clicks on one mail that are part of a burst, in any order. */
export function burstOf<Click extends TimedClick>(clicks: readonly Click[]): ReadonlySet<Click> {
  const inBurst = BURSTS.flatMap(({ links, withinMs }) =>
    clicks.flatMap(({ at }) => {
      const near = clicks.filter((other) => other.at >= at && other.at - at <= withinMs)
      return new Set(near.map(({ url }) => url)).size >= links ? near : []
    }),
  )
  return new Set(inBurst)
}
