/**
 * reclassify-format - formats what a reclassification found or changed for people
 *
 * See also: commands/reading/reclassify, ledger/decide/reclassification-summary.
 */
import type { Meaning, ReclassificationSample, ReclassificationSummary } from '../../ledger/decide/reclassification-summary.ts'
import type { ReclassificationRow } from '../../store/reclassifications.ts'
import { formatColumns, toSingleLine } from '../output.ts'

/** More lines do not help a reader; the API has them all. */
const MAX_GROUPS = 40
const MAX_SAMPLES = 12

type AccountNames = ReadonlyMap<number, string>

const nameOf = (names: AccountNames, account: number): string => (account === 0 ? 'shared list' : (names.get(account) ?? String(account)))
const meaningText = ({ status, subStatus, reason, permanence }: Meaning): string =>
  `${status}/${subStatus ?? '-'} ${reason ?? '-'} ${permanence ?? '-'}`

/** Counts by account and change, list changes, and samples with both verdicts. */
export function reclassificationLines(job: ReclassificationRow, names: AccountNames): readonly string[] {
  const isDryRun = job.state === 'checked' || job.state === 'checking' || (job.appliedBy === null && job.state !== 'applied')
  const summary = isDryRun ? job.preview : job.outcome
  const verb = isDryRun ? 'would change' : 'changed'
  return [
    `reclassification ${job.jobId}: ${job.state}${job.error === null ? '' : `: ${job.error}`}`,
    job.undoes === null ? `rule table ${job.tableVersion}` : `undoes ${job.undoes}`,
    `${summary.examined} failures since ${new Date(job.since).toISOString()}, ${summary.changed} ${verb}, ${summary.unreadable} with too little text stored`,
    ...groupLines(summary, names),
    ...listLines(summary, { names, isDryRun }),
    ...(isDryRun ? job.samples.slice(0, MAX_SAMPLES).flatMap(sampleLines) : []),
  ]
}

function groupLines({ groups }: ReclassificationSummary, names: AccountNames): readonly string[] {
  const shown = groups.toSorted((a, b) => b.n - a.n).slice(0, MAX_GROUPS)
  const cells = shown.map(({ account, from, to, n, deliveries }) => [
    `  ${nameOf(names, account)}`,
    meaningText(from),
    `→ ${meaningText(to)}`,
    `${n} failures`,
    `${deliveries} deliveries with another status`,
  ])
  return [...formatColumns(cells), ...(groups.length > shown.length ? [`  and ${groups.length - shown.length} more`] : [])]
}

const LIST_VERBS = { remove: 'removed', add: 'made', hold: 'made and held for review' } as const

function listLines(
  { lists }: ReclassificationSummary,
  { names, isDryRun }: { readonly names: AccountNames; readonly isDryRun: boolean },
): readonly string[] {
  return lists.map(
    ({ account, action, n }) =>
      `  ${nameOf(names, account)}: ${n} entries of the bounce list ${isDryRun ? 'could be ' : ''}${LIST_VERBS[action]}`,
  )
}

function sampleLines({ emailId, domain, from, to, isStatusChanged }: ReclassificationSample): readonly string[] {
  const lineOf = (verdict: ReclassificationSample['from']): string =>
    `${meaningText(verdict)} by ${verdict.rule} (${verdict.matched.map((words) => `"${toSingleLine(words)}"`).join(', ') || 'nothing matched'})`
  return [
    '',
    `  ${emailId === null ? domain : toSingleLine(emailId)}${isStatusChanged ? '' : ' (a later fact decides its status)'}`,
    `    reply  ${toSingleLine(to.text)}`,
    `    old    ${lineOf(from)}`,
    `    new    ${lineOf(to)}`,
  ]
}
