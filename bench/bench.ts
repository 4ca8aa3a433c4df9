/**
 * bench - throughput and costs of bounced, beside other programs on the same machine in the same run
 *
 *   npm run bench                 every row
 *   npm run bench -- read intake  some of them
 *   npm run bench -- --json       one JSON object for each figure
 *   npm run bench -- accuracy --corpora=../other/corpora
 *   npm run bench -- drain --queued=1000000
 *   npm run bench -- api exports --deliveries=1000000,10000000
 *   npm run bench -- growth --write
 *
 * Machines are noisy: compare the ratios. Each figure has its target beside it.
 */
import { accuracy } from './accuracy.ts'
import { api } from './api.ts'
import { disk } from './disk.ts'
import { drain } from './drain.ts'
import { exports } from './exports.ts'
import type { Figure } from './figure.ts'
import { growth } from './growth.ts'
import { hostile } from './hostile.ts'
import { intake } from './intake.ts'
import { lanes } from './lanes.ts'
import { memory } from './memory.ts'
import { read } from './read.ts'
import { rules } from './rules.ts'
import { simulate } from './simulate.ts'
import { stages } from './stages.ts'
import { statistics } from './statistics.ts'
import { tracking } from './tracking.ts'
import { weights } from './weights.ts'

/** A row that takes long yields each figure when it is measured. */
type Row = () => Promise<readonly Figure[]> | AsyncIterable<Figure>

const ROWS: Readonly<Record<string, Row>> = {
  read,
  rules,
  stages,
  intake,
  api,
  exports,
  memory,
  lanes,
  disk,
  accuracy,
  weights,
  simulate,
  statistics,
  tracking,
  drain,
  hostile,
  growth,
}

const words = process.argv.slice(2)
const asJson = words.includes('--json')
const wanted = words.filter((word) => !word.startsWith('--'))
const unknown = wanted.filter((word) => !(word in ROWS))
if (unknown.length > 0) {
  console.error(`no such row: ${unknown.join(', ')}; there are ${Object.keys(ROWS).join(', ')}`)
  process.exit(2)
}

const round = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2))

function print(found: Figure): void {
  if (asJson) {
    console.log(JSON.stringify(found))
    return
  }
  const ratio = found.ratio === undefined ? '' : `${round(found.ratio)} × ${found.beside ?? ''}`
  console.log(
    `${found.figure.padEnd(64)} ${round(found.value).padStart(9)} ${found.unit.padEnd(14)} ${ratio.padEnd(44)} ${found.target ?? ''}`,
  )
}

if (!asJson) console.log(`${'figure'.padEnd(64)} ${'value'.padStart(9)} ${'unit'.padEnd(14)} ${'ratio'.padEnd(44)} target`)
for (const [name, row] of Object.entries(ROWS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const measured = row()
  for await (const found of Symbol.asyncIterator in measured ? measured : await measured) print(found)
}
