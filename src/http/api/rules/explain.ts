/**
 * explain - what a pasted reply or mail means, and why: as `bounced explain`
 *
 * Stores nothing and changes nothing. The parsed tree names the place of each part in the mail; each word that a rule matched names its
 * place in the text that the rule read, and in the mail where it stands there as such.
 *
 * See also: correlate/explained-report, classify/matched-words, commands/reading/explain.
 */
import { z } from 'zod'
import { classify } from '../../../classify/classify.ts'
import { providerHintsOf } from '../../../classify/classifier-input.ts'
import { findWords } from '../../../classify/matched-words.ts'
import { classifierInputOfText } from '../../../classify/rule-evidence.ts'
import type { RuleTable } from '../../../classify/rule-table.ts'
import type { Verdict } from '../../../classify/verdict.ts'
import { explainReport, type ExplainedRecipient } from '../../../correlate/explained-report.ts'
import { parseMime } from '../../../mail/mime/mime.ts'
import type { MimePart } from '../../../mail/mime/part.ts'
import { explainRecognition, parseReport } from '../../../mail/report-parser.ts'
import { runInOwnSlice } from '../../../service/time-slice.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { replyFields } from '../../server/rule-input.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type ExplainRouteDependencies = {
  readonly getRules: () => RuleTable
  /** The Return-Path and feedback domains: a bounce of mail to them is filed. */
  readonly getOwnDomains: () => readonly string[]
  readonly authorizer: Authorizer
}

const span = z.object({ from: z.int(), to: z.int() })

const verdictView = z.object({
  rule: z.string(),
  table: z.string(),
  provider: z.string().nullable(),
  providerFrom: z.string().nullable(),
  reason: z.string(),
  permanence: z.string(),
  permanenceFrom: z.string(),
  subStatus: z.int(),
  fault: z.string(),
  weak: z.boolean(),
  deferral: z.boolean(),
  backoffClass: z.string().nullable(),
  text: z.string().describe('The text that the rule read'),
  matched: z.array(
    z.object({
      words: z.string(),
      inText: span.nullable().describe('Where the words stand in `text`; null for a code'),
      inMail: span.nullable().describe('Where they stand in the mail, in characters; null if they are encoded there'),
    }),
  ),
})

const recipientView = z.object({
  recipient: z.string().nullable(),
  originalRecipient: z.string().nullable(),
  action: z.string(),
  status: z.string().nullable(),
  code: z.int().nullable(),
  replyStatus: z.string().nullable(),
  reply: z.string(),
  replySource: z.string(),
  remoteMta: z.string().nullable(),
  verdict: verdictView.nullable(),
  recordedBecause: z.string().nullable().describe('Why the report would change nothing'),
})

const partView = z.object({
  type: z.string(),
  encoding: z.string(),
  depth: z.int(),
  header: span.describe('The place of the header in the mail, in characters'),
  body: span,
})

const explainView = z.object({
  kind: z.string().describe('`reply`, or the kind of report'),
  format: z.string().nullable(),
  from: z.string().nullable(),
  subject: z.string().nullable(),
  reportingMta: z.string().nullable(),
  indicators: z.array(z.string()).describe('What speaks for a delivery report'),
  score: z.number().nullable(),
  parts: z.array(partView),
  defects: z.array(z.string()),
  recipients: z.array(recipientView),
})

/** A tree of more parts helps no reader. */
const MAX_PARTS = 200

const body = strictObject(replyFields).refine(({ reply, mail }) => (reply === undefined) !== (mail === undefined), {
  error: 'give reply or mail',
})

export function addExplainRoutes(server: HttpServer, { getRules, getOwnDomains, authorizer }: ExplainRouteDependencies): void {
  const schema = {
    summary: 'Explain a reply or a mail',
    tags: ['rules'],
    querystring: strictObject(operatorQuery),
    body,
    response: { 200: explainView },
  }
  server.post('/v1/explain', { schema, config: { permission: 'read' } }, async (request) => {
    await authorizer.requireAccountOrOperator(request)
    const { reply, mail, mx, recipient } = request.body
    if (mail !== undefined) return runInOwnSlice(() => explainMail(getRules(), mail, getOwnDomains()))
    return explainReply(getRules(), reply ?? '', { mx, recipient })
  })
}

type ExplainView = z.output<typeof explainView>

const NO_MAIL = { format: null, from: null, subject: null, reportingMta: null, indicators: [], score: null, parts: [], defects: [] }

function explainReply(
  table: RuleTable,
  text: string,
  { mx, recipient }: { readonly mx: string | undefined; readonly recipient: string | undefined },
): ExplainView {
  const input = classifierInputOfText(text, providerHintsOf({ mx, recipient }))
  const { code, status, text: reply } = input.reply
  const described = {
    recipient: recipient ?? null,
    originalRecipient: null,
    action: 'failed',
    status: null,
    code,
    replyStatus: status,
    reply,
  }
  const verdict = toVerdictView(classify(table, input), null)
  return {
    ...NO_MAIL,
    kind: 'reply',
    recipients: [{ ...described, replySource: 'text', remoteMta: mx ?? null, verdict, recordedBecause: null }],
  }
}

function explainMail(table: RuleTable, mail: string, ownDomains: readonly string[]): ExplainView {
  const raw = Buffer.from(mail, 'utf8')
  const report = parseReport(raw)
  const { kind, format, from, subject, reportingMta, defects } = report
  const recognition = explainRecognition(raw)
  return {
    kind,
    format,
    from,
    subject,
    reportingMta,
    indicators: [...(recognition?.indicators ?? [])],
    score: recognition?.score ?? null,
    parts: partViews(raw, parseMime(raw).root),
    defects: [...defects],
    recipients: explainReport(table, report, ownDomains).map((each) => toRecipientView(each, mail)),
  }
}

function partViews(raw: Buffer, root: MimePart): z.output<typeof partView>[] {
  const views: z.output<typeof partView>[] = []
  // Offsets are in bytes; the mail was sent as text, so its reader counts characters. Offsets rise, so each byte is decoded once.
  let [byte, character] = [0, 0]
  const characterAt = (offset: number): number => {
    if (offset < byte) return raw.toString('utf8', 0, offset).length
    character += raw.toString('utf8', byte, offset).length
    byte = offset
    return character
  }
  const visit = (part: MimePart): void => {
    if (views.length >= MAX_PARTS) return
    const { type, encoding, depth, headerStart, bodyStart, bodyEnd } = part
    const [headerFrom, bodyFrom] = [characterAt(headerStart), characterAt(bodyStart)]
    const view = { type, encoding, depth, header: { from: headerFrom, to: bodyFrom }, body: { from: bodyFrom, to: bodyFrom } }
    views.push(view)
    part.children.forEach(visit)
    view.body.to = characterAt(bodyEnd)
  }
  visit(root)
  return views
}

function toRecipientView({ recipient: group, verdict, recordedBecause }: ExplainedRecipient, mail: string): z.output<typeof recipientView> {
  const { recipient, originalRecipient, action, status, reply, replySource, remoteMta } = group
  return {
    recipient,
    originalRecipient,
    action,
    status,
    code: reply.code,
    replyStatus: reply.status,
    reply: reply.text,
    replySource,
    remoteMta,
    verdict: verdict === null ? null : toVerdictView(verdict, mail),
    recordedBecause,
  }
}

function toVerdictView(verdict: Verdict, mail: string | null): z.output<typeof verdictView> {
  const { evidence, rule, table, reason, permanence, subStatus, fault, weak, deferral, backoffClass } = verdict
  const { text, provider, providerFrom, permanenceFrom } = evidence
  const matched = evidence.matched.map((words) => {
    const inText = findWords(text, words)
    return { words, inText, inMail: inText === null || mail === null ? null : placeInMail(mail, text.slice(inText.from, inText.to)) }
  })
  return {
    rule,
    table,
    provider,
    providerFrom,
    reason,
    permanence,
    permanenceFrom,
    subStatus,
    fault,
    weak,
    deferral,
    backoffClass,
    text,
    matched,
  }
}

/** The first place of words in a mail, whose lines may be folded between them. */
function placeInMail(mail: string, words: string): z.output<typeof span> | null {
  const pattern = words
    .split(/\s+/)
    .map((word) => RegExp.escape(word))
    .join('\\s{1,8}')
  const found = new RegExp(pattern, 'i').exec(mail)
  return found === null ? null : { from: found.index, to: found.index + found[0].length }
}
