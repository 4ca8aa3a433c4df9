/**
 * user-info - SendCloud's `userinfo/get`: the name and the registration date of the account
 *
 * Quota, balance and verification do not exist here: those fields are 0, empty or false. The spelling of the fields is SendCloud's.
 *
 * See also: docs/SENDCLOUD.md.
 */
import type { AccountService } from '../services/accounts.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { formatDay } from './zoned-time.ts'

type UserInfoNeeds = { readonly accounts: Pick<AccountService, 'findProfile'> }

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
export const getSendCloudUserInfo: SendCloudOperation<UserInfoNeeds> = async ({ caller, services, settings }) => {
  const profile = await services.accounts.findProfile(caller.account)
  if (profile === null) return createEnvelope(40005)
  const { name, createdAt } = profile.account
  return createEnvelope(200, { ...EMPTY_FIELDS, userName: name, regTime: formatDay(createdAt, settings.zone) })
}
