/**
 * reclassifications - what an operator does with reclassifications: start a dry run, apply it, undo it, cancel it, list them
 *
 * See also: service/reclassify/reclassifier (runs them), http/api/rules/reclassifications, commands/reading/reclassify.
 */
import type { ParsedRuleFile } from '../../classify/rule-grammar.ts'
import { compileDraft, encodeRuleFiles, layDraftOver, type DraftFile } from '../../config/rule-draft.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { EMPTY_SUMMARY } from '../../ledger/decide/reclassification-summary.ts'
import {
  countFailedDeliveries,
  findReclassificationForOperator,
  listReclassificationsForOperator,
  RECLASSIFICATIONS,
  removeOldReclassificationsForOperator,
  transitionReclassification,
  type ReclassificationHead,
  type ReclassificationRow,
} from '../../store/reclassifications.ts'
import { isRunningState, type Consequences, type ReclassificationSignal } from '../../store/reclassification-states.ts'
import type { Context } from '../context.ts'
import { requireDiskSpace } from '../disk-space.ts'
import { transact } from '../transact.ts'

type ReclassificationRequest = {
  readonly actor: string
  /** Replies received since; null: 30 days ago. */
  readonly since: number | null
  readonly onlyAccount: number | null
  /** Laid over the operator's rules in force (`draft`), or instead of all of them (`files`); neither: the rules in force. */
  readonly draft?: readonly DraftFile[]
  readonly files?: readonly ParsedRuleFile[]
}

export type ReclassificationService = {
  /** Queues a dry run. Faults: rule_invalid (the draft does not load), rate_limited (too many jobs wait), insufficient_storage. */
  readonly request: (request: ReclassificationRequest) => Promise<ReclassificationRow>
  /** Queues a dry run that takes back what a job changed. Faults: not_found, conflict (the job changed nothing, or still runs), rate_limited. */
  readonly undo: (jobId: string, actor: string) => Promise<ReclassificationRow>
  /** Applies what a dry run has checked. Faults: not_found, conflict (it is not checked, or another job runs). */
  readonly apply: (jobId: string, actor: string, consequences: Consequences) => Promise<ReclassificationRow>
  /** Ends a job. What it has applied stays; undo it. Faults: not_found, conflict (it has ended). */
  readonly cancel: (jobId: string, actor: string) => Promise<ReclassificationRow>
  /** Faults: not_found. */
  readonly find: (jobId: string) => Promise<ReclassificationRow>
  readonly list: (page: { readonly after: string | null; readonly limit: number }) => Promise<readonly ReclassificationHead[]>
}

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 30
/** One job runs at a time; more that wait are a client in a loop. */
const MAX_WAITING = 5
/** As long as the facts of the mails are kept by default. */
const KEEP_DAYS = 190

/** `onQueued` is called after a job was queued, to wake the reclassifier. */
export function createReclassificationService(context: Context, onQueued: () => void): ReclassificationService {
  const { engine } = context
  const find = async (jobId: string): Promise<ReclassificationRow> => {
    const job = await findReclassificationForOperator(engine.read, jobId)
    if (job === null) throw new Fault('not_found', 'there is no such reclassification')
    return job
  }
  const queue = async (job: ReclassificationRow): Promise<ReclassificationRow> => {
    requireDiskSpace(context)
    const queued = await queueJob(context, job)
    onQueued()
    return queued
  }
  return {
    find,
    list: (page) => listReclassificationsForOperator(engine.read, page),
    request: async (request) => queue(newJob(context, request)),
    undo: async (jobId, actor) => queue(newUndo(context, await find(jobId), actor)),
    apply: async (jobId, actor, consequences) => {
      const { onlyAccount, since } = await find(jobId)
      const total = await countDeliveries(context, { onlyAccount, since })
      const applied = await signal(context, { jobId, signal: 'approved', actor, approval: { ...consequences, appliedBy: actor, total } })
      onQueued()
      return applied
    },
    cancel: async (jobId, actor) => {
      await find(jobId)
      return signal(context, { jobId, signal: 'cancelled', actor })
    },
  }
}

function newJob(context: Context, request: ReclassificationRequest): ReclassificationRow {
  const { actor, since, onlyAccount, draft = [], files } = request
  const operatorFiles = files ?? layDraftOver(context.rules(), draft)
  const { version } = compileDraft(context.rules(), operatorFiles)
  const now = context.now()
  const from = since ?? now - DEFAULT_DAYS * DAY_MS
  if (from >= now) throw new Fault('bad_request', 'since: must be in the past')
  return {
    ...EMPTY_JOB,
    jobId: context.ids.next(now),
    since: from,
    until: now,
    onlyAccount,
    rules: encodeRuleFiles(operatorFiles),
    tableVersion: version,
    askedBy: actor,
    createdAt: now,
  }
}

/** Reads what the job read; its facts are the only ones that change. */
function newUndo(context: Context, undone: ReclassificationRow, actor: string): ReclassificationRow {
  if (isRunningState(undone.state)) throw new Fault('conflict', `the reclassification is ${undone.state}: cancel it first, or wait`)
  if (undone.outcome.changed === 0) throw new Fault('conflict', 'this reclassification changed nothing')
  const now = context.now()
  const { jobId: undoes, since, until, onlyAccount } = undone
  return { ...EMPTY_JOB, jobId: context.ids.next(now), undoes, since, until, onlyAccount, askedBy: actor, createdAt: now }
}

const EMPTY_JOB = {
  state: 'checking',
  undoes: null,
  rules: '[]',
  tableVersion: '',
  startedAt: null,
  endedAt: null,
  lists: 'none',
  webhooks: false,
  appliedBy: null,
  cursor: null,
  done: 0,
  total: 0,
  preview: EMPTY_SUMMARY,
  outcome: EMPTY_SUMMARY,
  samples: [],
  attempts: 0,
  lease: '',
  leaseUntil: 0,
  error: null,
} as const satisfies Partial<ReclassificationRow>

async function countDeliveries(
  { engine, accountCache }: Context,
  { onlyAccount, since }: Pick<ReclassificationRow, 'onlyAccount' | 'since'>,
): Promise<number> {
  const accounts = onlyAccount === null ? (await accountCache.snapshot()).accounts.map(({ account }) => account) : [onlyAccount]
  let total = 0
  for (const account of accounts) total += await countFailedDeliveries(engine.bulkRead, { account, modifiedSince: since })
  return total
}

async function queueJob(context: Context, job: ReclassificationRow): Promise<ReclassificationRow> {
  const queued = { ...job, total: await countDeliveries(context, job) }
  await transact(
    context,
    {},
    async ({ db, moment }) => {
      const waiting = Number((await db.one("select count(*) as n from reclassifications where state in ('checking', 'applying')"))?.['n'])
      if (waiting >= MAX_WAITING)
        throw new Fault(
          'rate_limited',
          `${waiting} reclassifications run or wait, and no more than ${MAX_WAITING} may: wait, or cancel one`,
        )
      await removeOldReclassificationsForOperator(db, moment.at - KEEP_DAYS * DAY_MS)
      await db.insertMany(RECLASSIFICATIONS, [queued])
      const { jobId, undoes, askedBy: actor, tableVersion: table } = queued
      return { result: null, facts: [createAuditFact(0, 'reclassification.asked', { job: jobId, undoes, table }, { actor, moment })] }
    },
    { lockName: 'reclassifications' },
  )
  return queued
}

type Signal = {
  readonly jobId: string
  readonly signal: Extract<ReclassificationSignal, 'approved' | 'cancelled'>
  readonly actor: string
  readonly approval?: Consequences & { readonly appliedBy: string; readonly total: number }
}

async function signal(context: Context, { jobId, signal: name, actor, approval }: Signal): Promise<ReclassificationRow> {
  return transact(context, {}, async ({ db, moment }) => {
    const moved = await transitionReclassification(db, jobId, name, { at: moment.at, ...(approval === undefined ? {} : { approval }) })
    if (moved === null) {
      const state = (await findReclassificationForOperator(db, jobId))?.state ?? 'removed'
      throw new Fault(
        'conflict',
        name === 'approved' ? `only a checked reclassification can be applied: it is ${state}` : `it is ${state} already`,
      )
    }
    const { lists, webhooks, tableVersion: table } = moved
    const detail = { job: jobId, ...(name === 'approved' ? { lists, webhooks, table } : {}) }
    return { result: moved, facts: [createAuditFact(0, `reclassification.${name}`, detail, { actor, moment })] }
  })
}
