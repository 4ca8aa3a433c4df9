/**
 * rule-files - the operator's own rule files: check a draft, save it, remove it, read earlier versions
 *
 * For the operator. A file is saved only if all rules load with it, and is in force at once on the node that answers.
 *
 * See also: service/rules/rule-files, http/api/rules/rules (the rules in force), docs/RULES.md.
 */
import { z } from 'zod'
import type { DraftCheck, RuleFileService } from '../../../service/rules/rule-files.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { draftFilesSchema, ruleFileName, ruleFileText } from '../../server/rule-input.ts'
import { strictObject } from '../../server/schemas.ts'

const checkedReply = z.object({
  text: z.string(),
  decidedBy: z.string().describe('The rule that decides this reply; `unmatched`: none'),
  matched: z.array(z.string()),
  ok: z.boolean(),
})

const checkView = z.object({
  loads: z.boolean(),
  table: z.string().nullable().describe('The version of the rule table with the draft'),
  problems: z.array(z.string()),
  rules: z.array(
    z.object({
      id: z.string(),
      file: z.string(),
      hits: z.array(checkedReply),
      misses: z.array(checkedReply),
      shadowedBy: z.array(z.string()).describe('Earlier rules that decide its hits'),
    }),
  ),
  taken: z
    .array(z.object({ rule: z.string(), text: z.string(), takenBy: z.string() }))
    .describe('Hits of other rules that a rule of the draft now decides'),
})

const fileHead = {
  file: z.string(),
  version: z.string().describe('A digest of the text'),
  modifiedAt: z.string(),
}
const fileView = z.object({ ...fileHead, text: z.string() })

const tags = ['rules']
const querystring = strictObject({})
const params = z.object({ file: ruleFileName })
const versionField = z
  .string()
  .max(12)
  .nullable()
  .optional()
  .describe('The version that you read, or null for a new file: 409 if the file has changed since')

type RuleFileRouteDependencies = { readonly ruleFiles: RuleFileService; readonly authorizer: Authorizer }

export function addRuleFileRoutes(server: HttpServer, dependencies: RuleFileRouteDependencies): void {
  addCheckRoute(server, dependencies)
  addReadRoutes(server, dependencies)
  addChangeRoutes(server, dependencies)
  addVersionRoutes(server, dependencies)
}

function addCheckRoute(server: HttpServer, { ruleFiles, authorizer }: RuleFileRouteDependencies): void {
  const body = strictObject({ rules: draftFilesSchema.describe('Files that replace, add or remove files of your rule folder by name') })
  const schema = { summary: 'Check draft rules as the loader does', tags, querystring, body, response: { 200: checkView } }
  server.post('/v1/rules/check', { schema, config: { permission: 'read' } }, async (request) => {
    await authorizer.requireOperator(request)
    return toCheckView(ruleFiles.check(request.body.rules))
  })
}

function toCheckView({ table, problems, rules, taken }: DraftCheck): z.output<typeof checkView> {
  const toReply = ({
    text,
    decidedBy,
    matched,
    isAsWanted,
  }: DraftCheck['rules'][number]['hits'][number]): z.output<typeof checkedReply> => ({
    text,
    decidedBy,
    matched: [...matched],
    ok: isAsWanted,
  })
  const views = rules.map(({ id, file, hits, misses, shadowedBy }) => ({
    id,
    file,
    hits: hits.map(toReply),
    misses: misses.map(toReply),
    shadowedBy: [...shadowedBy],
  }))
  return { loads: table !== null, table, problems: [...problems], rules: views, taken: [...taken] }
}

function addReadRoutes(server: HttpServer, { ruleFiles, authorizer }: RuleFileRouteDependencies): void {
  const list = {
    summary: 'List the rule files of the operator',
    tags,
    querystring,
    response: { 200: z.object({ files: z.array(z.object(fileHead)) }) },
  }
  server.get('/v1/rules/files', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return { files: ruleFiles.list().map(({ file, version, modifiedAt }) => ({ file, version, modifiedAt: toIsoTimestamp(modifiedAt) })) }
  })
  const read = { summary: 'Read a rule file of the operator', tags, params, querystring, response: { 200: fileView } }
  server.get('/v1/rules/files/:file', { schema: read }, async (request) => {
    await authorizer.requireOperator(request)
    return toFileView(ruleFiles.find(request.params.file))
  })
}

function toFileView({ file, version, modifiedAt, text }: ReturnType<RuleFileService['find']>): z.output<typeof fileView> {
  return { file, version, modifiedAt: toIsoTimestamp(modifiedAt), text }
}

function addChangeRoutes(server: HttpServer, { ruleFiles, authorizer }: RuleFileRouteDependencies): void {
  const body = strictObject({ text: ruleFileText.describe('TOML'), version: versionField })
  const save = {
    summary: 'Save a rule file of the operator and put it in force',
    tags,
    params,
    querystring,
    body,
    response: { 200: fileView },
  }
  server.put('/v1/rules/files/:file', { schema: save }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { text, version } = request.body
    const change = { file: request.params.file, actor, ...(version === undefined ? {} : { version }) }
    return toFileView(await ruleFiles.save({ ...change, text }))
  })
  const versionQuery = strictObject({
    version: z.string().max(12).optional().describe('The version that you read: 409 if the file has changed since'),
  })
  const removed = { 200: z.object({ file: z.string(), removed: z.literal(true) }) }
  const remove = { summary: 'Remove a rule file of the operator', tags, params, querystring: versionQuery, response: removed }
  server.delete('/v1/rules/files/:file', { schema: remove }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { file } = request.params
    const { version } = request.query
    await ruleFiles.remove({ file, actor, ...(version === undefined ? {} : { version }) })
    return { file, removed: true as const }
  })
}

function addVersionRoutes(server: HttpServer, { ruleFiles, authorizer }: RuleFileRouteDependencies): void {
  const response = { 200: z.object({ versions: z.array(z.object({ version: z.string(), replacedAt: z.string() })) }) }
  const list = { summary: 'List earlier versions of a rule file', tags, params, querystring, response }
  server.get('/v1/rules/files/:file/versions', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return { versions: ruleFiles.versions(request.params.file).map(({ version, at }) => ({ version, replacedAt: toIsoTimestamp(at) })) }
  })
  const versionParams = params.extend({ version: z.string().regex(/^[0-9a-f]{12}$/, 'must be 12 hex digits') })
  const versionView = z.object({ file: z.string(), version: z.string(), text: z.string() })
  const read = {
    summary: 'Read an earlier version of a rule file',
    tags,
    params: versionParams,
    querystring,
    response: { 200: versionView },
  }
  server.get('/v1/rules/files/:file/versions/:version', { schema: read }, async (request) => {
    await authorizer.requireOperator(request)
    const { file, version } = request.params
    return { file, version, text: ruleFiles.findVersion(file, version) }
  })
}
