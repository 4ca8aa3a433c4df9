/**
 * rule-evidence - no rule without replies that it decides and replies that it leaves alone
 *
 * compileTable is the door through which every table passes: a rule whose hits another rule decides, or which takes its own misses, stops the whole
 * table. The shipped rules are shown to the shipped table alone, because an operator's rules are there to overrule them.
 *
 * Pure. See also: classify/rule-grammar (how evidence is written), classify/rule-table.
 */
import { Fault } from '../errors.ts'
import type { Reply } from '../mail/smtp/reply.ts'
import { classifyFor } from './classify.ts'
import type { ParsedEvidence, ParsedRule, ParsedRuleFile } from './rule-grammar.ts'
import { type ProviderName, providerOfClues } from './provider.ts'
import { buildTable, type RuleTable } from './rule-table.ts'
import type { ProviderClue, Subject, Verdict } from './verdict.ts'

/** One reply that did not do what its rule says of it. */
export type EvidenceFault = {
  readonly file: string
  readonly id: string
  readonly kind: 'hit' | 'miss'
  readonly text: string
  /** The rule that decided. */
  readonly decidedBy: string
  readonly message: string
}

const REPLY = /^\s{0,20}([245]\d\d)?[\s-]{0,4}(?:#?([245]\.\d{1,3}\.\d{1,3})\b)?[\s:-]{0,4}/

/** Reads one line of evidence: a code and a status at its front, where they are, and words. Total. */
export function readEvidence(text: string): Reply {
  const front = REPLY.exec(text)
  return {
    code: front?.[1] === undefined ? null : Number(front[1]),
    status: front?.[2] ?? null,
    text: text.slice(front?.[0].length ?? 0).trim(),
  }
}

/** A reply in the form of evidence as a subject: what `bounced rules test "550 …"` asks. `clues` say whose it is. Total. */
export function subjectOfText(text: string, clues: readonly ProviderClue[] = [], reportStatus: string | null = null): Subject {
  const reply = readEvidence(text)
  return { reply, reportStatus, action: 'failed', text: reply.text, clues }
}

/**
 * What the table says of one piece of evidence. A provider's file speaks of its own replies, common and standard of nobody's, unless the
 * evidence names another.
 */
function judge(table: RuleTable, section: string, evidence: ParsedEvidence): Verdict {
  const given = typeof evidence === 'string' ? { text: evidence } : evidence
  const clues: ProviderClue[] = []
  if (given.mx !== undefined) clues.push({ source: 'delivery-mx', value: given.mx })
  if (given.recipient !== undefined)
    clues.push({ source: 'recipient-domain', value: given.recipient.slice(given.recipient.lastIndexOf('@') + 1) })
  const isGeneral = section === 'common' || section === 'standard'
  const provider = given.provider ?? (clues.length > 0 || isGeneral ? '' : section)
  const named: ProviderName | null = provider === '' ? providerOfClues(table.sites, clues) : { provider, from: 'delivery-mx' }
  const subject = subjectOfText(given.text, clues, given.status ?? null)
  const text = given.around === undefined ? subject.text : `${given.around} ${given.text}`
  return classifyFor(table, { ...subject, text }, named ?? (isGeneral ? 'nobody' : null))
}

const textOf = (evidence: ParsedEvidence): string => (typeof evidence === 'string' ? evidence : evidence.text)

function faultsOf(table: RuleTable, file: ParsedRuleFile, rule: ParsedRule): EvidenceFault[] {
  const check =
    (kind: 'hit' | 'miss') =>
    (evidence: ParsedEvidence): EvidenceFault[] => {
      const decidedBy = judge(table, file.provider, evidence).rule
      if ((decidedBy === rule.id) === (kind === 'hit')) return []
      const text = textOf(evidence)
      const what =
        kind === 'hit' ? `its hit ${JSON.stringify(text)} is decided by "${decidedBy}"` : `it takes its miss ${JSON.stringify(text)}`
      return [{ file: file.file, id: rule.id, kind, text, decidedBy, message: `${file.file}: rule "${rule.id}": ${what}` }]
    }
  return [...rule.hits.flatMap(check('hit')), ...rule.misses.flatMap(check('miss'))]
}

/** Shows every rule of the given files its evidence in the table. Returns what failed, empty when all is well. */
export function checkEvidence(table: RuleTable, files: readonly ParsedRuleFile[] = table.files): readonly EvidenceFault[] {
  return files.flatMap((file) => file.rules.flatMap((rule) => faultsOf(table, file, rule)))
}

/** More faults than these are one fault: an early rule that takes everything. */
const SHOWN = 10

/**
 * All files as one table. `evidence: 'skip'` is for subsets (a table without one provider, a bench): misses may name what is left out.
 * Throws rule_invalid with file, rule id and the rule that decided instead.
 */
export function compileTable(
  files: readonly ParsedRuleFile[],
  { evidence = 'check' }: { readonly evidence?: 'check' | 'skip' } = {},
): RuleTable {
  const table = buildTable(files)
  if (evidence === 'skip') return table
  const shipped = table.files.filter((file) => file.layer === 'shipped')
  const own = table.files.filter((file) => file.layer === 'operator')
  const faults = [...checkEvidence(own.length === 0 ? table : buildTable(shipped), shipped), ...checkEvidence(table, own)]
  if (faults.length === 0) return table
  const lines = faults.slice(0, SHOWN).map((fault) => fault.message)
  const more = faults.length > SHOWN ? [`and ${faults.length - SHOWN} more`] : []
  throw new Fault('rule_invalid', [...lines, ...more].join('\n'), { detail: { faults } })
}
