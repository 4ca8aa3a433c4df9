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
import { MAX_TEXT, normalise } from './phrase.ts'
import { type ProviderName, providerOfClues, providerOfTokens } from './provider.ts'
import { type Reason, REASONS } from './reasons.ts'
import { classOf, isBare } from './status-pattern.ts'
import type { Rule, RuleTable } from './rule-table.ts'
import type { Subject, Verdict } from './verdict.ts'

/** The rule id of a verdict that no rule made. */
const UNMATCHED = 'unmatched'

/** A rule that held: on which text, by which phrases or codes, and whether the report's own Status was all it had. */
type Hit = { readonly rule: Rule; readonly text: string; readonly matched: readonly string[]; readonly onReportStatus: boolean }

/** What one text holds. */
type Reading = { readonly text: string; readonly found: readonly number[] }

function read(table: RuleTable, text: string): Reading {
  return { text, found: text === '' ? [] : table.index.find(normalise(text)) }
}

/** The members of a rule's condition that the reply meets; null if there is a condition and none is met. */
function codeMet(rule: Rule, code: number | null): readonly string[] | null {
  if (rule.codes === null) return []
  if (code === null) return null
  return rule.codes.has(code) || rule.codes.has(`${Math.floor(code / 100)}xx`) ? [String(code)] : null
}

function statusMet(rule: Rule, status: string | null): readonly string[] | null {
  if (rule.statuses === null) return []
  return status !== null && rule.statuses.some((test) => test(status)) ? [status] : null
}

/** One question to the table: the subject, whose it is, and its two texts. `whole` is searched when it is first needed. */
type Asked = {
  readonly table: RuleTable
  readonly subject: Subject
  readonly provider: string | null
  readonly own: Reading
  readonly whole: () => Reading
}

const anyOf = (ids: readonly number[], found: readonly number[]): boolean => ids.some((id) => found.includes(id))

function tryRule({ table, subject, whole }: Asked, rule: Rule, { text, found }: Reading): Hit | null {
  if (anyOf(rule.unlessIds, found)) return null
  const code = codeMet(rule, subject.reply.code)
  if (code === null) return null
  const status = statusMet(rule, subject.reply.status ?? subject.reportStatus)
  if (status === null) return null
  const words = rule.saysIds.filter((id) => found.includes(id))
  if (words.length === 0 && rule.saysIds.length > 0) return null
  if (rule.aroundIds.length > 0 && !anyOf(rule.aroundIds, whole().found)) return null
  const around = rule.aroundIds.length > 0 ? rule.aroundIds.filter((id) => whole().found.includes(id)) : []
  const phrases = [...words, ...around].map((id) => table.phrases[id]?.source ?? '')
  const onReportStatus = phrases.length === 0 && code.length === 0 && subject.reply.status === null
  return { rule, text, matched: phrases.length > 0 ? phrases : [...status, ...code], onReportStatus }
}

/** The first rule of the provider and of common that holds, in the table's order. `last`: the rules of words that mean little alone. */
function walk(asked: Asked, reading: Reading, { last, wordless }: { readonly last: boolean; readonly wordless: boolean }): Hit | null {
  const { table, provider } = asked
  const isAsked = (rule: Rule): boolean => (rule.section === provider || rule.section === 'common') && (rule.last === true) === last
  const bare = wordless ? [...(table.wordless.get(provider ?? '') ?? []), ...(table.wordless.get('common') ?? [])] : []
  const worded = reading.found.flatMap((id) => table.rulesByPhrase[id] ?? [])
  const rules = [...worded, ...bare].filter(isAsked).sort((a, b) => a.order - b.order)
  for (const rule of rules) {
    const hit = tryRule(asked, rule, reading)
    if (hit !== null) return hit
  }
  return null
}

/** What `standard` knows about a status or a code that the provider does not use in its own way. */
function look(
  table: RuleTable,
  given: { readonly code: number | null; readonly status: string | null; readonly provider: string | null },
): Rule | null {
  if (table.owned.get(given.provider ?? '')?.some((test) => test(given.status)) === true) return null
  const holds = (rule: Rule): boolean =>
    codeMet(rule, given.code) !== null && statusMet(rule, given.status) !== null && (given.status === null) === (rule.statuses === null)
  return table.standard.find(holds) ?? null
}

/** The enhanced code inside the reply. `last`: also the rows that say no more than their subject, such as x.5.0. */
function byReplyStatus({ table, subject, provider, own }: Asked, { last }: { readonly last: boolean }): Hit | null {
  const { status, code } = subject.reply
  if (status === null || isBare(status)) return null
  const rule = look(table, { status, code, provider })
  if (rule === null || rule.reason === 'other' || (rule.last === true && !last)) return null
  return { rule, text: own.text, matched: [status], onReportStatus: false }
}

/** The last resort: the report's Status, then the bare code; a row that says `other` only if there is nothing better. */
function byCode({ table, subject, provider, own }: Asked): Hit | null {
  const { reply, reportStatus } = subject
  const tries = [
    { status: reply.status, code: null, onReportStatus: false },
    { status: reportStatus, code: null, onReportStatus: true },
    { status: null, code: reply.code, onReportStatus: false },
  ]
  const hits = tries.flatMap(({ status, code, onReportStatus }): Hit[] => {
    const rule = status === null && code === null ? null : look(table, { status, code, provider })
    return rule === null ? [] : [{ rule, text: own.text, matched: [status ?? String(code)], onReportStatus }]
  })
  return hits.find((hit) => hit.rule.reason !== 'other') ?? hits[0] ?? null
}

/** Decides for a provider that is already known; `nobody` asks common and standard only, whatever tokens stand in the text. */
export function classifyFor(table: RuleTable, subject: Subject, named: ProviderName | 'nobody' | null): Verdict {
  const reply = read(table, subject.reply.text)
  const isOne = subject.text === subject.reply.text
  let all: Reading | null = isOne ? reply : null
  const whole = (): Reading => (all ??= read(table, subject.text))
  const own = reply.text === '' ? whole() : reply
  const byToken = (): ProviderName | null => providerOfTokens(table, own.found) ?? providerOfTokens(table, whole().found)
  const name = named === 'nobody' ? null : (named ?? byToken())
  const asked: Asked = { table, subject, provider: name?.provider ?? null, own, whole }
  const hit =
    walk(asked, own, { last: false, wordless: true }) ??
    byReplyStatus(asked, { last: false }) ??
    walk(asked, own, { last: true, wordless: true }) ??
    byReplyStatus(asked, { last: true }) ??
    (own === whole() ? null : walk(asked, whole(), { last: false, wordless: false })) ??
    (own === whole() ? null : walk(asked, whole(), { last: true, wordless: false })) ??
    byCode(asked)
  return verdictOf(asked, hit, name)
}

/**
 * The verdict on one reply or one recipient of a report. Total and deterministic.
 *
 *     classify(table, subjectOf('550 5.1.1 No such user'))   → { reason: 'not-exist', permanence: 'permanent', subStatus: 406, … }
 */
export function classify(table: RuleTable, subject: Subject): Verdict {
  return classifyFor(table, subject, providerOfClues(table.sites, subject.clues))
}

function isDeferral(rule: Rule | null, { reply, reportStatus, action }: Subject): boolean {
  if (rule?.deferral === true) return true
  if (reply.code !== null) return reply.code >= 400 && reply.code < 500
  return (classOf(reply.status) ?? classOf(reportStatus)) === 4 || action === 'delayed'
}

function verdictOf({ table, subject, own }: Asked, hit: Hit | null, name: ProviderName | null): Verdict {
  const rule = hit?.rule ?? null
  const reason: Reason = rule?.reason ?? 'other'
  const { code, status } = subject.reply
  const word = rule?.permanence ?? (rule?.deferral === true ? 'temporary' : null)
  const { permanence, from } = permanenceOf({ rule: word, reason, code, status, reportStatus: subject.reportStatus })
  return {
    reason,
    fault: REASONS[reason].fault,
    permanence,
    subStatus: subStatusOf({ reason, permanence, policy: 'by-permanence', asynchronous: true }),
    weak: from === 'report-status' || hit?.onReportStatus === true,
    deferral: isDeferral(rule, subject),
    rule: rule?.id ?? UNMATCHED,
    table: table.version,
    pause: rule?.pause ?? null,
    evidence: {
      matched: hit?.matched ?? [],
      text: (hit?.text ?? own.text).slice(0, MAX_TEXT),
      code,
      status,
      permanenceFrom: from,
      provider: name?.provider ?? null,
      providerFrom: name?.from ?? null,
    },
  }
}
