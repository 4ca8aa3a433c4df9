/**
 * user-info - userinfo/get: what the vendor tells an account about itself
 *
 * We sell nothing: what we have no notion of is 0, empty or false. Spelled as the vendor spells it.
 *
 * See also: docs/SENDCLOUD.md.
 */
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { formatDay } from './zoned-time.ts'

const EMPTY_FIELDS = {
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
export const getSendCloudUserInfo: SendCloudOperation = async ({ caller, services, settings }) => {
  const profile = await services.findProfile(caller.account)
  if (profile === null) return createEnvelope(40005)
  const { name, createdAt } = profile.account
  return createEnvelope(200, { ...EMPTY_FIELDS, userName: name, regTime: formatDay(createdAt, settings.zone) })
}
