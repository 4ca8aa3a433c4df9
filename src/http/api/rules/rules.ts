/**
 * rules - the classification rules in force, with the replies that each must match and the replies that it must not
 *
 * A verdict names its rule; these routes show the rule. The rules are the same for every account.
 *
 * See also: classify/rule-listing, classify/rule-grammar (what the fields mean), commands/reading/rules.
 */
import { basename } from 'node:path'
import { z } from 'zod'
import { listRules, type ListedRule } from '../../../classify/rule-listing.ts'
import type { RuleTable } from '../../../classify/rule-table.ts'
import { Fault } from '../../../errors.ts'
import type { CountRuleDecisions } from '../../../service/rules/rule-counts.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type RuleRouteDependencies = {
  readonly getRules: () => RuleTable
  readonly countRuleDecisions: CountRuleDecisions
  readonly authorizer: Authorizer
}

const stringList = z.array(z.string())

const ruleView = z.object({
  id: z.string(),
  provider: z.string().describe('The provider whose replies the rule matches; `common` and `standard` apply to all providers'),
  layer: z.enum(['operator', 'shipped']),
  file: z.string(),
  reason: z.string(),
  fault: z.string(),
  permanence: z.string().nullable().describe('Set if the rule overrides the reply code'),
  pause: z.string().nullable().describe('The backoff class that matching replies count for'),
  deferral: z.boolean().describe('True if a matching 5xx reply is retried'),
  asked: z.enum(['first', 'after-code', 'standard']),
  code: z.array(z.union([z.int(), z.string()])),
  status: stringList,
  says: stringList.describe('The rule matches any of these phrases'),
  unless: stringList,
  around: stringList,
})

const evidenceView = z.object({
  text: z.string(),
  provider: z.string().nullable(),
  recipient: z.string().nullable(),
  mx: z.string().nullable(),
  status: z.string().nullable(),
  around: z.string().nullable(),
})

const ruleDetailView = ruleView.extend({
  source: stringList.describe('Where the reply is documented'),
  hits: z.array(evidenceView).describe('Replies that this rule must match'),
  misses: z.array(evidenceView).describe('Similar replies that it must not match'),
})

const rulesResponse = z.object({
  table: z.string().describe('The version of the rule table; verdicts name it'),
  rules: z.array(
    ruleView.extend({
      hits: z.int(),
      misses: z.int(),
      decided: z.int().nullable().describe('Replies that the rule decided in the last `days`, in all accounts; null for an account'),
    }),
  ),
})

const tags = ['rules']

export function addRuleRoutes(server: HttpServer, { getRules, countRuleDecisions, authorizer }: RuleRouteDependencies): void {
  const querystring = strictObject({
    provider: z.string().max(80).optional(),
    reason: z.string().max(80).optional(),
    days: z.coerce.number().int().min(1).max(35).default(7).describe('The days in which decisions are counted, today included'),
  })
  const list = { summary: 'List the rules in force, in the order of evaluation', tags, querystring, response: { 200: rulesResponse } }
  server.get('/v1/rules', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { provider, reason, days } = request.query
    // How often a rule decides tells one account about the mail of others.
    const counts = caller === null ? (await countRuleDecisions(days)).byRule : null
    const table = getRules()
    const rows = listRules(table).filter(
      (row) => (provider === undefined || row.provider === provider) && (reason === undefined || row.reason === reason),
    )
    const decidedBy = (id: string): number | null => (counts === null ? null : (counts.get(id) ?? 0))
    return {
      table: table.version,
      rules: rows.map((row) => ({ ...toRuleView(row), hits: row.hits, misses: row.misses, decided: decidedBy(row.id) })),
    }
  })
  const params = z.object({ id: z.string().min(1).max(80) })
  const detail = {
    summary: 'Read one rule with its evidence',
    tags,
    params,
    querystring: strictObject({}),
    response: { 200: ruleDetailView },
  }
  server.get('/v1/rules/:id', { schema: detail }, async (request) => {
    await authorizer.requireAccountOrOperator(request)
    return toRuleDetailView(getRules(), request.params.id)
  })
}

/** Shows only the name of a rule file: its folder must not be disclosed. */
function toRuleView({ hits: _hits, misses: _misses, ...row }: ListedRule): z.output<typeof ruleView> {
  const { code, status, says, unless, around } = row
  const lists = { code: [...code], status: [...status], says: [...says], unless: [...unless], around: [...around] }
  return { ...row, file: basename(row.file), ...lists }
}

function toRuleDetailView(table: RuleTable, id: string): z.output<typeof ruleDetailView> {
  const found = table.rules.find((each) => each.id === id)
  const row = listRules(table).find((each) => each.id === id)
  if (found === undefined || row === undefined) throw new Fault('not_found', 'no rule in force has this id')
  const file = table.files.find((each) => each.file === found.file)
  const sources = [found.source ?? file?.source ?? []].flat()
  return { ...toRuleView(row), source: sources, hits: found.hits.map(toEvidenceView), misses: found.misses.map(toEvidenceView) }
}

function toEvidenceView(example: RuleTable['rules'][number]['hits'][number]): z.output<typeof evidenceView> {
  const { text, provider, recipient, mx, status, around } = typeof example === 'string' ? { text: example } : example
  return {
    text,
    provider: provider ?? null,
    recipient: recipient ?? null,
    mx: mx ?? null,
    status: status ?? null,
    around: around ?? null,
  }
}
