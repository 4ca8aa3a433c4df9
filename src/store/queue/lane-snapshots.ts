/**
 * lane-snapshots - how the lanes of the delivery queue stand, as the delivering node last saw them, and their rates step by step
 *
 * A picture of what lies in one node's memory, so that any node can answer. The pulse says when the picture was last looked at: an old one
 * means that nobody delivers. Steps are kept as long as charts reach: five seconds for an hour, minutes for a day.
 *
 * See also: service/deliver/lane-snapshots (who writes), queue/observe/lane-view (a status), queue/observe/throughput (steps).
 */
import type { LaneStatus } from '../../queue/observe/lane-view.ts'
import type { Db, Reader } from '../engine/engine.ts'
import { readMetaForOperator, writeMetaForOperator } from '../engine/metadata.ts'
import { int, json, shapeOf, text } from '../engine/mapping.ts'

export type LaneRow = {
  readonly account: number
  readonly domain: string
  readonly status: LaneStatus
  readonly savedAt: number
}

/** Widths of steps in milliseconds. */
export const STEP_WIDTHS = { fives: 5_000, minutes: 60_000 } as const
export type StepWidth = keyof typeof STEP_WIDTHS

/** How far back each series reaches. */
const STEP_SPANS = { fives: 3_600_000, minutes: 86_400_000 } as const satisfies Record<StepWidth, number>

/** What came in, was tried and went out in the step that begins at `at`. */
export type LaneStep = {
  readonly account: number
  readonly domain: string
  readonly width: number
  readonly at: number
  readonly ins: number
  readonly tries: number
  readonly outs: number
}

export const QUEUE_LANES = shapeOf<LaneRow>('queue_lanes', ['account_id', 'domain'], {
  account: int('account_id'),
  domain: text('domain'),
  status: json<LaneStatus>('status'),
  savedAt: int('saved_at'),
})

export const QUEUE_STEPS = shapeOf<LaneStep>('queue_steps', ['account_id', 'domain', 'width', 'at'], {
  account: int('account_id'),
  domain: text('domain'),
  width: int('width'),
  at: int('at'),
  ins: int('ins'),
  tries: int('tries'),
  outs: int('outs'),
})

export type LaneName = Pick<LaneRow, 'account' | 'domain'>

/** What changed since the last picture. `all`: forget every lane first (a node begins). */
export type LanePicture = {
  readonly changed: readonly LaneRow[]
  readonly gone: readonly LaneName[]
  readonly steps: readonly LaneStep[]
  readonly all: boolean
}

const PULSE = 'queue.pulse'

/** When a delivering node last looked, and which. */
export type Pulse = { readonly at: number; readonly node: string }

const inOrder = <R extends LaneName>(rows: readonly R[]): readonly R[] =>
  rows.toSorted((a, b) => a.account - b.account || (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))

/** Writes a picture and its pulse; steps that charts no longer reach go with it. */
export async function saveLanesForOperator(db: Db, picture: LanePicture, pulse: Pulse): Promise<void> {
  if (picture.all) await db.run('delete from queue_lanes', [])
  const drop = 'delete from queue_lanes where account_id = $1 and domain = $2'
  const old = Object.entries(STEP_WIDTHS).map(([name, width]) => [width, pulse.at - spanOf(name)])
  await Promise.all([
    ...picture.gone.map(({ account, domain }) => db.run(drop, [account, domain])),
    db.upsertMany(QUEUE_LANES, inOrder(picture.changed)),
    db.upsertMany(QUEUE_STEPS, inOrder(picture.steps)),
    ...old.map((params) => db.run('delete from queue_steps where width = $1 and at < $2', params)),
    writeMetaForOperator(db, PULSE, JSON.stringify(pulse)),
  ])
}

const spanOf = (name: string): number => (name === 'fives' ? STEP_SPANS.fives : STEP_SPANS.minutes)

/** When the last picture was made; null: no node has ever delivered from this store. */
export async function pulseForOperator(reader: Reader): Promise<Pulse | null> {
  const value = await readMetaForOperator(reader, PULSE)
  // The checked door: only saveLanesForOperator writes it.
  return value === null ? null : (JSON.parse(value) as Pulse)
}

export type LanePage = { readonly after: string | null; readonly limit: number }

/** Lanes of an account by domain, or the one that is named. */
export async function lanesOfAccount(
  reader: Reader,
  account: number,
  { domain, after, limit }: LanePage & { readonly domain: string | null },
): Promise<readonly LaneRow[]> {
  const sql = `select ${QUEUE_LANES.columns('l')} from queue_lanes l where l.account_id = $1 and l.domain > $2
    ${domain === null ? '' : 'and l.domain = $4'} order by l.domain limit $3`
  return (await reader.all(sql, [account, after ?? '', limit, ...(domain === null ? [] : [domain])])).map(QUEUE_LANES.decode)
}

/** The same over all accounts, by account and domain. */
export async function lanesForOperator(
  reader: Reader,
  { domain, after, limit }: { readonly domain: string | null; readonly after: LaneName | null; readonly limit: number },
): Promise<readonly LaneRow[]> {
  const beyond = after ?? { account: -1, domain: '' }
  const sql = `select ${QUEUE_LANES.columns('l')} from queue_lanes l where (l.account_id, l.domain) > ($1, $2)
    ${domain === null ? '' : 'and l.domain = $4'} order by l.account_id, l.domain limit $3`
  const params = [beyond.account, beyond.domain, limit, ...(domain === null ? [] : [domain])]
  return (await reader.all(sql, params)).map(QUEUE_LANES.decode)
}

/** One step of a series, summed over what was asked for. */
export type SeriesStep = Pick<LaneStep, 'at' | 'ins' | 'tries' | 'outs'>

/** The series of an account's lane, or of all its lanes; account null: of everybody's, for the operator. Quiet steps are left out. */
export async function seriesForOperator(
  reader: Reader,
  where: { readonly account: number | null; readonly domain: string | null; readonly width: StepWidth; readonly now: number },
): Promise<readonly SeriesStep[]> {
  const conditions = ['s.width = $1', 's.at > $2']
  const params: (number | string)[] = [STEP_WIDTHS[where.width], where.now - STEP_SPANS[where.width]]
  if (where.account !== null) conditions.push(`s.account_id = $${params.push(where.account)}`)
  if (where.domain !== null) conditions.push(`s.domain = $${params.push(where.domain)}`)
  const sql = `select s.at, sum(s.ins) as ins, sum(s.tries) as tries, sum(s.outs) as outs from queue_steps s
    where ${conditions.join(' and ')} group by s.at order by s.at`
  return (await reader.all(sql, params)).map((row) => ({
    at: Number(row['at']),
    ins: Number(row['ins']),
    tries: Number(row['tries']),
    outs: Number(row['outs']),
  }))
}
