/**
 * webhooks - SendCloud's `webhook` operations: list, add, update, delete
 *
 * A request names a webhook by `webhookId` or, as SendCloud does, by its URL. A URL is accepted only if it answers 200 to GET and to POST.
 * `categoryName` is an API user of the account, whose events come, or `all`.
 *
 * See also: service/notify/webhooks, http/api/webhooks (our own API), webhook/payload (the events), docs/SENDCLOUD.md.
 */
import { WEBHOOK_EVENTS, parseWebhookEvent, type WebhookEventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import type { AccountService } from '../services/accounts.ts'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudEnvelope, SendCloudCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readParameters, readWhole } from './parameters.ts'
import { formatTime } from './zoned-time.ts'

type WebhookNeeds = {
  readonly webhooks: Pick<WebhookService, 'list' | 'add' | 'change' | 'remove' | 'isResponding'>
  readonly accounts: Pick<AccountService, 'findProfile'>
}

/** The category of the events of all API users. */
const ALL_API_USERS = 'all'

const EVENT_PARAMETER: Parameter<readonly WebhookEventName[] | null> = {
  names: ['event'],
  missingCode: 40703,
  invalidCode: 40704,
  read: readEvents,
  defaultValue: null,
}
const URL_PARAMETER: Parameter<string | null> = {
  names: ['url'],
  missingCode: 40705,
  invalidCode: 40706,
  read: readUrl,
  defaultValue: null,
}
const CATEGORY_PARAMETER: Parameter<string | null> = {
  names: ['categoryName'],
  missingCode: null,
  invalidCode: 40016,
  read: (text) => (/^all$/i.test(text) ? ALL_API_USERS : text.length <= 128 ? text : null),
  defaultValue: null,
}
const ID_PARAMETER: Parameter<number | null> = {
  names: ['webhookId'],
  missingCode: null,
  invalidCode: 40709,
  read: readWhole(1, 999_999_999),
  defaultValue: null,
}

/** The same parameter, but not required. */
const optional = <T>(parameter: Parameter<T>): Parameter<T> => ({ ...parameter, missingCode: null })

/** The same parameter under another name, not required. */
const renamed = <T>(parameter: Parameter<T>, name: string): Parameter<T> => ({ ...parameter, names: [name], missingCode: null })

const FILTER_PARAMETERS = { event: optional(EVENT_PARAMETER), url: optional(URL_PARAMETER), category: CATEGORY_PARAMETER }
const CHANGE_PARAMETERS = {
  newEvent: renamed(EVENT_PARAMETER, 'newEvent'),
  newUrl: renamed(URL_PARAMETER, 'newUrl'),
  newCategory: renamed(CATEGORY_PARAMETER, 'newCategoryName'),
}

/** Event numbers or names, separated by commas or semicolons. */
function readEvents(text: string): readonly WebhookEventName[] | null {
  const parts = text.split(/[,;]/, 32).filter((part) => part.trim() !== '')
  const names = parts.map((part) => parseWebhookEvent(part.trim()))
  return names.length === 0 || names.some((name) => name === null) ? null : [...new Set(names.flatMap((name) => name ?? []))]
}

function readUrl(text: string): string | null {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url.href : null
}

/** An endpoint of our own API may be for several API users. */
const categoryOf = ({ apiUsers }: Endpoint): string => (apiUsers.length === 0 ? ALL_API_USERS : apiUsers.join(';'))

/** The API users of a category. */
const apiUsersOf = (category: string): readonly string[] => (category === ALL_API_USERS ? [] : [category])

/** An endpoint for an unknown API user would get nothing, and look as if it worked. */
async function isKnownCategory({ caller, services }: SendCloudOperationContext<WebhookNeeds>, category: string | null): Promise<boolean> {
  if (category === null || category === ALL_API_USERS) return true
  return (await services.accounts.findProfile(caller.account))?.apiUsers.includes(category) === true
}

const refuseCategory = (): SendCloudEnvelope => createEnvelope(40016, {}, 'categoryName is invalid: an API user of the account, or all')

function toWebhookRow(endpoint: Endpoint, zone: string): object {
  const events = endpoint.events.flatMap((name) => parseWebhookEvent(name) ?? [])
  return {
    webhookId: endpoint.endpointId,
    url: endpoint.url,
    categoryName: categoryOf(endpoint),
    event: events.map((name) => WEBHOOK_EVENTS[name].code ?? name).join(','),
    enabled: endpoint.enabled,
    gmtCreated: formatTime(endpoint.createdAt, zone),
    gmtUpdated: formatTime(endpoint.updatedAt, zone),
  }
}

/** `webhook/list`: all, or those with this URL, this category, or at least these events. */
export const listSendCloudWebhooks: SendCloudOperation<WebhookNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters(FILTER_PARAMETERS, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { event, url, category } = read.values
  const found = (await services.webhooks.list(caller.account)).filter(
    (each) =>
      (url === null || each.url === url) &&
      (category === null || categoryOf(each) === category) &&
      (event === null || event.every((name) => each.events.includes(name))),
  )
  return createEnvelope(200, { dataList: found.map((each) => toWebhookRow(each, settings.zone)), count: found.length })
}

/** `webhook/add`: `appKey` is the signing secret; it is shown only here. */
export const addSendCloudWebhook: SendCloudOperation<WebhookNeeds> = async (context) => {
  const { parameters, caller, services, settings } = context
  const read = readParameters({ event: EVENT_PARAMETER, url: URL_PARAMETER, category: CATEGORY_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { event, url, category } = read.values
  if (event === null || url === null) return createEnvelope(40710)
  if (!(await isKnownCategory(context, category))) return refuseCategory()
  if (await isUrlTaken(context, url)) return createEnvelope(40708)
  if (!(await services.webhooks.isResponding(url))) return createEnvelope(40707)
  const name = category ?? ALL_API_USERS
  const endpointFields = { url, name, events: event, apiUsers: apiUsersOf(name), format: 'form', ladder: 'standard' } as const
  return mapFaults(40710, async () => {
    const { endpoint, secret } = await services.webhooks.add(caller.account, endpointFields)
    return createEnvelope(200, { data: { ...toWebhookRow(endpoint, settings.zone), appKey: secret } })
  })
}

const isUrlTaken = async ({ services, caller }: SendCloudOperationContext<WebhookNeeds>, url: string): Promise<boolean> =>
  (await services.webhooks.list(caller.account)).some((each) => each.url === url)

type WebhookChange = { readonly url?: string; readonly events?: readonly WebhookEventName[]; readonly category?: string }

/**
 * `webhook/update`: `newUrl`, `newCategoryName` and `newEvent` change the webhook that `url` names. Without any of them, `event` and
 * `categoryName` are the new values, and so is `url` beside a `webhookId`.
 */
export const updateSendCloudWebhook: SendCloudOperation<WebhookNeeds> = async (context) => {
  const { parameters, caller, services, settings } = context
  const read = readParameters({ ...FILTER_PARAMETERS, id: ID_PARAMETER, ...CHANGE_PARAMETERS }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { event, url, category, id, newEvent, newUrl, newCategory } = read.values
  if (id === null && url === null) return createEnvelope(40705)
  const found = await findEndpoint(context, id, url)
  const hasNewValues = newEvent !== null || newUrl !== null || newCategory !== null
  if (found === null || (hasNewValues && category !== null && categoryOf(found) !== category)) return createEnvelope(40709)
  const change = omitNullish<WebhookChange>(
    hasNewValues ? { url: newUrl, events: newEvent, category: newCategory } : { url, events: event, category },
  )
  if (!(await isKnownCategory(context, change.category ?? null))) return refuseCategory()
  const problem = change.url === undefined || change.url === found.url ? null : await findUrlProblem(context, change.url)
  if (problem !== null) return createEnvelope(problem)
  return mapFaults(40712, async () => {
    const { endpoint } = await services.webhooks.change(caller.account, found.endpointId, toEndpointChange(change))
    return createEnvelope(200, { data: toWebhookRow(endpoint, settings.zone) })
  })
}

const toEndpointChange = ({ category, ...change }: WebhookChange) => ({
  ...change,
  ...(category === undefined ? {} : { name: category, apiUsers: apiUsersOf(category) }),
})

async function findUrlProblem(context: SendCloudOperationContext<WebhookNeeds>, url: string): Promise<SendCloudCode | null> {
  if (await isUrlTaken(context, url)) return 40708
  return (await context.services.webhooks.isResponding(url)) ? null : 40707
}

/** `webhook/delete`. */
export const deleteSendCloudWebhook: SendCloudOperation<WebhookNeeds> = async (context) => {
  const read = readParameters({ url: optional(URL_PARAMETER), id: ID_PARAMETER }, context.parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { url, id } = read.values
  if (id === null && url === null) return createEnvelope(40705)
  const found = await findEndpoint(context, id, url)
  if (found === null) return createEnvelope(40709)
  return createEnvelope((await context.services.webhooks.remove(context.caller.account, found.endpointId)) ? 200 : 40711)
}

async function findEndpoint(
  { services, caller }: SendCloudOperationContext<WebhookNeeds>,
  id: number | null,
  url: string | null,
): Promise<Endpoint | null> {
  const found = await services.webhooks.list(caller.account)
  return found.find((each) => (id === null ? each.url === url : each.endpointId === id)) ?? null
}

/** Maps our faults to SendCloud's codes. */
async function mapFaults(conflictCode: SendCloudCode, change: () => Promise<SendCloudEnvelope>): Promise<SendCloudEnvelope> {
  try {
    return await change()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'bad_request') return createEnvelope(40706)
    if (error.code === 'conflict') return createEnvelope(conflictCode)
    throw error
  }
}
