/**
 * tracking-switches - what is tracked of one mail
 *
 * The first row that says something decides, separately for each switch:
 *
 * | from                         | open, click                     | unsubscribe footer              |
 * |------------------------------|---------------------------------|---------------------------------|
 * | no base URL for links        | off                             | off                             |
 * | the send's own options       | on or off                       | on or off                       |
 * | the account's API user       | off, on, or on for type `batch` | off, on, or on for type `batch` |
 * | the account                  | off, on, or on for type `batch` | off, on, or on for type `batch` |
 *
 * Pure, total. See also: tracking/switch-settings, ledger/account-settings, service/track/tracking-base, docs/TRACKING.md.
 */
import type { TrackingOptions } from '../compose/composition.ts'
import { parseApiUserSwitches, type SwitchState } from './switch-settings.ts'

export type TrackingSwitches = { readonly open: boolean; readonly click: boolean; readonly unsubscribeFooter: boolean }

/** The account settings that decide. */
type AccountTracking = {
  readonly openTracking: SwitchState
  readonly clickTracking: SwitchState
  readonly unsubscribeFooter: SwitchState
  readonly apiUserTracking: readonly string[]
}

type TrackedMail = {
  readonly apiUser: string
  readonly emailType: string
  /** Null: as the account is set. */
  readonly tracking: TrackingOptions
}

/** What is tracked of a mail whose links have a base URL. */
export function resolveTrackingSwitches(account: AccountTracking, { apiUser, emailType, tracking }: TrackedMail): TrackingSwitches {
  const own = account.apiUserTracking.map(parseApiUserSwitches).find((entry) => entry?.apiUser === apiUser)?.switches ?? {}
  const isOn = (state: SwitchState): boolean => state === 'on' || (state === 'batch' && emailType === 'batch')
  return {
    open: tracking.open ?? isOn(own.open ?? account.openTracking),
    click: tracking.click ?? isOn(own.click ?? account.clickTracking),
    unsubscribeFooter: tracking.subscription ?? isOn(own.unsubscribe ?? account.unsubscribeFooter),
  }
}
