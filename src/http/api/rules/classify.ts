/**
 * classify - what replies and mails mean, without a store: as `bounced explain --ndjson`
 *
 * One reply or mail, or many as `items`. Of many, an item that is not valid gets an error of its own and the others are classified; the results have the
 * order of the items. Each item takes a turn with other requests (service/time-slice), so that a large request delays nobody for long.
 *
 * See also: correlate/classification, http/api/rules/explain (the same with the place of each word).
 */
import { z } from 'zod'
import { PERMANENCES } from '../../../classify/verdict.ts'
import type { RuleTable } from '../../../classify/rule-table.ts'
import { type Classification, classifyReply, classifyReport } from '../../../correlate/classification.ts'
import { parseReport } from '../../../mail/report-parser.ts'
import { runInOwnSlice } from '../../../service/time-slice.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, reasonSchema, strictObject } from '../../server/schemas.ts'

type ClassifyRouteDependencies = {
  readonly getRules: () => RuleTable
  readonly authorizer: Authorizer
  readonly classificationsPerRequest: number
}

const SOURCES = ['reply', 'mail', 'mailBase64'] as const

const itemFields = {
  id: z.string().max(256).optional().describe('Comes back with the result'),
  reply: z.string().min(1).max(4_096).optional().describe('A reply as a server sends it: 550 5.1.1 No such user'),
  mail: z.string().optional().describe('A whole mail as text, with its header'),
  mailBase64: z.base64().optional().describe('The same as bytes, for mails that are not UTF-8'),
  mx: z.string().max(253).optional().describe('The host that sent the reply'),
  recipient: z.string().max(1_000).optional().describe('The recipient that the reply is about'),
}

const countGiven = (values: Readonly<Record<string, unknown>>, names: readonly string[]): number =>
  names.filter((name) => values[name] !== undefined).length

const itemSchema = strictObject(itemFields).refine((item) => countGiven(item, SOURCES) === 1, {
  error: `give one of ${SOURCES.join(', ')}`,
})

type ItemToClassify = z.output<typeof itemSchema>

const recipientView = z.object({
  recipient: z.string().nullable(),
  action: z.enum(['failed', 'delayed', 'delivered', 'relayed', 'expanded']),
  code: z.int().nullable().describe('The reply code of the remote server'),
  status: z.string().nullable().describe('The enhanced status code'),
  statusFrom: z.enum(['reply', 'report', 'text', 'verdict']).nullable().describe('`verdict`: none was sent; it follows from the reason'),
  subStatus: z.int().nullable(),
  reason: reasonSchema.nullable(),
  permanence: z.enum(PERMANENCES).nullable(),
  weak: z.boolean().nullable().describe('Based only on the Status that the reporter wrote'),
  rule: z.string().nullable(),
})

const classificationFields = {
  kind: z.string().describe('`reply`, or the kind of report'),
  format: z.string(),
  recipients: z.array(recipientView),
}

const itemResult = z.object({
  id: z.string().optional(),
  kind: classificationFields.kind.optional(),
  format: classificationFields.format.optional(),
  recipients: classificationFields.recipients.optional(),
  error: z
    .object({ code: z.literal('bad_request'), detail: z.string() })
    .optional()
    .describe('In the place of the result'),
})

export function addClassifyRoutes(
  server: HttpServer,
  { getRules, authorizer, classificationsPerRequest: max }: ClassifyRouteDependencies,
): void {
  const items = z.array(z.unknown()).min(1).max(max, `at most ${max} (limits.classificationsPerRequest)`)
  const body = strictObject({ ...itemFields, items: items.optional().describe('Many, each with the fields of a single one') }).refine(
    (given) =>
      countGiven(given, [...SOURCES, 'items']) === 1 && (given.items === undefined || countGiven(given, Object.keys(itemFields)) === 0),
    { error: `give one of ${SOURCES.join(', ')}, or items alone` },
  )
  const schema = {
    summary: 'Classify replies and mails',
    tags: ['rules'],
    querystring: strictObject(operatorQuery),
    body,
    response: {
      200: z.union([
        z.object({ id: z.string().optional(), ...classificationFields }),
        z.object({ items: z.array(itemResult).describe('In the order of the request') }),
      ]),
    },
  }
  server.post('/v1/classify', { schema, config: { permission: 'read' } }, async (request) => {
    await authorizer.requireAccountOrOperator(request)
    const table = getRules()
    const { items: many, ...single } = request.body
    if (many === undefined) return classifyItem(table, single)
    const results: z.output<typeof itemResult>[] = []
    for (const item of many) results.push(await classifyUnchecked(table, item))
    return { items: results }
  })
}

type ItemView = Classification & { readonly id?: string; readonly recipients: Classification['recipients'][number][] }

async function classifyItem(table: RuleTable, { id, reply, mail, mailBase64, mx, recipient }: ItemToClassify): Promise<ItemView> {
  const classification = await runInOwnSlice(() => {
    if (reply !== undefined) return classifyReply(table, { reply, mx, recipient })
    return classifyReport(table, parseReport(mail === undefined ? Buffer.from(mailBase64 ?? '', 'base64') : Buffer.from(mail)))
  })
  return { ...(id === undefined ? {} : { id }), ...classification, recipients: [...classification.recipients] }
}

/** The result of one of many, or what is wrong with it. */
async function classifyUnchecked(table: RuleTable, item: unknown): Promise<z.output<typeof itemResult>> {
  const read = itemSchema.safeParse(item)
  if (read.success) return classifyItem(table, read.data)
  const [issue] = read.error.issues
  const id = typeof item === 'object' && item !== null && 'id' in item && typeof item.id === 'string' ? { id: item.id.slice(0, 256) } : {}
  const path = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('/')}: `
  return { ...id, error: { code: 'bad_request', detail: `${path}${issue?.message ?? 'not valid'}` } }
}
