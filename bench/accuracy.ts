/**
 * accuracy - how well labelled mails are read and classified: with all rules, without each provider's file, and without rules
 *
 * Uses the labels of the corpus if it exists, else those of our fixtures. The columns are percentages: bounces recognised, recipients exact, cause right
 * (the last digit of the sub status), status as labelled, complaints recognised, and verdicts that no rule made (`other`).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { classify } from '../src/classify/classify.ts'
import { compileRuleTable } from '../src/classify/rule-evidence.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import type { RuleTable } from '../src/classify/rule-table.ts'
import { readRuleFolder, SHIPPED_RULES } from '../src/config/rule-folder.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import type { Report } from '../src/mail/report.ts'
import type { Figure } from './figure.ts'
import { mailFolders } from './mails.ts'

type Label = { readonly kind: string; readonly causes: readonly number[] | null }
type Case = { readonly report: Report; readonly label: Label }
type Score = { readonly cause: number; readonly other: number; readonly cases: number }

export async function accuracy(): Promise<readonly Figure[]> {
  const cases = loadCases()
  const files = readRuleFolder(SHIPPED_RULES, 'shipped')
  const generic = new Set(['common', 'standard'])
  const scoreWithout = (leftOut: (provider: string) => boolean): Score =>
    score(
      cases,
      compileRuleTable(
        files.filter((file) => generic.has(file.provider) || !leftOut(file.provider)),
        { evidence: 'skip' },
      ),
    )
  const full = scoreWithout(() => false)
  const genericOnly = scoreWithout(() => true)
  const lossByProvider = files
    .filter((file) => !generic.has(file.provider))
    .map((file) => ({ provider: file.provider, lost: full.cause - scoreWithout((provider) => provider === file.provider).cause }))
    .filter(({ lost: lostPoints }) => lostPoints !== 0)
    .toSorted((a, b) => b.lost - a.lost)
  return [
    ...recognitionFigures(cases),
    { figure: `cause right, all rules (${full.cases} labelled bounces)`, value: full.cause, unit: '%', target: '>= 96' },
    { figure: 'cause right, no provider file', value: genericOnly.cause, unit: '%', target: '>= 85' },
    { figure: 'verdicts that are `other`, all rules', value: full.other, unit: '%' },
    { figure: 'verdicts that are `other`, no provider file', value: genericOnly.other, unit: '%' },
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

function score(cases: readonly Case[], table: RuleTable): Score {
  let right = 0
  let relevant = 0
  let other = 0
  let verdicts = 0
  for (const { report, label } of cases) {
    if (label.kind !== 'bounce' || label.causes === null) continue
    const found = report.recipients.map((recipient) => classify(table, classifierInputOfReport(recipient)))
    verdicts += found.length
    other += found.filter((verdict) => verdict.reason === 'other').length
    relevant++
    if (found.length > 0 && found.every((verdict) => label.causes?.includes(verdict.subStatus % 10))) right++
  }
  return { cause: (100 * right) / relevant, other: (100 * other) / verdicts, cases: relevant }
}

function loadCases(): readonly Case[] {
  return mailFolders().flatMap(({ folder }) => {
    const labels = labelsOf(folder)
    return [...labels].map(([file, label]) => ({ report: parseReport(readFileSync(join(folder, file))), label }))
  })
}

/** Reads `labels.jsonl` beside the folder, or a .json beside each mail. */
function labelsOf(folder: string): ReadonlyMap<string, Label> {
  const together = join(folder, '../labels.jsonl')
  if (existsSync(together)) {
    const rows: readonly unknown[] = readFileSync(together, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line))
    return new Map(
      rows.map((row) => [String(field(row, 'file')), { kind: String(field(row, 'kind')), causes: numbers(field(row, 'causes')) }]),
    )
  }
  const mails = readdirSync(folder).filter((file) => file.endsWith('.eml'))
  return new Map(
    mails.map((file) => {
      const row: unknown = JSON.parse(readFileSync(join(folder, file.replace(/eml$/, 'json')), 'utf8'))
      const recipients = field(row, 'recipients')
      const causes = Array.isArray(recipients)
        ? recipients.map((each: unknown) => Number(field(each, 'subStatus')) % 10).filter((digit) => !Number.isNaN(digit))
        : []
      return [file, { kind: String(field(row, 'kind')), causes: causes.length > 0 ? causes : null }]
    }),
  )
}

const field = (row: unknown, name: string): unknown => (typeof row === 'object' && row !== null ? Reflect.get(row, name) : undefined)
const numbers = (value: unknown): readonly number[] | null => (Array.isArray(value) ? value.map(Number) : null)
