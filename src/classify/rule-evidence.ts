/**
 * rule-evidence - checks each rule against the replies that it must and must not decide
 *
 * `compileRuleTable` creates every table in use. If another rule decides a rule's hits, or a rule decides its own misses, the whole table
 * is refused. The shipped rules are checked in the shipped table alone, because an operator's rules may override them.
 *
 * Pure. See also: classify/rule-grammar (syntax of evidence), classify/rule-table.
 */
import { Fault } from '../errors.ts'
import type { SmtpReply } from '../mail/smtp/reply.ts'
import { classifyForProvider } from './classify.ts'
import type { ParsedEvidence, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import { collectPhraseSets, findUnknownSets } from './phrase-sets.ts'
import { type IdentifiedProvider, providerByHints } from './provider.ts'
import { buildRuleTable, type RuleTable } from './rule-table.ts'
import type { ProviderHint, ClassifierInput, Verdict } from './verdict.ts'

/** A reply that was not decided as its rule says. */
type EvidenceFailure = {
  readonly file: string
  readonly id: string
  readonly kind: 'hit' | 'miss'
  readonly text: string
  /** The id of the rule that decided it. */
  readonly decidedBy: string
  readonly message: string
}

const REPLY_PREFIX = /^\s{0,20}([245]\d\d)?[\s-]{0,4}(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?[\s:-]{0,4}/

/** Parses one line of evidence: an optional code and status at the start, then text. Total. */
function readEvidence(text: string): SmtpReply {
  const front = REPLY_PREFIX.exec(text)
  return {
    code: front?.[1] === undefined ? null : Number(front[1]),
    status: front?.[2] ?? null,
    text: text.slice(front?.[0].length ?? 0).trim(),
  }
}

/** Converts a reply in the form of evidence to classifier input: the argument of `bounced rules test "550 …"`. Total. */
export function classifierInputOfText(
  text: string,
  hints: readonly ProviderHint[] = [],
  reportStatus: string | null = null,
): ClassifierInput {
  const reply = readEvidence(text)
  return { reply, reportStatus, action: 'failed', text: reply.text, hints }
}

/**
 * Classifies one piece of evidence. Evidence in a provider's file is a reply of that provider, evidence in `common` and `standard` of no
 * provider, unless it names another.
 */
export function classifyEvidence(table: RuleTable, section: string, evidence: ParsedEvidence): Verdict {
  const sample = typeof evidence === 'string' ? { text: evidence } : evidence
  const hints: ProviderHint[] = []
  if (sample.mx !== undefined) hints.push({ source: 'delivery-mx', value: sample.mx })
  if (sample.recipient !== undefined)
    hints.push({ source: 'recipient-domain', value: sample.recipient.slice(sample.recipient.lastIndexOf('@') + 1) })
  const isGeneral = section === 'common' || section === 'standard'
  const provider = sample.provider ?? (hints.length > 0 || isGeneral ? '' : section)
  const identified: IdentifiedProvider | null =
    provider === '' ? providerByHints(table.siteIndex, hints) : { provider, source: 'delivery-mx' }
  const input = classifierInputOfText(sample.text, hints, sample.status ?? null)
  const text = sample.around === undefined ? input.text : `${sample.around} ${sample.text}`
  return classifyForProvider(table, { ...input, text }, identified ?? (isGeneral ? 'no-provider' : null))
}

/** The reply of a piece of evidence. */
export const textOfEvidence = (evidence: ParsedEvidence): string => (typeof evidence === 'string' ? evidence : evidence.text)

function checkRuleEvidence(table: RuleTable, file: ParsedRuleFile, rule: ParsedRule): EvidenceFailure[] {
  const check =
    (kind: 'hit' | 'miss') =>
    (evidence: ParsedEvidence): EvidenceFailure[] => {
      const decidedBy = classifyEvidence(table, file.provider, evidence).rule
      if ((decidedBy === rule.id) === (kind === 'hit')) return []
      const text = textOfEvidence(evidence)
      const problem =
        kind === 'hit' ? `its hit ${JSON.stringify(text)} is decided by "${decidedBy}"` : `it decides its miss ${JSON.stringify(text)}`
      return [{ file: file.file, id: rule.id, kind, text, decidedBy, message: `${file.file}: rule "${rule.id}": ${problem}` }]
    }
  return [...rule.hits.flatMap(check('hit')), ...rule.misses.flatMap(check('miss'))]
}

/** Checks the evidence of every rule of the given files. Returns the failures; empty if all is well. */
export function checkEvidence(table: RuleTable, files: readonly ParsedRuleFile[] = table.files): readonly EvidenceFailure[] {
  return files.flatMap((file) => file.rules.flatMap((rule) => checkRuleEvidence(table, file, rule)))
}

/** A misspelt set name would silently remove a guard, so a complete table is refused. */
function assertKnownSets(files: readonly ParsedRuleFile[]): void {
  const sets = collectPhraseSets(files)
  for (const { file, rules } of files) {
    for (const rule of rules) {
      const [unknown] = findUnknownSets(sets, rule)
      if (unknown === undefined) continue
      throw new Fault('rule_invalid', `${file}: rule "${rule.id}": no file defines the phrase set "${unknown}"`, {
        detail: { file, id: rule.id },
      })
    }
  }
}

/** More failures have one cause: an early rule that matches too much. */
const MAX_SHOWN_FAILURES = 10

/**
 * Compiles all files into one table and checks it. Use `evidence: 'skip'` for a subset of the files, whose misses may name rules that are
 * left out, and `evidence: 'operator'` if the shipped files have been checked before. Throws rule_invalid with file, rule id and the rule that decided instead.
 */
export function compileRuleTable(
  files: readonly ParsedRuleFile[],
  { evidence = 'check' }: { readonly evidence?: 'check' | 'operator' | 'skip' } = {},
): RuleTable {
  const table = buildRuleTable(files)
  if (evidence === 'skip') return table
  assertKnownSets(files)
  const shippedFiles = evidence === 'operator' ? [] : table.files.filter((file) => file.layer === 'shipped')
  const operatorFiles = table.files.filter((file) => file.layer === 'operator')
  const failures = [
    ...(shippedFiles.length === 0 ? [] : checkEvidence(operatorFiles.length === 0 ? table : buildRuleTable(shippedFiles), shippedFiles)),
    ...checkEvidence(table, operatorFiles),
  ]
  if (failures.length === 0) return table
  const lines = failures.slice(0, MAX_SHOWN_FAILURES).map((failure) => failure.message)
  const more = failures.length > MAX_SHOWN_FAILURES ? [`and ${failures.length - MAX_SHOWN_FAILURES} more`] : []
  throw new Fault('rule_invalid', [...lines, ...more].join('\n'), { detail: { failures } })
}
