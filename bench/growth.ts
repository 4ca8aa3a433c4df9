/**
 * growth - every cost that can depend on the size of the store, with ten thousand, a hundred thousand and a million deliveries in it
 *
 *   npm run bench -- growth --deliveries=10000000    other sizes
 *   npm run bench -- growth --parts=latency          one of the parts store, latency and queue
 *   npm run bench -- growth --results=FILE           keeps the figures of each size in FILE, so that sizes and parts can be measured in several runs
 *   npm run bench -- growth --results=FILE --write   also writes the table and the plot of docs/PERFORMANCE.md, from all sizes in FILE
 *
 * The figures of a size are printed when it is done. A million takes five minutes. Ten million takes an hour, 25 GB of disk, and
 * `NODE_OPTIONS=--max-old-space-size=12000` for the queue, which is in this process.
 *
 * See also: bench/growth-costs (how each is measured), bench/growth-page.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Figure } from './figure.ts'
import { DELIVERY_COUNTS } from './filled.ts'
import { COSTS, measureCosts, PARTS, type CostName } from './growth-costs.ts'
import { writeGrowthPage, type MeasuredSize } from './growth-page.ts'

const optionOf = (name: string): string | undefined => process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const SIZES = optionOf('deliveries') === undefined ? [10_000, 100_000, 1_000_000] : DELIVERY_COUNTS
const RESULTS = optionOf('results')

export async function* growth(): AsyncIterable<Figure> {
  let measured: readonly MeasuredSize[] = readResults()
  const parts = PARTS.filter((part) => (optionOf('parts') ?? part).split(',').includes(part))
  for (const size of SIZES) {
    const measuredNow = await measureCosts(size, parts)
    const values = { ...measured.find((other) => other.size === size)?.values, ...measuredNow }
    measured = [...measured.filter((other) => other.size !== size), { size, values }].toSorted((a, b) => a.size - b.size)
    if (RESULTS !== undefined) writeFileSync(RESULTS, JSON.stringify(measured, null, 1))
    yield* figuresOf({ size, values: measuredNow }, measured[0])
  }
  if (process.argv.includes('--write')) writeGrowthPage(measured)
}

function readResults(): readonly MeasuredSize[] {
  if (RESULTS === undefined || !existsSync(RESULTS)) return []
  // Checked cast: only this bench writes the file.
  return JSON.parse(readFileSync(RESULTS, 'utf8')) as readonly MeasuredSize[]
}

const label = (size: number): string => size.toLocaleString('en-US')

/** Each cost that was measured, beside that of the smallest store. */
function figuresOf({ size, values }: MeasuredSize, smallest: MeasuredSize | undefined): readonly Figure[] {
  // Checked cast: the keys are those of the table.
  return (Object.keys(COSTS) as CostName[]).flatMap((name) => {
    const [value, first] = [values[name], smallest?.values[name]]
    if (value === undefined) return []
    const { unit, isFlat } = COSTS[name]
    const figure = { figure: `${name}, ${label(size)}`, value, unit }
    if (smallest === undefined || smallest.size === size || first === undefined) return [figure]
    return [{ ...figure, beside: `that with ${label(smallest.size)}`, ratio: value / first, ...(isFlat ? { target: '<= 2' } : {}) }]
  })
}
