/**
 * webhooks - the vendor's operations on webhooks: list, add, update, delete
 *
 * A webhook is named by `webhookId` or, as the vendor does, by its URL. A URL must answer 200 to GET and to POST before it is taken.
 *
 * See also: service/notify/webhooks, http/api/webhooks (our own face), webhook/payload (the events), docs/SENDCLOUD.md.
 */
import { EVENTS, readEvent, type EventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { Call, Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import type { Envelope, VendorCode } from './envelope.ts'
import type { Parameter } from './parameters.ts'
import { readParameters, readWhole } from './parameters.ts'
import { formatTime } from './zoned-time.ts'

const EVENT: Parameter<readonly EventName[] | null> = { names: ['event'], empty: 40703, invalid: 40704, read: readEvents, absent: null }
const URL_ROW: Parameter<string | null> = { names: ['url'], empty: 40705, invalid: 40706, read: readUrl, absent: null }
const NAME: Parameter<string> = {
  names: ['categoryName'],
  empty: null,
  invalid: 40710,
  read: (text) => (text.length <= 128 ? text : null),
  absent: '',
}
const ID: Parameter<number | null> = { names: ['webhookId'], empty: null, invalid: 40709, read: readWhole(1, 999_999_999), absent: null }

/** Numbers or names, between commas or semicolons. */
function readEvents(text: string): readonly EventName[] | null {
  const parts = text.split(/[,;]/, 32).filter((part) => part.trim() !== '')
  const names = parts.map((part) => readEvent(part.trim()))
  return names.length === 0 || names.some((name) => name === null) ? null : [...new Set(names.flatMap((name) => name ?? []))]
}

function readUrl(text: string): string | null {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) ? url.href : null
}

function view(endpoint: Endpoint, zone: string): object {
  const events = endpoint.events.flatMap((name) => readEvent(name) ?? [])
  return {
    webhookId: endpoint.endpointId,
    url: endpoint.url,
    categoryName: endpoint.name,
    event: events.map((name) => EVENTS[name].code ?? name).join(','),
    enabled: endpoint.enabled,
    gmtCreated: formatTime(endpoint.createdAt, zone),
    gmtUpdated: formatTime(endpoint.updatedAt, zone),
  }
}

/** `webhook/list`. */
export const listWebhooks: Operation = async ({ by, desk, settings }) => {
  const found = await desk.webhooks.list(by.account)
  return envelope(200, { dataList: found.map((each) => view(each, settings.zone)), count: found.length })
}

/** `webhook/add`. The answer's `appKey` is the key of the signature, told once. */
export const addWebhook: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ event: EVENT, url: URL_ROW, name: NAME }, bag)
  if (!read.ok) return envelope(read.code)
  const { event, url, name } = read.values
  if (event === null || url === null) return envelope(40710)
  if ((await desk.webhooks.list(by.account)).some((each) => each.url === url)) return envelope(40708)
  if (!(await desk.webhooks.answers(url))) return envelope(40707)
  const wish = { url, name: name === '' ? by.apiUser : name, events: event, apiUsers: [], format: 'form', ladder: 'standard' } as const
  return orCode(40710, async () => {
    const { endpoint, secret } = await desk.webhooks.add(by.account, wish)
    return envelope(200, { data: { ...view(endpoint, settings.zone), appKey: secret } })
  })
}

/** `webhook/update`: by `webhookId` the URL may change too. */
export const updateWebhook: Operation = async (call) => {
  const { bag, by, desk, settings } = call
  const read = readParameters({ event: { ...EVENT, empty: null }, url: { ...URL_ROW, empty: null }, name: NAME, id: ID }, bag)
  if (!read.ok) return envelope(read.code)
  const { event, url, name, id } = read.values
  if (id === null && url === null) return envelope(40705)
  const found = await find(call, id, url)
  if (found === null) return envelope(40709)
  const moves = url !== null && url !== found.url
  if (moves && !(await desk.webhooks.answers(url))) return envelope(40707)
  return orCode(40712, async () => {
    const change = { ...(event === null ? {} : { events: event }), ...(moves ? { url } : {}), ...(name === '' ? {} : { name }) }
    const { endpoint } = await desk.webhooks.change(by.account, found.endpointId, change)
    return envelope(200, { data: view(endpoint, settings.zone) })
  })
}

/** `webhook/delete`. */
export const deleteWebhook: Operation = async (call) => {
  const read = readParameters({ url: { ...URL_ROW, empty: null }, id: ID }, call.bag)
  if (!read.ok) return envelope(read.code)
  const { url, id } = read.values
  if (id === null && url === null) return envelope(40705)
  const found = await find(call, id, url)
  if (found === null) return envelope(40709)
  return envelope((await call.desk.webhooks.remove(call.by.account, found.endpointId)) ? 200 : 40711)
}

async function find({ desk, by }: Call, id: number | null, url: string | null): Promise<Endpoint | null> {
  const found = await desk.webhooks.list(by.account)
  return found.find((each) => (id === null ? each.url === url : each.endpointId === id)) ?? null
}

/** What our own refusals are in the vendor's codes; `failed` for those that it does not tell apart. */
async function orCode(failed: VendorCode, work: () => Promise<Envelope>): Promise<Envelope> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'bad_request') return envelope(40706)
    if (error.code === 'conflict') return envelope(failed)
    throw error
  }
}
