/**
 * export - facts, mails or a list as NDJSON or CSV on standard output
 *
 * Pages by key, so that an export of everything stays within bounded memory and holds no lock. CSV cells that a spreadsheet would take for a
 * formula are quoted as text; times are ISO 8601.
 *
 * See also: store/rebuild (pages).
 */
import type { Command } from 'commander'
import { Fault } from '../error.ts'
import type { DeliveryRow, SuppressionRow } from '../ledger/world.ts'
import { FIRST_SUBJECT, pageFactsForOperator, pageRowsForOperator } from '../store/rebuild.ts'
import type { Reader } from '../store/engine.ts'
import { DELIVERIES, SUPPRESSIONS } from '../store/schema.ts'
import { viewMoments } from '../web/moments.ts'
import { csvCell } from './csv.ts'
import type { Define } from './define.ts'
import { withStore } from './store.ts'

const PAGE = 1_000

type Source = (reader: Reader) => AsyncGenerator<object>

const SOURCES: Readonly<Record<string, Source>> = {
  mails: (reader) => rows<DeliveryRow>((after) => pageRowsForOperator(reader, DELIVERIES, after, PAGE)),
  suppressions: (reader) => rows<SuppressionRow>((after) => pageRowsForOperator(reader, SUPPRESSIONS, after, PAGE)),
  facts,
}

export const exportCommand: Define = (command) => {
  command
    .argument('<what>', Object.keys(SOURCES).join(', '))
    .option('--csv', 'CSV instead of NDJSON')
    .option('--account <number>', 'only this account')
    .action(async (what: string, options: { csv?: true; account?: string }, self: Command) => {
      const source = SOURCES[what]
      if (source === undefined) throw new Fault('bad_request', `export takes one of ${Object.keys(SOURCES).join(', ')}`)
      const account = options.account === undefined ? null : Number(options.account)
      await withStore(self, async ({ shop }) => {
        let names: readonly string[] | null = null
        for await (const stored of source(shop.engine.read)) {
          if (account !== null && Reflect.get(stored, 'account') !== account) continue
          const row = Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, viewMoments(name, value)]))
          if (options.csv && names === null) {
            names = Object.keys(row)
            await write(names.map(csvCell).join(','))
          }
          await write(names === null ? JSON.stringify(row) : names.map((name) => csvCell(row[name])).join(','))
        }
      })
    })
}

async function* rows<R extends object>(page: (after: R | null) => Promise<readonly R[]>): AsyncGenerator<R> {
  let after: R | null = null
  for (;;) {
    const found: readonly R[] = await page(after)
    yield* found
    after = found.at(-1) ?? null
    if (after === null || found.length < PAGE) return
  }
}

async function* facts(reader: Reader): AsyncGenerator<object> {
  for (const table of ['events', 'list_events'] as const) {
    for (let after = FIRST_SUBJECT; ;) {
      const page = await pageFactsForOperator(reader, table, after, PAGE)
      yield* page.facts
      if (page.next === null) break
      after = page.next
    }
  }
}

async function write(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve))
}
