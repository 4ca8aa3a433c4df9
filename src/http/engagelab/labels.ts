/**
 * labels - EngageLab's operations on labels: list, get, add, rename, remove
 *
 * See also: service/admin/labels, http/sendcloud/labels.
 */
import { Fault } from '../../errors.ts'
import type { LabelService } from '../../service/admin/labels.ts'
import type { Label } from '../../store/account/labels.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readParameters } from '../sendcloud/parameters.ts'
import { formatOffsetTime } from '../sendcloud/zoned-time.ts'
import { ENGAGELAB_LABEL_ID, readEngageLabPaging } from './filters.ts'
import { refuseField } from './mail-codes.ts'
import type { EngageLabOperation, EngageLabOperationContext, EngageLabRefusal } from './operation.ts'

type LabelNeeds = { readonly labels: LabelService }
type LabelOperation = EngageLabOperation<LabelNeeds, object>

const NAME_PARAMETER: Parameter<string | null> = {
  names: ['label_name'],
  missingCode: null,
  invalidCode: 40105,
  read: (text) => (text.length <= 128 && !/\p{Cc}/u.test(text) ? text : null),
  defaultValue: null,
}

const NOT_FOUND: EngageLabRefusal = { code: 404, message: 'label not found', status: 404 }

const toLabelRow = ({ labelId, name, createdAt, updatedAt }: Label, zone: string): object => ({
  label_id: labelId,
  label_name: name,
  create_time: formatOffsetTime(createdAt, zone),
  update_time: formatOffsetTime(updatedAt, zone),
})

function readLabel({ parameters }: EngageLabOperationContext): { readonly id: number; readonly name: string | null } | EngageLabRefusal {
  const read = readParameters({ id: ENGAGELAB_LABEL_ID, name: NAME_PARAMETER }, parameters)
  if (read.ok) return { id: read.values.id ?? 0, name: read.values.name }
  return read.name === 'name' ? refuseField('body.label_name', 'invalid') : { code: read.code }
}

/** `GET /v1/labels`: `label_name` is a part of the name. */
export const listEngageLabLabels: EngageLabOperation<LabelNeeds> = async (context) => {
  const label = readLabel(context)
  if ('code' in label) return label
  const paging = readEngageLabPaging(context)
  if ('code' in paging) return paging
  const { services, caller, settings } = context
  const { rows, total } = await services.labels.list(caller.account, { query: label.name, start: paging.offset, limit: paging.limit })
  return { result: rows.map((row) => toLabelRow(row, settings.zone)), count: rows.length, total }
}

/** `GET /v1/labels/:label_id`. */
export const getEngageLabLabel: LabelOperation = async (context) => {
  const label = readLabel(context)
  if ('code' in label) return label
  const found = await context.services.labels.get(context.caller.account, label.id)
  return found === null ? NOT_FOUND : toLabelRow(found, context.settings.zone)
}

/** `POST /v1/labels`. */
export const addEngageLabLabel: LabelOperation = async (context) => {
  const label = readLabel(context)
  if ('code' in label) return label
  const { name } = label
  if (name === null) return refuseField('body.label_name', 'empty')
  return mapConflict(async () => toLabelRow(await context.services.labels.add(context.caller, name), context.settings.zone))
}

/** `PUT /v1/labels/:label_id`. */
export const renameEngageLabLabel: LabelOperation = async (context) => {
  const label = readLabel(context)
  if ('code' in label) return label
  const { id, name } = label
  if (name === null) return refuseField('body.label_name', 'empty')
  return mapConflict(async () => {
    const renamed = await context.services.labels.rename(context.caller, id, name)
    return renamed === null ? NOT_FOUND : toLabelRow(renamed, context.settings.zone)
  })
}

/** `DELETE /v1/labels/:label_id`. */
export const removeEngageLabLabel: LabelOperation = async (context) => {
  const label = readLabel(context)
  if ('code' in label) return label
  return (await context.services.labels.remove(context.caller, label.id)) ? { result: [], count: 1, total: 1 } : NOT_FOUND
}

async function mapConflict<T>(change: () => Promise<T>): Promise<T | EngageLabRefusal> {
  try {
    return await change()
  } catch (error) {
    if (error instanceof Fault && error.code === 'conflict') return { code: 30_113, message: 'label_name exists' }
    throw error
  }
}
