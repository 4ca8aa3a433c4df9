/**
 * reclassifications - runs rules over the stored replies: what would change, then the change itself, or its undo
 *
 * For the operator. Create a reclassification, poll it until it is `checked`, read what it found, then apply it with the consequences that
 * you choose. A reclassification that was applied is undone by another one.
 *
 * See also: service/reclassify/reclassifications, docs/RULES.md.
 */
import { z } from 'zod'
import { Fault } from '../../../errors.ts'
import { LIST_CHOICES } from '../../../ledger/decide/reclassified-lists.ts'
import type { ReclassificationSample, ReclassificationSummary } from '../../../ledger/decide/reclassification-summary.ts'
import type { ReclassificationService } from '../../../service/reclassify/reclassifications.ts'
import type { ReclassificationHead } from '../../../store/reclassifications.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'
import { draftFilesSchema } from '../../server/rule-input.ts'
import type { AccountService } from '../../services/accounts.ts'

const createBody = strictObject({
  since: z.iso.datetime({ offset: true }).optional().describe('Replies received at or after; 30 days ago by default'),
  account: z.string().max(128).optional().describe('Only the deliveries of the account with this API user; all accounts by default'),
  rules: draftFilesSchema
    .default([])
    .describe('A draft: files that replace, add or remove files of your rule folder by name. Empty: the rules in force'),
})

const applyBody = strictObject({
  lists: z
    .enum(LIST_CHOICES)
    .default('none')
    .describe('`remove`: remove entries whose cause is replaced; `add`: make the entries that the replies should have made; `all`: both'),
  webhooks: z.boolean().default(false).describe('Send a webhook event for each delivery whose status changes'),
})

const meaning = {
  status: z.int(),
  subStatus: z.int().nullable(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
}

const summaryView = z.object({
  examined: z.int().describe('Failures whose reply was classified again'),
  changed: z.int().describe('Failures with another meaning'),
  unreadable: z.int().describe('Failures whose mail is no longer stored, and whose stored text is too short for another verdict'),
  groups: z.array(
    z.object({
      account: z.string().nullable(),
      from: z.object(meaning),
      to: z.object(meaning),
      n: z.int(),
      deliveries: z.int().describe('Deliveries whose own status changes; a later fact may decide the status of others'),
    }),
  ),
  lists: z.array(
    z.object({
      account: z.string().nullable().describe('Null: the list that all accounts share'),
      list: z.literal('bounce'),
      action: z.enum(['remove', 'add', 'hold']).describe('`hold`: the mass-bounce guard holds the new entry for review'),
      n: z.int(),
    }),
  ),
})

const sampleVerdict = z.object({
  ...meaning,
  rule: z.string(),
  table: z.string(),
  matched: z.array(z.string()),
  text: z.string().describe('The text that the rule read; local parts of addresses are masked'),
  code: z.int().nullable(),
  replyStatus: z.string().nullable(),
})

const jobView = z.object({
  id: z.string(),
  state: z.enum(['checking', 'checked', 'applying', 'applied', 'cancelled', 'failed']),
  undoes: z.string().nullable().describe('The reclassification that this one takes back'),
  since: z.string(),
  until: z.string().describe('Replies that were received later are left alone'),
  account: z.string().nullable(),
  table: z.string().nullable().describe('The version of the rule table'),
  askedBy: z.string(),
  appliedBy: z.string().nullable(),
  lists: z.enum(LIST_CHOICES),
  webhooks: z.boolean(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  progress: z.number().describe('From 0 to 1, of the dry run or of the application'),
  preview: summaryView.describe('What the dry run found, with all consequences for lists'),
  outcome: summaryView.describe('What was applied'),
  error: z.string().nullable(),
})

const detailView = jobView.extend({
  samples: z.array(
    z.object({
      account: z.string().nullable(),
      emailId: z.string().nullable(),
      domain: z.string(),
      at: z.string(),
      statusChanges: z.boolean(),
      from: sampleVerdict,
      to: sampleVerdict,
    }),
  ),
})

const tags = ['rules']
const querystring = strictObject({})
const params = z.object({ id: z.uuid() })

type ReclassificationRouteDependencies = {
  readonly reclassifications: ReclassificationService
  readonly accounts: Pick<AccountService, 'listNames'>
  readonly findAccount: (apiUser: string) => Promise<number | null>
  readonly authorizer: Authorizer
}

export function addReclassificationRoutes(server: HttpServer, dependencies: ReclassificationRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addItemRoutes(server, dependencies)
  addEndRoutes(server, dependencies)
}

function addCollectionRoutes(
  server: HttpServer,
  { reclassifications, accounts, findAccount, authorizer }: ReclassificationRouteDependencies,
): void {
  const create = {
    summary: 'Check what rules would change in the stored replies',
    description: 'Starts a dry run. Nothing changes until you apply it.',
    tags,
    querystring,
    body: createBody,
    response: { 202: jobView },
  }
  server.post('/v1/reclassifications', { schema: create }, async (request, reply) => {
    const { actor } = await authorizer.requireOperator(request)
    const { since, account, rules } = request.body
    const onlyAccount = account === undefined ? null : await findAccount(account)
    if (account !== undefined && onlyAccount === null) throw new Fault('not_found', 'no account has this API user')
    const from = since === undefined ? null : Date.parse(since)
    const job = await reclassifications.request({ actor, since: from, onlyAccount, draft: rules })
    return reply
      .code(202)
      .header('location', `/v1/reclassifications/${job.jobId}`)
      .send(toJobView(job, await accounts.listNames()))
  })
  const page = strictObject({
    after: z.uuid().optional().describe('`next` of the previous page'),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const response = { 200: z.object({ reclassifications: z.array(jobView), next: z.string().nullable() }) }
  const list = { summary: 'List reclassifications, newest first', tags, querystring: page, response }
  server.get('/v1/reclassifications', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    const { after = null, limit } = request.query
    const rows = await reclassifications.list({ after, limit })
    const names = await accounts.listNames()
    return { reclassifications: rows.map((row) => toJobView(row, names)), next: rows.length < limit ? null : (rows.at(-1)?.jobId ?? null) }
  })
}

function addItemRoutes(server: HttpServer, { reclassifications, accounts, authorizer }: ReclassificationRouteDependencies): void {
  const find = { summary: 'Read a reclassification with samples of its changes', tags, params, querystring, response: { 200: detailView } }
  server.get('/v1/reclassifications/:id', { schema: find }, async (request) => {
    await authorizer.requireOperator(request)
    const names = await accounts.listNames()
    const job = await reclassifications.find(request.params.id)
    return { ...toJobView(job, names), samples: job.samples.map((sample) => toSampleView(sample, names)) }
  })
  const apply = {
    summary: 'Apply a checked reclassification',
    description: 'Appends facts that replace the old verdicts. By default only statuses follow.',
    tags,
    params,
    querystring,
    body: applyBody,
    response: { 202: jobView },
  }
  server.post('/v1/reclassifications/:id/apply', { schema: apply }, async (request, reply) => {
    const { actor } = await authorizer.requireOperator(request)
    const job = await reclassifications.apply(request.params.id, actor, request.body)
    return reply.code(202).send(toJobView(job, await accounts.listNames()))
  })
}

/** Undo and cancel. */
function addEndRoutes(server: HttpServer, { reclassifications, accounts, authorizer }: ReclassificationRouteDependencies): void {
  const undo = {
    summary: 'Check what the undo of a reclassification would change',
    description: 'Starts a dry run that takes back what this reclassification changed. Apply it as any other.',
    tags,
    params,
    querystring,
    response: { 202: jobView },
  }
  server.post('/v1/reclassifications/:id/undo', { schema: undo }, async (request, reply) => {
    const { actor } = await authorizer.requireOperator(request)
    const job = await reclassifications.undo(request.params.id, actor)
    return reply
      .code(202)
      .header('location', `/v1/reclassifications/${job.jobId}`)
      .send(toJobView(job, await accounts.listNames()))
  })
  const cancel = {
    summary: 'Cancel a reclassification',
    description: 'What it has applied stays; undo it by another reclassification.',
    tags,
    params,
    querystring,
    response: { 200: jobView },
  }
  server.post('/v1/reclassifications/:id/cancel', { schema: cancel }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    return toJobView(await reclassifications.cancel(request.params.id, actor), await accounts.listNames())
  })
}

type AccountNames = ReadonlyMap<number, string>

function toJobView(job: ReclassificationHead, names: AccountNames): z.output<typeof jobView> {
  const { jobId: id, state, undoes, askedBy, appliedBy, lists, webhooks, done, total, tableVersion, error } = job
  const isOver = state === 'checked' || state === 'applied'
  return {
    id,
    state,
    undoes,
    since: toIsoTimestamp(job.since),
    until: toIsoTimestamp(job.until),
    account: job.onlyAccount === null ? null : (names.get(job.onlyAccount) ?? null),
    table: tableVersion === '' ? null : tableVersion,
    askedBy,
    appliedBy,
    lists,
    webhooks,
    createdAt: toIsoTimestamp(job.createdAt),
    startedAt: toIsoTimestamp(job.startedAt),
    endedAt: toIsoTimestamp(job.endedAt),
    progress: isOver ? 1 : total === 0 ? 0 : Math.min(1, done / total),
    preview: toSummaryView(job.preview, names),
    outcome: toSummaryView(job.outcome, names),
    error,
  }
}

function toSummaryView({ groups, lists, ...counts }: ReclassificationSummary, names: AccountNames): z.output<typeof summaryView> {
  const nameOf = (account: number): string | null => names.get(account) ?? null
  return {
    ...counts,
    groups: groups.map((group) => ({ ...group, account: nameOf(group.account) })).toSorted((a, b) => b.n - a.n),
    lists: lists.map((group) => ({ ...group, account: nameOf(group.account), list: 'bounce' })),
  }
}

function toSampleView(
  { account, isStatusChanged: statusChanges, at, from, to, ...sample }: ReclassificationSample,
  names: AccountNames,
): z.output<typeof detailView>['samples'][number] {
  const toVerdict = (verdict: ReclassificationSample['from']): z.output<typeof sampleVerdict> => ({
    ...verdict,
    matched: [...verdict.matched],
  })
  return { ...sample, account: names.get(account) ?? null, at: toIsoTimestamp(at), statusChanges, from: toVerdict(from), to: toVerdict(to) }
}
