/**
 * library - what the package exports: reading reports and classifying replies, without a daemon and without a store
 *
 * Only pure folders and the reader of rule files are loaded. The shipped rules are read with the first classification.
 * See also: package/README.md (examples), correlate/classification, http/api/rules/classify (the same by HTTP).
 */
import type { RuleTable } from './classify/rule-table.ts'
import { loadRules } from './config/rule-files.ts'
import { type Classification, classifyReply, classifyReport, type ReplyToClassify } from './correlate/classification.ts'
import { parseReport } from './mail/report-parser.ts'
import type { Report } from './mail/report.ts'

export type { Classification, RecipientClassification, ReplyToClassify } from './correlate/classification.ts'
export type { ComplaintReport, DsnAction, OriginalMessage, RecipientReport, Report, ReportKind, TlsReportMail } from './mail/report.ts'

/** Classifies a reply as a server sends it, or each recipient of a report. */
export type Classify = (input: string | ReplyToClassify | Report) => Classification

/**
 * Reads a mail that came back: a bounce, a complaint, an auto-reply. Any bytes give a report; what is absent is null. A string is taken as
 * UTF-8.
 *
 *     readReport(readFileSync('bounce.eml')).kind → 'bounce'
 */
export function readReport(mail: Uint8Array | string): Report {
  return parseReport(typeof mail === 'string' ? Buffer.from(mail) : mail)
}

/**
 * Says what a reply or a report means, by the shipped rules.
 *
 *     classify('550 5.1.1 No such user').recipients[0].reason → 'not-exist'
 */
export const classify: Classify = createClassifier()

/** The same with a folder of your own rules, which are tried before the shipped ones. Throws with the first call if a rule is not valid. */
export function createClassifier({ rulesFolder = null }: { readonly rulesFolder?: string | null } = {}): Classify {
  let table: RuleTable | null = null
  return (input) => {
    table ??= loadRules({ own: rulesFolder })
    if (typeof input === 'string') return classifyReply(table, { reply: input })
    return 'reply' in input ? classifyReply(table, input) : classifyReport(table, input)
  }
}
