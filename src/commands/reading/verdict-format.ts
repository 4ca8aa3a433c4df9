/**
 * verdict-format - formats a verdict with its evidence for people
 *
 * See also: commands/reading/explain, commands/reading/rules.
 */
import type { Verdict } from '../../classify/verdict.ts'
import { formatColumns, toSingleLine } from '../output.ts'

/** Where the permanence comes from. */
const PERMANENCE_LABELS = {
  rule: 'set by the rule',
  reason: 'set by the reason, whatever the code',
  'reply-code': 'first digit of the remote reply',
  'reply-status': 'enhanced code of the remote reply',
  'report-status': 'Status of the report alone: weak, adds to no list',
  'reply-words': 'no code: the words of the remote reply',
  default: 'no code: the default of the reason',
} as const satisfies Record<Verdict['evidence']['permanenceFrom'], string>

/** Rule, evidence and meaning, one a line. */
export function verdictLines(verdict: Verdict): string[] {
  return formatColumns(verdictRows(verdict))
}

/** The same as rows of two cells. */
export function verdictRows(verdict: Verdict): string[][] {
  const { evidence } = verdict
  const provider = evidence.provider === null ? '' : `, provider ${evidence.provider} by ${evidence.providerFrom}`
  return [
    ['rule', `${verdict.rule} (table ${verdict.table}${provider})`],
    ['matched', evidence.matched.length === 0 ? 'nothing' : evidence.matched.map((words) => `"${words}"`).join(', ')],
    ['read', `"${toSingleLine(evidence.text)}"`],
    [
      'means',
      `${verdict.reason}, ${verdict.permanence} (${PERMANENCE_LABELS[evidence.permanenceFrom]}) → ${verdict.subStatus}, fault: ${verdict.fault}`,
    ],
    ...(verdict.weak ? [['weak', 'based only on the Status that the reporter wrote: changes a status, adds to no list']] : []),
    ...(verdict.deferral ? [['deferral', 'the sender of the report may try again']] : []),
    ...(verdict.backoffClass === null ? [] : [['pause', verdict.backoffClass]]),
  ]
}
