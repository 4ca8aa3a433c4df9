/**
 * rules - the cost of a verdict with small and large rule tables, for average and slow texts
 *
 * The tables are generated; a fifth of their phrases have gaps. The texts are replies of our fixtures.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { classify } from '../src/classify/classify.ts'
import { compileRuleTable } from '../src/classify/rule-evidence.ts'
import { readRuleFile } from '../src/classify/rule-grammar.ts'
import { classifierInputOfReport } from '../src/classify/classifier-input.ts'
import type { ClassifierInput } from '../src/classify/verdict.ts'
import { parseReport } from '../src/mail/report-parser.ts'
import type { Figure } from './figure.ts'

const WORDS =
  'mailbox user account message server policy limit sender address domain quota blocked refused unknown relay filter delivery client host queue'.split(
    ' ',
  )

export async function rules(): Promise<readonly Figure[]> {
  const subjects = fixtureSubjects()
  const small = measure(100, subjects)
  const large = measure(1_000, subjects)
  return [
    { figure: 'verdict with 100 rules, mean', value: small.mean, unit: 'µs' },
    {
      figure: 'verdict with 1,000 rules, mean',
      value: large.mean,
      unit: 'µs',
      beside: '100 rules',
      ratio: large.mean / small.mean,
      target: '<= 2',
    },
    {
      figure: 'verdict with 1,000 rules, 99th percentile',
      value: large.p99,
      unit: 'µs',
      beside: '100 rules, 99th percentile',
      ratio: large.p99 / small.p99,
      target: '<= 2',
    },
  ]
}

function fixtureSubjects(): readonly ClassifierInput[] {
  const folder = join(import.meta.dirname, '../fixtures/mails')
  const mails = readdirSync(folder).filter((file) => file.endsWith('.eml'))
  return mails.flatMap((file) =>
    parseReport(readFileSync(join(folder, file))).recipients.map((recipient) => classifierInputOfReport(recipient)),
  )
}

function tableOf(count: number): ReturnType<typeof compileRuleTable> {
  const rule = Array.from({ length: count }, (_, n) => {
    const pick = (by: number): string => WORDS[(n * by + by) % WORDS.length] ?? ''
    const says = n % 5 === 0 ? `${pick(3)} ${n} * ${pick(7)}` : `${pick(3)} ${pick(7)} ${n}`
    return { id: `made-${n}`, reason: 'policy', says: [says], hits: [`550 ${says.replace('*', 'x')}`], misses: ['550 nothing of the kind'] }
  })
  return compileRuleTable([readRuleFile({ file: 'common.toml', layer: 'shipped' }, { provider: 'common', rule })])
}

/** Microseconds for a verdict: the mean, and the 99th percentile of the texts (the best of five for each). */
function measure(count: number, subjects: readonly ClassifierInput[]): { mean: number; p99: number } {
  const table = tableOf(count)
  const best = subjects.map(() => Infinity)
  for (let round = 0; round < 200; round++) {
    for (const [n, subject] of subjects.entries()) {
      const began = performance.now()
      classify(table, subject)
      if (round >= 20) best[n] = Math.min(best[n] ?? Infinity, (performance.now() - began) * 1000)
    }
  }
  const sorted = best.toSorted((a, b) => a - b)
  return { mean: sorted.reduce((sum, each) => sum + each, 0) / sorted.length, p99: sorted[Math.floor(sorted.length * 0.99)] ?? NaN }
}
