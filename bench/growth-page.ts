/**
 * growth-page - writes the figures of bench/growth into docs: a table in PERFORMANCE.md, and a plot beside it
 *
 * The table is between two comments of the page. See also: bench/growth-plot.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { COSTS, type CostName, type CostValues } from './growth-costs.ts'
import { plotGrowth } from './growth-plot.ts'

export type MeasuredSize = { readonly size: number; readonly values: CostValues }

const DOCS = join(import.meta.dirname, '../docs')
const [BEGIN, END] = ['<!-- npm run bench -- growth --write -->\n', '<!-- end -->']

/** Writes both files. Throws if the page has no place for the table. */
export function writeGrowthPage(measured: readonly MeasuredSize[]): void {
  const file = join(DOCS, 'PERFORMANCE.md')
  const page = readFileSync(file, 'utf8')
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${file} has no place for the table: ${BEGIN.trim()} … ${END}`)
  writeFileSync(file, `${page.slice(0, from)}${BEGIN}${formatTable(measured)}${page.slice(to)}`)
  const names = costNames()
  const panels = [...new Set(names.map((name) => COSTS[name].panel))].map((title) => ({
    title,
    costs: names
      .filter((name) => COSTS[name].panel === title)
      .map((name) => ({ name, values: measured.map(({ values }) => values[name] ?? NaN) })),
  }))
  writeFileSync(
    join(DOCS, 'images/growth.svg'),
    plotGrowth(
      measured.map(({ size }) => size),
      panels,
    ),
  )
}

// Checked cast: the keys are those of the table.
const costNames = (): readonly CostName[] => Object.keys(COSTS) as CostName[]

/** A cost that was not measured at a size is a dash. */
const format = (value: number): string =>
  Number.isNaN(value) ? '–' : value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(value >= 10 ? 1 : 2)

function formatTable(measured: readonly MeasuredSize[]): string {
  const sizes = measured.map(({ size }) => size.toLocaleString('en-US'))
  const rows = costNames().map((name) => {
    const values = measured.map(({ values: each }) => each[name] ?? NaN)
    const ratio = (values.at(-1) ?? NaN) / (values[0] ?? NaN)
    return [name, COSTS[name].unit, ...values.map(format), Number.isNaN(ratio) ? '–' : `${format(ratio)} ×`]
  })
  const header = ['cost', 'unit', ...sizes, 'last against first']
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}
