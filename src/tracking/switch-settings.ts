/**
 * switch-settings - how an account turns tracking on: for all its mail, for mail of the type `batch`, or per API user
 *
 * An entry for one API user has the form `APIUSER=SWITCH:STATE/SWITCH:STATE`. It replaces the account's switches that it names; the others
 * stay as the account has them.
 *
 * Pure. See also: ledger/account-settings (stores the switches), docs/TRACKING.md.
 */

/** `open`: the pixel. `click`: links through the redirect. `unsubscribe`: the footer with the unsubscribe link. */
const TRACKING_SWITCHES = ['open', 'click', 'unsubscribe'] as const
type TrackingSwitch = (typeof TRACKING_SWITCHES)[number]

/** `batch`: on for mail of the type `batch` only. */
export const SWITCH_STATES = ['off', 'batch', 'on'] as const
export type SwitchState = (typeof SWITCH_STATES)[number]

/** The switches of one API user, as far as it has its own. */
type ApiUserSwitches = { readonly apiUser: string; readonly switches: Readonly<Partial<Record<TrackingSwitch, SwitchState>>> }

const ENTRY = /^([\w.@-]{1,64})=(.{1,80})$/

/**
 * Reads one entry; null if it is malformed, or names a switch twice. Total.
 *
 *     parseApiUserSwitches('news=open:on/unsubscribe:batch') → { apiUser: 'news', switches: { open: 'on', unsubscribe: 'batch' } }
 */
export function parseApiUserSwitches(text: string): ApiUserSwitches | null {
  const [, apiUser, list] = ENTRY.exec(text) ?? []
  if (apiUser === undefined || list === undefined) return null
  const pairs = list.split('/').map(parsePair)
  const found = pairs.flatMap((pair) => (pair === null ? [] : [pair]))
  const switches = Object.fromEntries(found)
  return found.length === pairs.length && Object.keys(switches).length === pairs.length ? { apiUser, switches } : null
}

function parsePair(text: string): readonly [TrackingSwitch, SwitchState] | null {
  const [name, value, rest] = text.split(':')
  const trackingSwitch = TRACKING_SWITCHES.find((each) => each === name)
  const state = SWITCH_STATES.find((each) => each === value)
  return trackingSwitch === undefined || state === undefined || rest !== undefined ? null : [trackingSwitch, state]
}
