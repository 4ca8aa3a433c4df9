/**
 * user-info - userinfo/get: what the vendor tells an account about itself
 *
 * We sell nothing: what we have no notion of is 0, empty or false. Spelled as the vendor spells it.
 *
 * See also: docs/SENDCLOUD.md.
 */
import type { Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import { dayOf } from './zoned-time.ts'

const NO_NOTION = {
  email: '',
  phone: '',
  accountType: '',
  quota: 0,
  todayUsedQuota: 0,
  reputation: 0,
  balance: 0,
  avaliableBalance: 0,
  websiteAuthStatus: false,
  businessAuthStatus: false,
} as const

/** `userinfo/get`. */
export const getUserInfo: Operation = async ({ by, desk, settings }) => {
  const profile = await desk.profile(by.account)
  if (profile === null) return envelope(40005)
  const { name, createdAt } = profile.account
  return envelope(200, { ...NO_NOTION, userName: name, regTime: dayOf(createdAt, settings.zone) })
}
