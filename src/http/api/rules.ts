/**
 * rules - the rules in force, with the replies that each must decide and those that it must leave alone
 *
 * A verdict names its rule: here is what the rule says. The same for every account.
 *
 * See also: classify/rule-listing, classify/rule-grammar (what the fields mean), commands/reading/rules.
 */
import { basename } from 'node:path'
import { z } from 'zod'
import { describeRules, type RuleRow } from '../../classify/rule-listing.ts'
import type { RuleTable } from '../../classify/rule-table.ts'
import { Fault } from '../../errors.ts'
import type { Desk } from '../services.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { strict } from '../server/schemas.ts'

const words = z.array(z.string())

const rule = z.object({
  id: z.string(),
  provider: z.string().describe('Whose replies it reads; `common` and `standard` are everybody’s'),
  layer: z.enum(['operator', 'shipped']),
  file: z.string(),
  reason: z.string(),
  fault: z.string(),
  permanence: z.string().nullable().describe('Where the rule says so, against every digit'),
  pause: z.string().nullable().describe('The class of pauses that its replies count for'),
  deferral: z.boolean().describe('A 5xx that is to be tried again'),
  asked: z.enum(['first', 'after-code', 'standard']),
  code: z.array(z.union([z.int(), z.string()])),
  status: words,
  says: words.describe('Any of these phrases'),
  unless: words,
  around: words,
})

const evidence = z.object({
  text: z.string(),
  provider: z.string().nullable(),
  recipient: z.string().nullable(),
  mx: z.string().nullable(),
  status: z.string().nullable(),
  around: z.string().nullable(),
})

const whole = rule.extend({
  source: words.describe('Where it is documented'),
  hits: z.array(evidence).describe('Replies that this very rule decides'),
  misses: z.array(evidence).describe('Look-alikes that it leaves alone'),
})

const listed = z.object({
  table: z.string().describe('Version of the rule table, as verdicts name it'),
  rules: z.array(rule.extend({ hits: z.int(), misses: z.int() })),
})

const tags = ['rules']

export function addRules(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const querystring = strict({
    provider: z.string().max(80).optional(),
    reason: z.string().max(80).optional(),
  })
  const list = { summary: 'The rules in force, in the order in which they are asked', tags, querystring, response: { 200: listed } }
  server.get('/v1/rules', { schema: list }, async (request) => {
    await guard.anyone(request)
    const { provider, reason } = request.query
    const table = desk.rules()
    const rows = describeRules(table).filter(
      (row) => (provider === undefined || row.provider === provider) && (reason === undefined || row.reason === reason),
    )
    return { table: table.version, rules: rows.map((row) => ({ ...view(row), hits: row.hits, misses: row.misses })) }
  })
  const params = z.object({ id: z.string().min(1).max(80) })
  const one = { summary: 'One rule with its evidence', tags, params, querystring: strict({}), response: { 200: whole } }
  server.get('/v1/rules/:id', { schema: one }, async (request) => {
    await guard.anyone(request)
    return viewWhole(desk.rules(), request.params.id)
  })
}

/** The folder of an operator's file is nobody else's business. */
function view({ hits: _hits, misses: _misses, ...row }: RuleRow): z.output<typeof rule> {
  const { code, status, says, unless, around } = row
  const lists = { code: [...code], status: [...status], says: [...says], unless: [...unless], around: [...around] }
  return { ...row, file: basename(row.file), ...lists }
}

function viewWhole(table: RuleTable, id: string): z.output<typeof whole> {
  const found = table.rules.find((each) => each.id === id)
  const row = describeRules(table).find((each) => each.id === id)
  if (found === undefined || row === undefined) throw new Fault('not_found', 'no rule in force has this id')
  const file = table.files.find((each) => each.file === found.file)
  const sources = [found.source ?? file?.source ?? []].flat()
  return { ...view(row), source: sources, hits: found.hits.map(viewEvidence), misses: found.misses.map(viewEvidence) }
}

function viewEvidence(given: RuleTable['rules'][number]['hits'][number]): z.output<typeof evidence> {
  const { text, provider, recipient, mx, status, around } = typeof given === 'string' ? { text: given } : given
  return {
    text,
    provider: provider ?? null,
    recipient: recipient ?? null,
    mx: mx ?? null,
    status: status ?? null,
    around: around ?? null,
  }
}
