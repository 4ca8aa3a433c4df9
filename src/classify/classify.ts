/**
 * classify - what a reply means
 *
 * The first that decides: the remote server's own words, by its provider's rules and by `common`; its enhanced code, by `standard`; its words that mean
 * little alone (rules marked `last`); all words of the report about this recipient, by the same rules; the report's own Status and
 * the bare code, by `standard`. Words come before codes because codes lie: sendmail says 5.1.1 around a 5.7.26, and Exim always x.0.0.
 *
 * Pure and total: any subject gives a verdict, and the same one each time. See also: classify/rule-table, classify/permanence.
 */
import { permanenceOf, subStatusOf } from './permanence.ts'
import { MAX_RULE_TEXT_LENGTH, normaliseText } from './phrase.ts'
import { type IdentifiedProvider, providerByHints, providerByTokens } from './provider.ts'
import { type Reason, REASONS } from './reasons.ts'
import { statusClassOf, isGenericStatus } from './status-pattern.ts'
import type { Rule, RuleTable } from './rule-table.ts'
import type { ClassifierInput, Verdict } from './verdict.ts'

/** The rule id of a verdict that no rule made. */
const UNMATCHED = 'unmatched'

/** A rule that held: on which text, by which phrases or codes, and whether the report's own Status was all it had. */
type RuleMatch = { readonly rule: Rule; readonly text: string; readonly matched: readonly string[]; readonly restsOnReportStatus: boolean }

/** What one text holds. */
type SearchedText = { readonly text: string; readonly phraseIds: readonly number[] }

function searchText(table: RuleTable, text: string): SearchedText {
  return { text, phraseIds: text === '' ? [] : table.phraseIndex.findPhrases(normaliseText(text)) }
}

/** The members of a rule's condition that the reply meets; null if there is a condition and none is met. */
function matchCode(rule: Rule, code: number | null): readonly string[] | null {
  if (rule.codes === null) return []
  if (code === null) return null
  return rule.codes.has(code) || rule.codes.has(`${Math.floor(code / 100)}xx`) ? [String(code)] : null
}

function matchStatus(rule: Rule, status: string | null): readonly string[] | null {
  if (rule.statuses === null) return []
  return status !== null && rule.statuses.some((test) => test(status)) ? [status] : null
}

/** One question to the table: the subject, whose it is, and its two texts. `whole` is searched when it is first needed. */
type RuleQuery = {
  readonly table: RuleTable
  readonly input: ClassifierInput
  readonly provider: string | null
  readonly replyText: SearchedText
  readonly allText: () => SearchedText
}

const includesAny = (ids: readonly number[], phraseIds: readonly number[]): boolean => ids.some((id) => phraseIds.includes(id))

function matchRule({ table, input, allText }: RuleQuery, rule: Rule, { text, phraseIds }: SearchedText): RuleMatch | null {
  if (includesAny(rule.unlessIds, phraseIds)) return null
  const code = matchCode(rule, input.reply.code)
  if (code === null) return null
  const status = matchStatus(rule, input.reply.status ?? input.reportStatus)
  if (status === null) return null
  const phrasesFound = rule.saysIds.filter((id) => phraseIds.includes(id))
  if (phrasesFound.length === 0 && rule.saysIds.length > 0) return null
  if (rule.aroundIds.length > 0 && !includesAny(rule.aroundIds, allText().phraseIds)) return null
  const around = rule.aroundIds.length > 0 ? rule.aroundIds.filter((id) => allText().phraseIds.includes(id)) : []
  const phrases = [...phrasesFound, ...around].map((id) => table.phrases[id]?.source ?? '')
  const restsOnReportStatus = phrases.length === 0 && code.length === 0 && input.reply.status === null
  return { rule, text, matched: phrases.length > 0 ? phrases : [...status, ...code], restsOnReportStatus }
}

/** The first rule of the provider and of common that holds, in the table's order. `last`: the rules of words that mean little alone. */
function findPhraseRule(
  query: RuleQuery,
  searched: SearchedText,
  { last, wordless }: { readonly last: boolean; readonly wordless: boolean },
): RuleMatch | null {
  const { table, provider } = query
  const isCandidate = (rule: Rule): boolean => (rule.section === provider || rule.section === 'common') && (rule.last === true) === last
  const codeOnly = wordless ? [...(table.codeOnlyRules.get(provider ?? '') ?? []), ...(table.codeOnlyRules.get('common') ?? [])] : []
  const phraseRules = searched.phraseIds.flatMap((id) => table.rulesByPhrase[id] ?? [])
  const rules = [...phraseRules, ...codeOnly].filter(isCandidate).sort((a, b) => a.order - b.order)
  for (const rule of rules) {
    const match = matchRule(query, rule, searched)
    if (match !== null) return match
  }
  return null
}

/** What `standard` knows about a status or a code that the provider does not use in its own way. */
function findStandardRule(
  table: RuleTable,
  given: { readonly code: number | null; readonly status: string | null; readonly provider: string | null },
): Rule | null {
  if (table.ownedStatuses.get(given.provider ?? '')?.some((test) => test(given.status)) === true) return null
  const holds = (rule: Rule): boolean =>
    matchCode(rule, given.code) !== null && matchStatus(rule, given.status) !== null && (given.status === null) === (rule.statuses === null)
  return table.standardRules.find(holds) ?? null
}

/** The enhanced code inside the reply. `last`: also the rows that say no more than their subject, such as x.5.0. */
function matchByReplyStatus({ table, input, provider, replyText }: RuleQuery, { last }: { readonly last: boolean }): RuleMatch | null {
  const { status, code } = input.reply
  if (status === null || isGenericStatus(status)) return null
  const rule = findStandardRule(table, { status, code, provider })
  if (rule === null || rule.reason === 'other' || (rule.last === true && !last)) return null
  return { rule, text: replyText.text, matched: [status], restsOnReportStatus: false }
}

/** The last resort: the report's Status, then the bare code; a row that says `other` only if there is nothing better. */
function matchByCode({ table, input, provider, replyText }: RuleQuery): RuleMatch | null {
  const { reply, reportStatus } = input
  const candidates = [
    { status: reply.status, code: null, onReportStatus: false },
    { status: reportStatus, code: null, onReportStatus: true },
    { status: null, code: reply.code, onReportStatus: false },
  ]
  const matches = candidates.flatMap(({ status, code, onReportStatus: restsOnReportStatus }): RuleMatch[] => {
    const rule = status === null && code === null ? null : findStandardRule(table, { status, code, provider })
    return rule === null ? [] : [{ rule, text: replyText.text, matched: [status ?? String(code)], restsOnReportStatus }]
  })
  return matches.find((match) => match.rule.reason !== 'other') ?? matches[0] ?? null
}

/** Decides for a provider that is already known; `nobody` asks common and standard only, whatever tokens stand in the text. */
export function classifyForProvider(
  table: RuleTable,
  input: ClassifierInput,
  knownProvider: IdentifiedProvider | 'nobody' | null,
): Verdict {
  const reply = searchText(table, input.reply.text)
  const isSingleText = input.text === input.reply.text
  let all: SearchedText | null = isSingleText ? reply : null
  const allText = (): SearchedText => (all ??= searchText(table, input.text))
  const replyText = reply.text === '' ? allText() : reply
  const byToken = (): IdentifiedProvider | null =>
    providerByTokens(table, replyText.phraseIds) ?? providerByTokens(table, allText().phraseIds)
  const identified = knownProvider === 'nobody' ? null : (knownProvider ?? byToken())
  const query: RuleQuery = { table, input, provider: identified?.provider ?? null, replyText, allText }
  const match =
    findPhraseRule(query, replyText, { last: false, wordless: true }) ??
    matchByReplyStatus(query, { last: false }) ??
    findPhraseRule(query, replyText, { last: true, wordless: true }) ??
    matchByReplyStatus(query, { last: true }) ??
    (replyText === allText() ? null : findPhraseRule(query, allText(), { last: false, wordless: false })) ??
    (replyText === allText() ? null : findPhraseRule(query, allText(), { last: true, wordless: false })) ??
    matchByCode(query)
  return verdictOf(query, match, identified)
}

/**
 * The verdict on one reply or one recipient of a report. Total and deterministic.
 *
 *     classify(table, subjectOf('550 5.1.1 No such user'))   → { reason: 'not-exist', permanence: 'permanent', subStatus: 406, … }
 */
export function classify(table: RuleTable, input: ClassifierInput): Verdict {
  return classifyForProvider(table, input, providerByHints(table.siteIndex, input.hints))
}

function isDeferral(rule: Rule | null, { reply, reportStatus, action }: ClassifierInput): boolean {
  if (rule?.deferral === true) return true
  if (reply.code !== null) return reply.code >= 400 && reply.code < 500
  return (statusClassOf(reply.status) ?? statusClassOf(reportStatus)) === 4 || action === 'delayed'
}

function verdictOf({ table, input, replyText }: RuleQuery, match: RuleMatch | null, identified: IdentifiedProvider | null): Verdict {
  const rule = match?.rule ?? null
  const reason: Reason = rule?.reason ?? 'other'
  const { code, status } = input.reply
  const rulePermanence = rule?.permanence ?? (rule?.deferral === true ? 'temporary' : null)
  const { permanence, from } = permanenceOf({ rulePermanence, reason, code, status, reportStatus: input.reportStatus })
  return {
    reason,
    fault: REASONS[reason].fault,
    permanence,
    subStatus: subStatusOf({ reason, permanence, policy: 'by-permanence', asynchronous: true }),
    weak: from === 'report-status' || match?.restsOnReportStatus === true,
    deferral: isDeferral(rule, input),
    rule: rule?.id ?? UNMATCHED,
    table: table.version,
    backoffClass: rule?.pause ?? null,
    evidence: {
      matched: match?.matched ?? [],
      text: (match?.text ?? replyText.text).slice(0, MAX_RULE_TEXT_LENGTH),
      code,
      status,
      permanenceFrom: from,
      provider: identified?.provider ?? null,
      providerFrom: identified?.source ?? null,
    },
  }
}
