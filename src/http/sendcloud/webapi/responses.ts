/**
 * responses - the answers of `/webapi`, made from the envelopes of the operations of today
 *
 *     {"message":"success","bounces":[{"email":…,"reason":…,"create_at":…}]}   {"message":"error","errors":["email is invalid"]}
 *
 * An error always has `errors`, because old clients look for nothing else. The fields are those of the vendor's old pages, in their spelling.
 *
 * Pure, total. See also: http/sendcloud/webapi/webapi-operations (which answer is whose), docs/SENDCLOUD.md.
 */
import { asObject, type JsonObject } from '../../../mail/mime/json-reader.ts'
import { RATE_LIMITED_ENVELOPE, type SendCloudEnvelope } from '../envelope.ts'

/** Makes the fields beside `message` from `info`. */
export type WebApiFields = (info: JsonObject) => object

export const createWebApiError = (error: string): { readonly message: 'error'; readonly errors: readonly string[] } => ({
  message: 'error',
  errors: [error],
})

/** The error of a rate limit, with the number that the vendor gives it. */
export const WEBAPI_RATE_LIMITED = { ...RATE_LIMITED_ENVELOPE, ...createWebApiError(RATE_LIMITED_ENVELOPE.message) } as const

/** Converts an envelope. */
export function toWebApiResponse(response: SendCloudEnvelope | typeof RATE_LIMITED_ENVELOPE, toFields: WebApiFields): object {
  if (!('statusCode' in response)) return WEBAPI_RATE_LIMITED
  if (!response.result) return createWebApiError(response.message)
  return { message: 'success', ...toFields(asObject(response.info) ?? {}) }
}

/** Old names, and the fields that they are taken from. */
type FieldNames = Readonly<Record<string, string>>

const rename = (row: JsonObject, names: FieldNames): object =>
  Object.fromEntries(Object.entries(names).map(([old, field]) => [old, row[field] ?? null]))

const rowsOf = (value: unknown): readonly JsonObject[] => (Array.isArray(value) ? value.map((row: unknown) => asObject(row) ?? {}) : [])

/** A list under a name. */
export const listed =
  (name: string, fields: FieldNames): WebApiFields =>
  ({ dataList }) => ({ [name]: rowsOf(dataList).map((row) => rename(row, fields)) })

/** The one entry that an operation returns as `data`, as a list. */
export const listedOne =
  (name: string, fields: FieldNames): WebApiFields =>
  ({ data }) => ({ [name]: [rename(asObject(data) ?? {}, fields)] })

/** The one entry that an operation returns as `data`. */
export const named =
  (name: string, fields: FieldNames): WebApiFields =>
  ({ data }) => ({ [name]: rename(asObject(data) ?? {}, fields) })

/** A number of entries under a name. */
export const counted =
  (name: string): WebApiFields =>
  ({ count }) => ({ [name]: count ?? 0 })

const STATISTIC_DIMENSIONS: ReadonlySet<string> = new Set(['sendDate', 'sendHour', 'apiUser', 'labelId', 'labelName', 'domain'])

/** `requestNum` is `request`, `clickPercent` is `click_percent`. The counts of one sum of all rows are texts. */
export const statistics: WebApiFields = ({ dataList }) =>
  Array.isArray(dataList)
    ? { stats: rowsOf(dataList).map((row) => toStatisticFields(row, (count) => count)) }
    : { stats: toStatisticFields(asObject(dataList) ?? {}, String) }

function toStatisticFields(row: JsonObject, toCount: (count: unknown) => unknown): object {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]): readonly [string, unknown][] => {
      if (name === 'requestPercent') return []
      if (name === 'requestNum') return [['request', toCount(value)]]
      if (name.endsWith('Percent')) return [[name.replace(/Percent$/, '_percent'), value]]
      return [[name, STATISTIC_DIMENSIONS.has(name) ? value : toCount(value)]]
    }),
  )
}

/** `info` under a name. */
export const whole =
  (name: string, fields: FieldNames): WebApiFields =>
  (info) => ({ [name]: rename(info, fields) })

/** `info` itself. */
export const unchanged: WebApiFields = (info) => info

/** The ids of mail/send, if the client asked for them. */
export const emailIds: WebApiFields = ({ emailIdList }) => (emailIdList === undefined ? {} : { email_id_list: emailIdList })
