/**
 * webhooks - SendCloud's `webhook` operations: list, add, update, delete
 *
 * A request names a webhook by `webhookId` or, as SendCloud does, by its URL. A URL is accepted only if it answers 200 to GET and to POST.
 *
 * See also: service/notify/webhooks, http/api/webhooks (our own API), webhook/payload (the events), docs/SENDCLOUD.md.
 */
import { WEBHOOK_EVENTS, parseWebhookEvent, type WebhookEventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudEnvelope, SendCloudCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readParameters, readWhole } from './parameters.ts'
import { formatTime } from './zoned-time.ts'

type WebhookNeeds = { readonly webhooks: Pick<WebhookService, 'list' | 'add' | 'change' | 'remove' | 'isResponding'> }

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
const NAME_PARAMETER: Parameter<string> = {
  names: ['categoryName'],
  missingCode: null,
  invalidCode: 40710,
  read: (text) => (text.length <= 128 ? text : null),
  defaultValue: '',
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

function toWebhookRow(endpoint: Endpoint, zone: string): object {
  const events = endpoint.events.flatMap((name) => parseWebhookEvent(name) ?? [])
  return {
    webhookId: endpoint.endpointId,
    url: endpoint.url,
    categoryName: endpoint.name,
    event: events.map((name) => WEBHOOK_EVENTS[name].code ?? name).join(','),
    enabled: endpoint.enabled,
    gmtCreated: formatTime(endpoint.createdAt, zone),
    gmtUpdated: formatTime(endpoint.updatedAt, zone),
  }
}

/** `webhook/list`. */
export const listSendCloudWebhooks: SendCloudOperation<WebhookNeeds> = async ({ caller, services, settings }) => {
  const found = await services.webhooks.list(caller.account)
  return createEnvelope(200, { dataList: found.map((each) => toWebhookRow(each, settings.zone)), count: found.length })
}

/** `webhook/add`: `appKey` is the signing secret; it is shown only here. */
export const addSendCloudWebhook: SendCloudOperation<WebhookNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ event: EVENT_PARAMETER, url: URL_PARAMETER, name: NAME_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { event, url, name } = read.values
  if (event === null || url === null) return createEnvelope(40710)
  if ((await services.webhooks.list(caller.account)).some((each) => each.url === url)) return createEnvelope(40708)
  if (!(await services.webhooks.isResponding(url))) return createEnvelope(40707)
  const endpointFields = {
    url,
    name: name === '' ? caller.apiUser : name,
    events: event,
    apiUsers: [],
    format: 'form',
    ladder: 'standard',
  } as const
  return mapFaults(40710, async () => {
    const { endpoint, secret } = await services.webhooks.add(caller.account, endpointFields)
    return createEnvelope(200, { data: { ...toWebhookRow(endpoint, settings.zone), appKey: secret } })
  })
}

/** `webhook/update`: a request with a `webhookId` may also change the URL. */
export const updateSendCloudWebhook: SendCloudOperation<WebhookNeeds> = async (context) => {
  const { parameters, caller, services, settings } = context
  const read = readParameters(
    { event: optional(EVENT_PARAMETER), url: optional(URL_PARAMETER), name: NAME_PARAMETER, id: ID_PARAMETER },
    parameters,
  )
  if (!read.ok) return createEnvelope(read.code)
  const { event, url, name, id } = read.values
  if (id === null && url === null) return createEnvelope(40705)
  const found = await findEndpoint(context, id, url)
  if (found === null) return createEnvelope(40709)
  const isUrlChanged = url !== null && url !== found.url
  if (isUrlChanged && !(await services.webhooks.isResponding(url))) return createEnvelope(40707)
  return mapFaults(40712, async () => {
    const change = { ...(event === null ? {} : { events: event }), ...(isUrlChanged ? { url } : {}), ...(name === '' ? {} : { name }) }
    const { endpoint } = await services.webhooks.change(caller.account, found.endpointId, change)
    return createEnvelope(200, { data: toWebhookRow(endpoint, settings.zone) })
  })
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
