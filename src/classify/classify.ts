/**
 * classify - decides what a reply means
 *
 * The first source that decides: the remote server's own words, by the rules of its provider and of `common`; the enhanced code of the
 * reply, by `standard`; words of the reply that mean little by themselves (rules with `last`); the whole text of the report about this
 * recipient, by the same rules; the report's own Status and the bare code, by `standard`. Words come before codes because codes are
 * unreliable: sendmail wraps a 5.7.26 in 5.1.1, and Exim always writes x.0.0.
 *
 * Pure, total and deterministic: any input gives a verdict. See also: classify/rule-table, classify/permanence.
 */
import { permanenceOf, subStatusOf } from './permanence.ts'
import { MAX_RULE_TEXT_LENGTH, normaliseText } from './phrase.ts'
import { type IdentifiedProvider, providerByHints, providerByTokens } from './provider.ts'
import { type Reason, REASONS } from './reasons.ts'
import { statusClassOf, isGenericStatus } from './status-pattern.ts'
import type { Rule, RuleTable } from './rule-table.ts'
import type { ClassifierInput, Verdict } from './verdict.ts'

/** The rule id of a verdict without a rule. */
export const UNMATCHED = 'unmatched'

/** A rule that matched: in which text, by which phrases or codes, and whether the report's own Status was its only basis. */
type RuleMatch = { readonly rule: Rule; readonly text: string; readonly matched: readonly string[]; readonly restsOnReportStatus: boolean }

/** A text and the numbers of the phrases in it. */
type SearchedText = { readonly text: string; readonly phraseIds: readonly number[] }

/** A host name, not part of an address, of which a server says that it does not exist. */
const MISSING_HOST = /(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24} (?=(?:does not|doesn't) exist\b|not found\b)/g

/** Says `domain` before such a host name, so that "example.com does not exist" means a domain and no mailbox. */
const labelMissingHosts = (text: string): string =>
  text.includes(' exist') || text.includes(' not found') ? text.replace(MISSING_HOST, 'domain $&') : text

function searchText(table: RuleTable, text: string): SearchedText {
  return { text, phraseIds: text === '' ? [] : table.phraseIndex.findPhrases(labelMissingHosts(normaliseText(text))) }
}

/** The members of the condition `code` that the reply meets; null if there is a condition and none is met. */
function matchCode(rule: Rule, code: number | null): readonly string[] | null {
  if (rule.codes === null) return []
  if (code === null) return null
  return rule.codes.has(code) || rule.codes.has(`${Math.floor(code / 100)}xx`) ? [String(code)] : null
}

/** The same for the condition `status`. */
function matchStatus(rule: Rule, status: string | null): readonly string[] | null {
  if (rule.statuses === null) return []
  return status !== null && rule.statuses.some((matches) => matches(status)) ? [status] : null
}

/** Everything that one classification looks at. `allText` is searched when it is first needed. */
type RuleQuery = {
  readonly table: RuleTable
  readonly input: ClassifierInput
  readonly provider: string | null
  readonly replyText: SearchedText
  readonly allText: () => SearchedText
}

/** A text has few phrases, a rule may have hundreds. */
const includesAny = (ids: ReadonlySet<number>, phraseIds: readonly number[]): boolean => phraseIds.some((id) => ids.has(id))

/** Matches a rule without `says`, or one that says a phrase of the text. */
function matchRule({ table, input, allText }: RuleQuery, rule: Rule, { text, phraseIds }: SearchedText): RuleMatch | null {
  if (includesAny(rule.unlessIds, phraseIds)) return null
  const code = matchCode(rule, input.reply.code)
  if (code === null) return null
  const status = matchStatus(rule, input.reply.status ?? input.reportStatus)
  if (status === null) return null
  const around = rule.aroundIds.length > 0 ? rule.aroundIds.filter((id) => allText().phraseIds.includes(id)) : []
  if (rule.aroundIds.length > 0 && around.length === 0) return null
  const phrasesFound = rule.saysIds.filter((id) => phraseIds.includes(id))
  const phrases = [...phrasesFound, ...around].map((id) => table.phrases[id]?.source ?? '')
  const restsOnReportStatus = phrases.length === 0 && code.length === 0 && input.reply.status === null
  return { rule, text, matched: phrases.length > 0 ? phrases : [...status, ...code], restsOnReportStatus }
}

const NO_RULES: readonly Rule[] = []

/** The first matching rule of the provider or of `common`, in the order of the table. `isLast` selects the rules with `last`. */
function findPhraseRule(
  query: RuleQuery,
  searched: SearchedText,
  { isLast, includesCodeOnly }: { readonly isLast: boolean; readonly includesCodeOnly: boolean },
): RuleMatch | null {
  const { table, provider } = query
  let first: RuleMatch | null = null
  const search = (rules: readonly Rule[]): void => {
    for (const rule of rules) {
      // Each list is in the order of the table.
      if (first !== null && rule.order >= first.rule.order) return
      if ((rule.last === true) === isLast) first = matchRule(query, rule, searched) ?? first
    }
  }
  for (const section of provider === null ? ['common'] : [provider, 'common']) {
    for (const id of searched.phraseIds) search(table.rulesByPhrase[id]?.get(section) ?? NO_RULES)
    if (includesCodeOnly) search(table.codeOnlyRules.get(section) ?? NO_RULES)
  }
  return first
}

/** The rule of `standard` for a status or a code, unless the provider uses the status in its own way. */
function findStandardRule(
  table: RuleTable,
  { code, status, provider }: { readonly code: number | null; readonly status: string | null; readonly provider: string | null },
): Rule | null {
  if (table.ownedStatuses.get(provider ?? '')?.some((matches) => matches(status)) === true) return null
  const isMatch = (rule: Rule): boolean =>
    matchCode(rule, code) !== null && matchStatus(rule, status) !== null && (status === null) === (rule.statuses === null)
  return table.standardRules.find(isMatch) ?? null
}

/** Matches the enhanced code of the reply. `isLast` adds the rows that name a subject only, such as x.5.0. */
function matchByReplyStatus({ table, input, provider, replyText }: RuleQuery, { isLast }: { readonly isLast: boolean }): RuleMatch | null {
  const { status, code } = input.reply
  if (status === null || isGenericStatus(status)) return null
  const rule = findStandardRule(table, { status, code, provider })
  if (rule === null || rule.reason === 'other' || (rule.last === true && !isLast)) return null
  return { rule, text: replyText.text, matched: [status], restsOnReportStatus: false }
}

/** The last resort: the report's Status, then the bare code. A row with the reason `other` only counts if no row has another reason. */
function matchByCode({ table, input, provider, replyText }: RuleQuery): RuleMatch | null {
  const { reply, reportStatus } = input
  const candidates = [
    { status: reply.status, code: null, restsOnReportStatus: false },
    { status: reportStatus, code: null, restsOnReportStatus: true },
    { status: null, code: reply.code, restsOnReportStatus: false },
  ]
  const matches = candidates.flatMap(({ status, code, restsOnReportStatus }): RuleMatch[] => {
    const rule = status === null && code === null ? null : findStandardRule(table, { status, code, provider })
    return rule === null ? [] : [{ rule, text: replyText.text, matched: [status ?? String(code)], restsOnReportStatus }]
  })
  return matches.find((match) => match.rule.reason !== 'other') ?? matches[0] ?? null
}

/**
 * The rule of weak words of the reply. Words of an error without a cause, such as "service unavailable", yield to the clear words of the
 * report: Sendmail ends each transcript with them.
 */
function findWeakRule(query: RuleQuery, replyText: SearchedText, allText: () => SearchedText): RuleMatch | null {
  const weak = findPhraseRule(query, replyText, { isLast: true, includesCodeOnly: true })
  if (weak === null || weak.rule.reason !== 'server-error' || replyText === allText()) return weak
  return findPhraseRule(query, allText(), { isLast: false, includesCodeOnly: false }) ?? weak
}

/** Classifies for a known provider. `no-provider` uses `common` and `standard` only, whatever tokens the text contains. */
export function classifyForProvider(
  table: RuleTable,
  input: ClassifierInput,
  knownProvider: IdentifiedProvider | 'no-provider' | null,
): Verdict {
  const reply = searchText(table, input.reply.text)
  const isSingleText = input.text === input.reply.text
  let all: SearchedText | null = isSingleText ? reply : null
  const allText = (): SearchedText => (all ??= searchText(table, input.text))
  const replyText = reply.text === '' ? allText() : reply
  const byToken = (): IdentifiedProvider | null =>
    providerByTokens(table, replyText.phraseIds) ?? providerByTokens(table, allText().phraseIds)
  const identified = knownProvider === 'no-provider' ? null : (knownProvider ?? byToken())
  const query: RuleQuery = { table, input, provider: identified?.provider ?? null, replyText, allText }
  const match =
    findPhraseRule(query, replyText, { isLast: false, includesCodeOnly: true }) ??
    matchByReplyStatus(query, { isLast: false }) ??
    findWeakRule(query, replyText, allText) ??
    matchByReplyStatus(query, { isLast: true }) ??
    (replyText === allText() ? null : findPhraseRule(query, allText(), { isLast: false, includesCodeOnly: false })) ??
    (replyText === allText() ? null : findPhraseRule(query, allText(), { isLast: true, includesCodeOnly: false })) ??
    matchByCode(query)
  return verdictOf(query, match, identified)
}

/**
 * Classifies one reply or one recipient of a report. Total and deterministic.
 *
 *     classify(table, classifierInputOfText('550 5.1.1 No such user'))   → { reason: 'not-exist', permanence: 'permanent', … }
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
  const { permanence, from: permanenceFrom } = permanenceOf({
    rulePermanence,
    reason,
    code,
    status,
    reportStatus: input.reportStatus,
    replyText: input.reply.text,
  })
  return {
    reason,
    fault: REASONS[reason].fault,
    permanence,
    subStatus: subStatusOf({ reason, permanence, policy: 'by-permanence', asynchronous: true }),
    weak: permanenceFrom === 'report-status' || match?.restsOnReportStatus === true,
    deferral: isDeferral(rule, input),
    rule: rule?.id ?? UNMATCHED,
    table: table.version,
    backoffClass: rule?.pause ?? null,
    evidence: {
      matched: match?.matched ?? [],
      text: (match?.text ?? replyText.text).slice(0, MAX_RULE_TEXT_LENGTH),
      code,
      status,
      permanenceFrom,
      provider: identified?.provider ?? null,
      providerFrom: identified?.source ?? null,
    },
  }
}
