/**
 * labels - SendCloud's `label` operations: list, get, add, update, delete
 *
 * A label name is unique within an account. Deleting a label does not change existing statistics.
 *
 * See also: service/admin/labels, docs/SENDCLOUD.md.
 */
import { Fault } from '../../errors.ts'
import type { LabelService } from '../../service/admin/labels.ts'
import type { Label } from '../../store/account/labels.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudEnvelope } from './envelope.ts'
import { LABEL_ID, SENDCLOUD_PAGING } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'

type LabelNeeds = { readonly labels: LabelService }

/** The same maximum length as in our own API; SendCloud allows 255 characters. */
const NAME_PARAMETER: Parameter<string> = {
  names: ['labelName'],
  missingCode: 40104,
  invalidCode: 40105,
  // A line break in a name would inject a header.
  read: (text) => (text.length <= 128 && !/\p{Cc}/u.test(text) ? text : null),
  defaultValue: '',
}
const ID_PARAMETER: Parameter<number | null> = { ...LABEL_ID, missingCode: 40014 }
const QUERY_PARAMETER: Parameter<string | null> = {
  names: ['query'],
  missingCode: null,
  invalidCode: 40015,
  read: (text) => text.slice(0, 128),
  defaultValue: null,
}

function toLabelRow({ labelId, name, createdAt, updatedAt }: Label, zone: string): object {
  return { labelId, labelName: name, gmtCreated: formatTime(createdAt, zone), gmtUpdated: formatTime(updatedAt, zone) }
}

/** `label/list`. */
export const listSendCloudLabels: SendCloudOperation<LabelNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ query: QUERY_PARAMETER, ...SENDCLOUD_PAGING }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const { rows, total } = await services.labels.list(caller.account, read.values)
  return createEnvelope(200, { dataList: rows.map((row) => toLabelRow(row, settings.zone)), total, count: rows.length })
}

/** `label/get`. */
export const getSendCloudLabel: SendCloudOperation<LabelNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ labelId: ID_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  const label = await services.labels.get(caller.account, read.values.labelId ?? 0)
  return label === null ? createEnvelope(40106) : createEnvelope(200, { data: toLabelRow(label, settings.zone) })
}

/** `label/add`. */
export const addSendCloudLabel: SendCloudOperation<LabelNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ name: NAME_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  return mapConflict(async () =>
    createEnvelope(200, { data: toLabelRow(await services.labels.add(caller, read.values.name), settings.zone) }),
  )
}

/** `label/update`. */
export const updateSendCloudLabel: SendCloudOperation<LabelNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ labelId: ID_PARAMETER, name: NAME_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  return mapConflict(async () => {
    const label = await services.labels.rename(caller, read.values.labelId ?? 0, read.values.name)
    return label === null ? createEnvelope(200, { count: 0 }) : createEnvelope(200, { count: 1, data: toLabelRow(label, settings.zone) })
  })
}

/** `label/delete`. */
export const deleteSendCloudLabel: SendCloudOperation<LabelNeeds> = async ({ parameters, caller, services }) => {
  const read = readParameters({ labelId: ID_PARAMETER }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  return createEnvelope(200, { count: (await services.labels.remove(caller, read.values.labelId ?? 0)) ? 1 : 0 })
}

/** Maps a name that is already in use to its code. */
async function mapConflict(change: () => Promise<SendCloudEnvelope>): Promise<SendCloudEnvelope> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof Fault && error.code === 'conflict') return createEnvelope(40113)
    throw error
  }
}
