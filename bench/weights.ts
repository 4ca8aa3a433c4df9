/**
 * weights - fits the weights of the indicators of a delivery report (src/mail/report-weights.ts) to labelled mails
 *
 *   npm run bench -- weights            prints the fit
 *   npm run bench -- weights --write    writes src/mail/report-weights.ts
 *
 * `fitWithout` fits without one corpus; bench/accuracy scores each corpus with the weights that the others give.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { explainRecognition, parseReport } from '../src/mail/report-parser.ts'
import { INDICATOR_WEIGHTS, type IndicatorId, REPORT_THRESHOLD } from '../src/mail/report-weights.ts'
import { DISPUTED_LABELS } from './disputed-labels.ts'
import type { Figure } from './figure.ts'
import { type LabelledMail, loadCorpora, loadOwnMails } from './labelled.ts'
import { type FittedModel, type Sample, fitLogistic, scoreFeatures } from './logistic.ts'

/** Chosen by cross-validation from 0.02, 0.05, 0.1, 0.3, 1 and 3. */
const PENALTY = 0.05

const REPORT_KINDS = new Set(['bounce', 'delay', 'delivered'])
const OTHER_KINDS = new Set(['other', 'auto-reply', 'complaint', 'unsubscribe', 'mdn'])

/** The indicators that speak against a report; the others speak for it. */
const AGAINST: ReadonlySet<IndicatorId> = new Set([
  'no-address',
  'no-address-and-a-reader',
  'operator-notice',
  'stranger',
  'forwarded',
  'answered',
  'person',
  'bulk',
  'answer-subject',
  'challenge',
])

export type IndicatorSample = Sample<IndicatorId> & { readonly corpus: string }

/** The indicators of every labelled mail about which no earlier reader decides. Labels of other kinds say neither. */
export function loadSamples(): readonly IndicatorSample[] {
  return [...loadCorpora(), ...loadOwnMails()].flatMap(sampleOf)
}

function sampleOf({ corpus, file, raw, label }: LabelledMail): readonly IndicatorSample[] {
  if (DISPUTED_LABELS.has(`${corpus}/${file}`)) return []
  const isPositive = REPORT_KINDS.has(label.kind)
  const recognition = isPositive || OTHER_KINDS.has(label.kind) ? explainRecognition(raw) : null
  const { format, isForwarded } = parseReport(raw)
  // Other readers recognise these.
  if (isForwarded || format === 'list-refusal') return []
  return recognition === null ? [] : [{ corpus, features: recognition.indicators, isPositive }]
}

/** The weights that the samples of all other corpora give. */
export function fitWithout(samples: readonly IndicatorSample[], corpus: string | null): FittedModel<IndicatorId> {
  const names = Object.keys(INDICATOR_WEIGHTS).filter(isIndicator)
  const directions = new Map(names.map((name) => [name, AGAINST.has(name) ? -1 : 1] as const))
  const others = samples.filter((sample) => sample.corpus !== corpus)
  return fitLogistic(others, directions, PENALTY)
}

const isIndicator = (name: string): name is IndicatorId => name in INDICATOR_WEIGHTS

export async function weights(): Promise<readonly Figure[]> {
  const samples = loadSamples()
  const model = fitWithout(samples, null)
  if (process.argv.includes('--write'))
    writeFileSync(join(import.meta.dirname, '../src/mail/report-weights.ts'), formatTable(samples, model))
  const wrong = samples.filter(({ features, isPositive }) => scoreFeatures(model, features) >= model.threshold !== isPositive)
  return [
    { figure: `mails fitted to (${samples.filter(({ isPositive }) => isPositive).length} reports)`, value: samples.length, unit: 'mails' },
    { figure: 'mails on the wrong side', value: wrong.length, unit: 'mails' },
    { figure: 'threshold (the table has the value beside it)', value: model.threshold, unit: String(REPORT_THRESHOLD) },
    ...[...model.weights].map(([name, value]) => ({ figure: `weight of ${name}`, value, unit: String(INDICATOR_WEIGHTS[name]) })),
  ]
}

function formatTable(samples: readonly IndicatorSample[], { weights: fitted, threshold }: FittedModel<IndicatorId>): string {
  const reports = samples.filter(({ isPositive }) => isPositive).length
  const corpora = new Set(samples.map(({ corpus }) => corpus)).size
  const rows = [...fitted].map(([name, value]) => `  ${/-/.test(name) ? `'${name}'` : name}: ${Number(value.toFixed(2))},`)
  return `/**
 * report-weights - the weight of each indicator of a delivery report
 *
 * Fitted, not tuned by hand: \`npm run bench -- weights --write\` makes this file by logistic regression (bench/logistic).
 * \`npm run bench -- accuracy\` scores each corpus with the weights that were fitted to the others.
 *
 * Pure data. See also: mail/report-evidence (the indicators), bench/weights.
 */

/** What the weights were fitted to: ${samples.length} mails of ${corpora} corpora, of which ${reports} are reports, with an L2 penalty of ${PENALTY}. */
export const REPORT_THRESHOLD = ${Number(threshold.toFixed(2))}

export const INDICATOR_WEIGHTS = {
${rows.join('\n')}
} as const satisfies Record<string, number>

export type IndicatorId = keyof typeof INDICATOR_WEIGHTS
`
}
