/**
 * classification - what a reply or a report means, without a store: one line for each recipient
 *
 * The answer of `bounced explain --ndjson`, of POST /v1/classify and of the package. No delivery is known, so only the report, or the hints
 * beside a reply, tell the provider. Total, pure.
 *
 * RFC 3464 §2.3.3 (actions). See also: correlate/explained-report, correlate/implied-status, classify/classify.
 */
import { classify } from '../classify/classify.ts'
import { providerHintsOf } from '../classify/classifier-input.ts'
import type { Reason } from '../classify/reasons.ts'
import { classifierInputOfText } from '../classify/rule-evidence.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import type { Permanence, Verdict } from '../classify/verdict.ts'
import type { DsnAction, RecipientReport, Report, ReportKind } from '../mail/report.ts'
import { explainReport } from './explained-report.ts'
import { impliedStatus, type ImpliedStatus } from './implied-status.ts'

/** What a report or a reply says about one recipient. Everything from `subStatus` on is null if it was neither refused nor delayed. */
export type RecipientClassification = {
  readonly recipient: string | null
  readonly action: DsnAction
  /** The reply code of the remote server. */
  readonly code: number | null
  /** The enhanced status code, and where it was read; `verdict`: none was sent, and it follows from the reason. */
  readonly status: string | null
  readonly statusFrom: ImpliedStatus['from']
  readonly subStatus: number | null
  readonly reason: Reason | null
  readonly permanence: Permanence | null
  /** Based only on the Status that the reporter wrote. */
  readonly weak: boolean | null
  /** The id of the rule that decided. */
  readonly rule: string | null
}

/** `kind` is `reply` for a reply of an SMTP server, else the kind of the report. `format`: the layout that was read. */
export type Classification = {
  readonly kind: ReportKind | 'reply'
  readonly format: string
  readonly recipients: readonly RecipientClassification[]
}

/** A reply as a server sends it, the host that sent it and the recipient that it is about. */
export type ReplyToClassify = { readonly reply: string; readonly mx?: string | undefined; readonly recipient?: string | undefined }

/** Classifies each recipient of a report. Total. */
export function classifyReport(table: RuleTable, report: Report): Classification {
  const recipients = explainReport(table, report, []).map(({ recipient, verdict }) => classificationOf(recipient, verdict))
  return { kind: report.kind, format: report.format, recipients }
}

/**
 * Classifies one reply. Total.
 *
 *     classifyReply(table, { reply: '550 5.1.1 No such user' }).recipients[0].reason → 'not-exist'
 */
export function classifyReply(table: RuleTable, { reply: text, mx, recipient }: ReplyToClassify): Classification {
  const input = classifierInputOfText(text, providerHintsOf({ mx, recipient }))
  const { reply } = input
  const action = actionOf(reply.code)
  const described: RecipientReport = {
    recipient: recipient ?? null,
    originalRecipient: null,
    action,
    status: null,
    reply,
    replySource: 'text',
    remoteMta: mx ?? null,
    text: input.text,
    lastAttemptAt: null,
    willRetryUntil: null,
  }
  const verdict = action === 'delivered' ? null : classify(table, { ...input, action })
  return { kind: 'reply', format: 'smtp', recipients: [classificationOf(described, verdict)] }
}

/** A reply without a code is quoted because something failed. */
function actionOf(code: number | null): DsnAction {
  if (code === null || code >= 500) return 'failed'
  return code >= 400 ? 'delayed' : 'delivered'
}

function classificationOf(recipient: RecipientReport, verdict: Verdict | null): RecipientClassification {
  const implied = impliedStatus(recipient, verdict)
  return {
    recipient: recipient.recipient ?? recipient.originalRecipient,
    action: recipient.action,
    code: recipient.reply.code,
    status: implied.status,
    statusFrom: implied.from,
    subStatus: verdict?.subStatus ?? null,
    reason: verdict?.reason ?? null,
    permanence: verdict?.permanence ?? null,
    weak: verdict?.weak ?? null,
    rule: verdict?.rule ?? null,
  }
}
