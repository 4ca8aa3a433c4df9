/**
 * rule-workbench - what a person who writes rules asks: what no rule knows, and a first version of a rule
 *
 * For the operator. See also: service/rules/other-replies, classify/rule-proposal, http/api/rules/explain, http/api/rules/rule-files, docs/RULES.md.
 */
import { z } from 'zod'
import { classify } from '../../../classify/classify.ts'
import { providerHintsOf } from '../../../classify/classifier-input.ts'
import { classifierInputOfText } from '../../../classify/rule-evidence.ts'
import { proposeRule } from '../../../classify/rule-proposal.ts'
import type { RuleTable } from '../../../classify/rule-table.ts'
import type { ClassifierInput } from '../../../classify/verdict.ts'
import { explainReport } from '../../../correlate/explained-report.ts'
import { classifierInputOfReport } from '../../../classify/classifier-input.ts'
import { Fault } from '../../../errors.ts'
import { parseReport } from '../../../mail/report-parser.ts'
import type { CountRuleDecisions } from '../../../service/rules/rule-counts.ts'
import type { GroupOtherReplies } from '../../../service/rules/other-replies.ts'
import type { InboxService } from '../../services/inbox.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { replyFields } from '../../server/rule-input.ts'
import { strictObject } from '../../server/schemas.ts'

type WorkbenchRouteDependencies = {
  readonly getRules: () => RuleTable
  readonly countRuleDecisions: CountRuleDecisions
  readonly groupOtherReplies: GroupOtherReplies
  readonly inbox: Pick<InboxService, 'find'>
  readonly findAccount: (apiUser: string) => Promise<number | null>
  readonly authorizer: Authorizer
}

const tags = ['rules']

export function addRuleWorkbenchRoutes(server: HttpServer, dependencies: WorkbenchRouteDependencies): void {
  addOtherRoute(server, dependencies)
  addProposalRoute(server, dependencies)
}

const otherView = z.object({
  since: z.string(),
  verdicts: z.int().describe('Verdicts of these days, replays left out'),
  other: z.int().describe('Those that no rule gave a meaning'),
  share: z.number().describe('`other` by `verdicts`'),
  read: z.int().describe('Failed deliveries behind the groups'),
  complete: z.boolean().describe('False: there are more deliveries than were read, and the groups count the newest'),
  groups: z.array(
    z.object({
      shape: z.string().describe('The reply without addresses, hosts, ids and numbers'),
      n: z.int(),
      lastAt: z.string(),
      sites: z.array(z.string()),
      samples: z.array(z.object({ emailId: z.string().nullable(), domain: z.string(), at: z.string(), text: z.string() })),
    }),
  ),
})

function addOtherRoute(server: HttpServer, dependencies: WorkbenchRouteDependencies): void {
  const { countRuleDecisions, groupOtherReplies, findAccount, authorizer } = dependencies
  const querystring = strictObject({
    days: z.coerce.number().int().min(1).max(35).default(7),
    apiUser: z.string().max(128).optional().describe('Only the deliveries of the account with this API user'),
    groups: z.coerce.number().int().min(1).max(500).default(50),
  })
  const schema = { summary: 'List the replies that no rule knows, by shape', tags, querystring, response: { 200: otherView } }
  server.get('/v1/rules/other', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    const { days, apiUser, groups: limit } = request.query
    const account = apiUser === undefined ? null : await findAccount(apiUser)
    if (apiUser !== undefined && account === null) throw new Fault('not_found', 'no account has this API user')
    const [counts, replies] = await Promise.all([countRuleDecisions(days), groupOtherReplies({ account, days, limit })])
    const { since, verdicts, other } = counts
    const groups = replies.groups.map(({ shape, n, lastAt, sites, samples }) => ({
      shape,
      n,
      lastAt: toIsoTimestamp(lastAt),
      sites: [...sites],
      samples: samples.map((sample) => ({ ...sample, at: toIsoTimestamp(sample.at) })),
    }))
    const share = verdicts === 0 ? 0 : other / verdicts
    return { since: toIsoTimestamp(since), verdicts, other, share, read: replies.read, complete: replies.isComplete, groups }
  })
}

const proposalBody = strictObject({
  ...replyFields,
  inboxId: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits')
    .optional()
    .describe('A mail of the inbox, instead of a reply'),
}).refine(({ reply, mail, inboxId }) => [reply, mail, inboxId].filter((each) => each !== undefined).length === 1, {
  error: 'give one of reply, mail and inboxId',
})

const proposalView = z.object({
  id: z.string(),
  provider: z.string(),
  reason: z.string().describe('The reason that the present rules give: change it to what the reply means'),
  decidedBy: z.string().describe('The rule that decides the reply now'),
  says: z.array(z.string()),
  hits: z.array(z.string()).describe('The reply with reserved names in the place of addresses'),
  misses: z.array(z.string()).describe('The most similar reply of another rule'),
  text: z.string().describe('The same as a rule file'),
})

function addProposalRoute(server: HttpServer, { getRules, inbox, authorizer }: WorkbenchRouteDependencies): void {
  const schema = {
    summary: 'Propose a rule for a reply',
    tags,
    querystring: strictObject({}),
    body: proposalBody,
    response: { 200: proposalView },
  }
  server.post('/v1/rules/proposal', { schema, config: { permission: 'read' } }, async (request) => {
    await authorizer.requireOperator(request)
    const { reply, mail, inboxId, mx, recipient } = request.body
    const table = getRules()
    const raw = inboxId !== undefined ? await readInboxMail(inbox, inboxId) : mail === undefined ? null : Buffer.from(mail)
    const input = raw === null ? classifierInputOfText(reply ?? '', providerHintsOf({ mx, recipient })) : firstReplyOf(table, raw)
    const verdict = classify(table, input)
    const text = input.reply.text === '' ? input.text : input.reply.text
    const { toml, ...proposal } = proposeRule(table, { ...input.reply, text }, verdict)
    const { says, hits, misses } = proposal
    return { ...proposal, says: [...says], hits: [...hits], misses: [...misses], text: toml, decidedBy: verdict.rule }
  })
}

async function readInboxMail(inbox: Pick<InboxService, 'find'>, id: string): Promise<Uint8Array> {
  const found = await inbox.find(null, id)
  if (found === null) throw new Fault('not_found', 'no inbox item has this id')
  if (found.raw === null) throw new Fault('not_found', 'the raw mail has expired (retention.rawDays)')
  return found.raw
}

/** The first failed recipient of a report; of another mail, its text. */
function firstReplyOf(table: RuleTable, mail: Uint8Array): ClassifierInput {
  const report = parseReport(mail)
  const [first] = explainReport(table, report, []).filter(({ verdict }) => verdict !== null)
  if (first !== undefined) return classifierInputOfReport(first.recipient, { reporter: report.from })
  return classifierInputOfText(report.text)
}
