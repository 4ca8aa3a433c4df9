/**
 * labels - the vendor's operations on labels: list, get, add, update, delete
 *
 * A name is an account's own, once. A label that is deleted leaves old statistics as they are.
 *
 * See also: service/admin/labels, docs/SENDCLOUD.md.
 */
import { Fault } from '../../errors.ts'
import type { Label } from '../../store/account/labels.ts'
import type { Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { LABEL_ID, PAGING } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'

/** As long as our own API allows. The vendor has no codes for names: those of the number serve. */
const NAME: Parameter<string> = {
  names: ['labelName'],
  empty: 40014,
  invalid: 40015,
  // A line end in a name would be one in a header.
  read: (text) => (text.length <= 128 && !/\p{Cc}/u.test(text) ? text : null),
  absent: '',
}
const ID: Parameter<number | null> = { ...LABEL_ID, empty: 40014 }
const QUERY: Parameter<string | null> = { names: ['query'], empty: null, invalid: 40015, read: (text) => text.slice(0, 128), absent: null }

function view({ labelId, name, createdAt, updatedAt }: Label, zone: string): object {
  return { labelId, labelName: name, gmtCreated: formatTime(createdAt, zone), gmtUpdated: formatTime(updatedAt, zone) }
}

/** `label/list`. */
export const listLabels: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ query: QUERY, ...PAGING }, bag)
  if (!read.ok) return envelope(read.code)
  const { rows, total } = await desk.labels.list(by.account, read.values)
  return envelope(200, { dataList: rows.map((row) => view(row, settings.zone)), total, count: rows.length })
}

/** `label/get`. */
export const getLabel: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ labelId: ID }, bag)
  if (!read.ok) return envelope(read.code)
  const label = await desk.labels.get(by.account, read.values.labelId ?? 0)
  return label === null ? envelope(40015) : envelope(200, { data: view(label, settings.zone) })
}

/** `label/add`. */
export const addLabel: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ name: NAME }, bag)
  if (!read.ok) return envelope(read.code)
  return unlessTaken(async () => envelope(200, { data: view(await desk.labels.add(by, read.values.name), settings.zone) }))
}

/** `label/update`. */
export const updateLabel: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ labelId: ID, name: NAME }, bag)
  if (!read.ok) return envelope(read.code)
  return unlessTaken(async () => {
    const label = await desk.labels.rename(by, read.values.labelId ?? 0, read.values.name)
    return label === null ? envelope(200, { count: 0 }) : envelope(200, { count: 1, data: view(label, settings.zone) })
  })
}

/** `label/delete`. */
export const deleteLabel: Operation = async ({ bag, by, desk }) => {
  const read = readParameters({ labelId: ID }, bag)
  if (!read.ok) return envelope(read.code)
  return envelope(200, { count: (await desk.labels.remove(by, read.values.labelId ?? 0)) ? 1 : 0 })
}

/** A name that is taken is a wrong one. */
async function unlessTaken(work: () => Promise<Envelope>): Promise<Envelope> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Fault && error.code === 'conflict') return envelope(40015)
    throw error
  }
}
