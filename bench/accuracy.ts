/**
 * accuracy - how well labelled mails are read and classified: each corpus by weights that the other corpora gave, and the rules with and without provider files
 *
 * Uses the labels of the corpora if they exist, else those of our fixtures. Percentages: bounces recognised, cause right (the last digit of the sub
 * status), complaints recognised, false positives, verdicts that no rule made (`other`), and verdicts that rest on a code alone (table
 * `standard`).
 */
import { classify } from '../src/classify/classify.ts'
import { classifierInputOfText, compileRuleTable } from '../src/classify/rule-evidence.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import type { RuleTable } from '../src/classify/rule-table.ts'
import type { Verdict } from '../src/classify/verdict.ts'
import { readRuleFolder, SHIPPED_RULES } from '../src/config/rule-folder.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import type { Report } from '../src/mail/report.ts'
import type { Figure } from './figure.ts'
import { type Label, loadCorpora } from './labelled.ts'
import { scoreFeatures } from './logistic.ts'
import { fitWithout, loadSamples } from './weights.ts'

type Case = { readonly corpus: string; readonly report: Report; readonly label: Label }
type Score = { readonly cause: number; readonly other: number; readonly byCode: number; readonly cases: number }

export async function accuracy(): Promise<readonly Figure[]> {
  const cases = loadCorpora().map(({ corpus, raw, label }) => ({ corpus, label, report: parseReport(raw) }))
  const files = readRuleFolder(SHIPPED_RULES, 'shipped')
  const generic = new Set(['common', 'standard'])
  const tableWithout = (leftOut: (provider: string) => boolean): RuleTable =>
    compileRuleTable(
      files.filter((file) => generic.has(file.provider) || !leftOut(file.provider)),
      { evidence: 'skip' },
    )
  const allRules = tableWithout(() => false)
  const full = score(cases, allRules)
  const genericOnly = score(
    cases,
    tableWithout(() => true),
  )
  const lossByProvider = files
    .filter((file) => !generic.has(file.provider))
    .map((file) => ({
      provider: file.provider,
      lost:
        full.cause -
        score(
          cases,
          tableWithout((provider) => provider === file.provider),
        ).cause,
    }))
    .filter(({ lost: lostPoints }) => lostPoints !== 0)
    .toSorted((a, b) => b.lost - a.lost)
  return [
    ...recognitionFigures(cases),
    ...crossValidationFigures(),
    { figure: `cause right, all rules (${full.cases} labelled bounces)`, value: full.cause, unit: '%', target: '>= 98' },
    { figure: 'cause right, no provider file', value: genericOnly.cause, unit: '%', target: '>= 85' },
    { figure: 'verdicts that are `other`, all rules', value: full.other, unit: '%' },
    { figure: 'verdicts that are `other`, no provider file', value: genericOnly.other, unit: '%' },
    ...codeFigures(cases, allRules),
    ...lossByProvider.map(({ provider, lost: lostPoints }) => ({
      figure: `cause right, lost without ${provider}`,
      value: lostPoints,
      unit: 'points',
    })),
  ]
}

function recognitionFigures(cases: readonly Case[]): readonly Figure[] {
  const share = (figure: string, of: (label: Label) => boolean, hit: (report: Report) => boolean, target: string): Figure => {
    const relevant = cases.filter(({ label }) => of(label))
    return {
      figure: `${figure} (${relevant.length})`,
      value: (100 * relevant.filter(({ report }) => hit(report)).length) / relevant.length,
      unit: '%',
      target,
    }
  }
  const isBounce = (report: Report): boolean => report.kind === 'bounce' || report.kind === 'delay'
  const isNegative = (label: Label): boolean => ['other', 'auto-reply', 'delivered'].includes(label.kind)
  return [
    share('bounces recognised', (label) => label.kind === 'bounce', isBounce, '>= 99.5'),
    share(
      'complaints recognised',
      (label) => label.kind === 'complaint',
      (report) => report.kind === 'complaint',
      '100',
    ),
    share('false positives', isNegative, (report) => isBounce(report) || report.kind === 'complaint', '0'),
  ]
}

/** Each corpus with the weights that were fitted to the others: how mail that the weights have never met is recognised. */
function crossValidationFigures(): readonly Figure[] {
  const samples = loadSamples()
  return [...new Set(samples.map(({ corpus }) => corpus))].flatMap((corpus) => {
    const model = fitWithout(samples, corpus)
    const own = samples.filter((sample) => sample.corpus === corpus)
    const share = (isPositive: boolean, figure: string, target: string): readonly Figure[] => {
      const relevant = own.filter((sample) => sample.isPositive === isPositive)
      const taken = relevant.filter(({ features }) => scoreFeatures(model, features) >= model.threshold).length
      const title = `${figure} of ${corpus}, weights of the others (${relevant.length})`
      return relevant.length === 0 ? [] : [{ figure: title, value: (100 * taken) / relevant.length, unit: '%', target }]
    }
    return [...share(true, 'reports', '>= 99.5'), ...share(false, 'false reports', '0')]
  })
}

/** The share of verdicts that rest on a code alone: of each corpus, and of the evidence of the providers' rules. */
function codeFigures(cases: readonly Case[], table: RuleTable): readonly Figure[] {
  const corpora = [...new Set(cases.map(({ corpus }) => corpus))].map((corpus) => ({
    figure: `verdicts by a code alone, ${corpus}`,
    ...score(
      cases.filter((one) => one.corpus === corpus),
      table,
    ),
  }))
  const hits = table.rules
    .filter(({ section }) => section !== 'standard')
    .flatMap((rule) => rule.hits.flatMap((hit) => (typeof hit === 'string' ? [classify(table, classifierInputOfText(hit))] : [])))
  return [
    ...corpora.filter(({ cases: count }) => count > 0).map(({ figure, byCode }) => ({ figure, value: byCode, unit: '%' })),
    { figure: `verdicts by a code alone, evidence lines (${hits.length})`, value: shareByCode(hits), unit: '%' },
  ]
}

const shareByCode = (verdicts: readonly Verdict[]): number =>
  (100 * verdicts.filter(({ rule }) => rule.startsWith('standard-')).length) / verdicts.length

function score(cases: readonly Case[], table: RuleTable): Score {
  let right = 0
  let relevant = 0
  const verdicts: Verdict[] = []
  for (const { report, label } of cases) {
    if (label.kind !== 'bounce' || label.causes === null) continue
    const found = report.recipients.map((recipient) => classify(table, classifierInputOfReport(recipient)))
    verdicts.push(...found)
    relevant++
    if (found.length > 0 && found.every((verdict) => label.causes?.includes(verdict.subStatus % 10))) right++
  }
  const other = verdicts.filter((verdict) => verdict.reason === 'other').length
  return { cause: (100 * right) / relevant, other: (100 * other) / verdicts.length, byCode: shareByCode(verdicts), cases: relevant }
}
