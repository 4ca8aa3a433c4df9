/**
 * rule-evidence - no rule without replies that it decides and replies that it leaves alone
 *
 * compileTable is the door through which every table passes: a rule whose hits another rule decides, or which takes its own misses, stops the whole
 * table. The shipped rules are shown to the shipped table alone, because an operator's rules are there to overrule them.
 *
 * Pure. See also: classify/rule-grammar (how evidence is written), classify/rule-table.
 */
import { Fault } from '../errors.ts'
import type { SmtpReply } from '../mail/smtp/reply.ts'
import { classifyForProvider } from './classify.ts'
import type { ParsedEvidence, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import { type IdentifiedProvider, providerByHints } from './provider.ts'
import { buildRuleTable, type RuleTable } from './rule-table.ts'
import type { ProviderHint, ClassifierInput, Verdict } from './verdict.ts'

/** One reply that did not do what its rule says of it. */
export type EvidenceFailure = {
  readonly file: string
  readonly id: string
  readonly kind: 'hit' | 'miss'
  readonly text: string
  /** The rule that decided. */
  readonly decidedBy: string
  readonly message: string
}

const REPLY_PREFIX = /^\s{0,20}([245]\d\d)?[\s-]{0,4}(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?[\s:-]{0,4}/

/** Reads one line of evidence: a code and a status at its front, where they are, and words. Total. */
export function readEvidence(text: string): SmtpReply {
  const front = REPLY_PREFIX.exec(text)
  return {
    code: front?.[1] === undefined ? null : Number(front[1]),
    status: front?.[2] ?? null,
    text: text.slice(front?.[0].length ?? 0).trim(),
  }
}

/** A reply in the form of evidence as a subject: what `bounced rules test "550 …"` asks. `clues` say whose it is. Total. */
export function classifierInputOfText(
  text: string,
  hints: readonly ProviderHint[] = [],
  reportStatus: string | null = null,
): ClassifierInput {
  const reply = readEvidence(text)
  return { reply, reportStatus, action: 'failed', text: reply.text, hints }
}

/**
 * What the table says of one piece of evidence. A provider's file speaks of its own replies, common and standard of nobody's, unless the
 * evidence names another.
 */
function classifyEvidence(table: RuleTable, section: string, evidence: ParsedEvidence): Verdict {
  const given = typeof evidence === 'string' ? { text: evidence } : evidence
  const hints: ProviderHint[] = []
  if (given.mx !== undefined) hints.push({ source: 'delivery-mx', value: given.mx })
  if (given.recipient !== undefined)
    hints.push({ source: 'recipient-domain', value: given.recipient.slice(given.recipient.lastIndexOf('@') + 1) })
  const isGeneral = section === 'common' || section === 'standard'
  const provider = given.provider ?? (hints.length > 0 || isGeneral ? '' : section)
  const identified: IdentifiedProvider | null =
    provider === '' ? providerByHints(table.siteIndex, hints) : { provider, source: 'delivery-mx' }
  const input = classifierInputOfText(given.text, hints, given.status ?? null)
  const text = given.around === undefined ? input.text : `${given.around} ${given.text}`
  return classifyForProvider(table, { ...input, text }, identified ?? (isGeneral ? 'nobody' : null))
}

const textOf = (evidence: ParsedEvidence): string => (typeof evidence === 'string' ? evidence : evidence.text)

function checkRuleEvidence(table: RuleTable, file: ParsedRuleFile, rule: ParsedRule): EvidenceFailure[] {
  const check =
    (kind: 'hit' | 'miss') =>
    (evidence: ParsedEvidence): EvidenceFailure[] => {
      const decidedBy = classifyEvidence(table, file.provider, evidence).rule
      if ((decidedBy === rule.id) === (kind === 'hit')) return []
      const text = textOf(evidence)
      const what =
        kind === 'hit' ? `its hit ${JSON.stringify(text)} is decided by "${decidedBy}"` : `it takes its miss ${JSON.stringify(text)}`
      return [{ file: file.file, id: rule.id, kind, text, decidedBy, message: `${file.file}: rule "${rule.id}": ${what}` }]
    }
  return [...rule.hits.flatMap(check('hit')), ...rule.misses.flatMap(check('miss'))]
}

/** Shows every rule of the given files its evidence in the table. Returns what failed, empty when all is well. */
export function checkEvidence(table: RuleTable, files: readonly ParsedRuleFile[] = table.files): readonly EvidenceFailure[] {
  return files.flatMap((file) => file.rules.flatMap((rule) => checkRuleEvidence(table, file, rule)))
}

/** More faults than these are one fault: an early rule that takes everything. */
const MAX_SHOWN_FAILURES = 10

/**
 * All files as one table. `evidence: 'skip'` is for subsets (a table without one provider, a bench): misses may name what is left out.
 * Throws rule_invalid with file, rule id and the rule that decided instead.
 */
export function compileRuleTable(
  files: readonly ParsedRuleFile[],
  { evidence = 'check' }: { readonly evidence?: 'check' | 'skip' } = {},
): RuleTable {
  const table = buildRuleTable(files)
  if (evidence === 'skip') return table
  const shippedFiles = table.files.filter((file) => file.layer === 'shipped')
  const operatorFiles = table.files.filter((file) => file.layer === 'operator')
  const failures = [
    ...checkEvidence(operatorFiles.length === 0 ? table : buildRuleTable(shippedFiles), shippedFiles),
    ...checkEvidence(table, operatorFiles),
  ]
  if (failures.length === 0) return table
  const lines = failures.slice(0, MAX_SHOWN_FAILURES).map((failure) => failure.message)
  const more = failures.length > MAX_SHOWN_FAILURES ? [`and ${failures.length - MAX_SHOWN_FAILURES} more`] : []
  throw new Fault('rule_invalid', [...lines, ...more].join('\n'), { detail: { faults: failures } })
}
