/**
 * webapi-operations - the operations of `/webapi`: which operation of today does the work, and what the answer looks like
 *
 * A name is `module.action`, in any case. Templates, address lists, calendars and text messages belong to the vendor's console; so does what
 * would change accounts. Those names have a refusal in words.
 *
 * See also: http/sendcloud/webapi/responses, http/sendcloud/routes (the operations of today), docs/SENDCLOUD.md.
 */
import type { AccountService } from '../../services/accounts.ts'
import type { SendCloudOperation } from '../operation.ts'
import { createEnvelope } from '../envelope.ts'
import { readParameters, readWhole, type Parameter } from '../parameters.ts'
import { counted, listed, listedOne, named, statistics, unchanged, whole, type WebApiFields } from './responses.ts'

/** `operation` names a row of http/sendcloud/routes, or one of this file. */
type WebApiOperation = { readonly operation: string; readonly toFields: WebApiFields }

const LIST_ENTRY = { email: 'email', reason: 'reason' } as const
const BOUNCES = listed('bounces', { ...LIST_ENTRY, create_at: 'bounceTime' })
/** The vendor's page of spamReported.get has this name too. */
const COMPLAINTS = listed('bounces', { ...LIST_ENTRY, create_at: 'spamReportedTime' })
const UNSUBSCRIBE_FIELDS = {
  email: 'email',
  domain: 'domain',
  labelId: 'labelId',
  apiUser: 'apiUser',
  create_at: 'unsubscribeTime',
} as const
const UNSUBSCRIBES = listed('unsubscribes', UNSUBSCRIBE_FIELDS)
const LABEL_FIELDS = { labelId: 'labelId', labelName: 'labelName' } as const
const LABEL = named('label', LABEL_FIELDS)
const USER_INFO = whole('userinfo', {
  quota: 'quota',
  usedQuota: 'todayUsedQuota',
  reputation: 'reputation',
  balance: 'balance',
  availableBalance: 'avaliableBalance',
  userName: 'userName',
  accountType: 'accountType',
  regTime: 'regTime',
})

/** By name in lower case. */
export const WEBAPI_OPERATIONS: Readonly<Record<string, WebApiOperation>> = {
  'bounces.get': { operation: 'bounce/list', toFields: BOUNCES },
  'bounces.count': { operation: 'bounce/count', toFields: counted('count') },
  'bounces.delete': { operation: 'bounce/delete', toFields: counted('del_count') },
  'spamreported.get': { operation: 'complaint/list', toFields: COMPLAINTS },
  'spamreported.count': { operation: 'complaint/count', toFields: counted('count') },
  'spamreported.delete': { operation: 'complaint/delete', toFields: counted('del_count') },
  'unsubscribes.get': { operation: 'unsubscribe/list', toFields: UNSUBSCRIBES },
  'unsubscribes.count': { operation: 'unsubscribe/count', toFields: counted('count') },
  'unsubscribes.add': { operation: 'unsubscribe/add', toFields: listedOne('unsubscribes', UNSUBSCRIBE_FIELDS) },
  'unsubscribes.delete': { operation: 'unsubscribe/delete', toFields: counted('del_count') },
  'stats.get': { operation: 'statday/list', toFields: statistics },
  'statshour.get': { operation: 'stathour/list', toFields: statistics },
  'invalidstat.get': { operation: 'invalidstat/list', toFields: statistics },
  'label.list': { operation: 'label/list', toFields: listed('labelList', LABEL_FIELDS) },
  'label.get': { operation: 'label/get', toFields: LABEL },
  'label.create': { operation: 'label/add', toFields: LABEL },
  'label.add': { operation: 'label/add', toFields: LABEL },
  'label.update': { operation: 'label/update', toFields: counted('updateCount') },
  'label.delete': { operation: 'label/delete', toFields: counted('deleteCount') },
  'userinfo.get': { operation: 'userinfo/get', toFields: USER_INFO },
  'user.get': { operation: 'userinfo/get', toFields: USER_INFO },
  'domain.list': { operation: 'domain.list', toFields: unchanged },
  'domain.get': { operation: 'domain.list', toFields: unchanged },
  'apiuser.list': { operation: 'apiUser.list', toFields: unchanged },
  'apiuser.get': { operation: 'apiUser.list', toFields: unchanged },
}

/** Modules and operations that are not supported, and what to do instead. */
const REFUSALS: Readonly<Record<string, string>> = {
  'mail.send_template': 'templates are not supported: send html with mail.send.json',
  'mail.send_calendar': 'calendars are not supported: send html with mail.send.json',
  'bounces.add': 'the bounce list takes addresses from bounces only: use block/add to block an address',
  'spamreported.add': 'the complaint list takes addresses from complaints only: use block/add to block an address',
  template: 'templates are not supported: send html with mail.send.json',
  list: 'address lists are not supported',
  list_member: 'address lists are not supported',
  maillist: 'address lists are not supported',
  calendar: 'calendars are not supported',
  sms: 'text messages are not supported',
  apiuser: 'API users are managed with bounced account add',
  domain: 'domains are managed with bounced dkim add and the account setting senderDomains',
}

/** The refusal of an operation that does not exist. */
export function refuseWebApiOperation(name: string): string {
  const [module = ''] = name.split('.')
  const refusal = Object.hasOwn(REFUSALS, name) ? REFUSALS[name] : Object.hasOwn(REFUSALS, module) ? REFUSALS[module] : undefined
  return refusal ?? `there is no operation ${name.slice(0, 64)} in /webapi`
}

type AccountNeeds = { readonly accounts: Pick<AccountService, 'findProfile'> }

const createTypeParameter = (name: string): Parameter<number | null> => ({
  names: [name],
  missingCode: null,
  invalidCode: 501,
  read: readWhole(0, 1),
  defaultValue: null,
})

/** `apiUser.list`: `api_user_type` 0 is triggered mail, 1 is batch. */
export const listWebApiUsers: SendCloudOperation<AccountNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ type: createTypeParameter('api_user_type') }, parameters)
  if (!read.ok) return createEnvelope(read.code, {}, 'api_user_type is invalid')
  const { type } = read.values
  const users = (await services.accounts.findProfile(caller.account))?.apiUsers ?? []
  const found = users.filter((user) => type === null || settings.batchApiUsers.includes(user) === (type === 1))
  return createEnvelope(200, { apiUserList: { apiUser: found } })
}

/** `domain.list`: the domains that the account may send from. There are no test domains (`domain_type` 0). */
export const listWebApiDomains: SendCloudOperation = ({ parameters, settings }) => {
  const read = readParameters({ type: createTypeParameter('domain_type') }, parameters)
  if (!read.ok) return Promise.resolve(createEnvelope(read.code, {}, 'domain_type is invalid'))
  const found = read.values.type === 0 ? [] : settings.senderDomains
  return Promise.resolve(createEnvelope(200, { domainList: found.map((name, index) => ({ name, id: index + 1 })) }))
}
