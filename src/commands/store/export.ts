/**
 * export - prints rows of the store as NDJSON or CSV, and manages the export jobs of accounts
 *
 * `status`, `results`, `engagement` and `suppressions` have the columns of the export files (docs/EXPORTS.md), without a limit of time; `facts` and `mails` are complete
 * rows of the store. Reads page by page, by key, with bounded memory and without a lock, from its own connection to the store.
 *
 * See also: service/export/export-kinds, commands/store/export-jobs, store/facts/rebuild (pages).
 */
import { once } from 'node:events'
import { createGzip } from 'node:zlib'
import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { Account } from '../../store/account/accounts.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { EXPORT_KIND_NAMES } from '../../store/exports.ts'
import type { ExportCursor, ExportFilters, ExportKind } from '../../store/exports.ts'
import { BEFORE_FIRST_SUBJECT, listFactsForOperator, listRowsForOperator } from '../../store/facts/rebuild.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import { formatTimestamps } from '../../http/server/timestamps.ts'
import { csvLines } from '../../service/export/csv.ts'
import type { Cell } from '../../service/export/csv.ts'
import { EXPORT_KINDS } from '../../service/export/export-kinds.ts'
import type { ExportStep } from '../../service/export/export-kinds.ts'
import { checkFilters } from '../../service/export/exports.ts'
import { fileHead, fileLines } from '../../service/export/export-file.ts'
import { parseTimeOption } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { defineExportJobs } from './export-jobs.ts'
import { withStore } from '../with-store.ts'

const PAGE_SIZE = 1_000

const RAW_EXPORTS: Readonly<Record<string, (reader: DatabaseReader) => AsyncGenerator<object>>> = {
  mails: (reader) => pageRows<DeliveryRow>((after) => listRowsForOperator(reader, DELIVERIES, after, PAGE_SIZE)),
  facts: pageFacts,
}

const EXPORT_NAMES = [...EXPORT_KIND_NAMES, ...Object.keys(RAW_EXPORTS)].join(', ')

type Options = {
  readonly csv?: true
  readonly bom?: true
  readonly gzip?: true
  readonly account?: string
  readonly since?: string
  readonly until?: string
  readonly list?: string
  readonly broadcast?: string
  readonly status?: string
  readonly fault?: string
}

export const exportCommand: DefineCommand = (command) => {
  command
    .argument('<what>', EXPORT_NAMES)
    .option('--csv', 'CSV instead of NDJSON')
    .option('--bom', 'a byte order mark before CSV, so that Excel reads UTF-8')
    .option('--gzip', 'compress with gzip')
    .option('--account <apiUser>', 'only this account (its name or number)')
    .option('--since <time>', 'requested, entered, opened or clicked at or after (ISO 8601)')
    .option('--until <time>', 'before (ISO 8601)')
    .option('--list <list>', `suppressions: one of ${LIST_NAMES.join(', ')}; default: all`)
    .option('--broadcast <name>', 'status, results: only this broadcast')
    .option('--status <status>', 'status: 1, 4, 5 or 18')
    .option('--fault <fault>', 'status, results: only this fault; recipient for cleaning lists')
    .action(async (what: string, options: Options, self: Command) => {
      await withStore(self, async ({ context }) => {
        const { read } = context.engine
        const accounts = await accountsOf(read, options.account)
        const out = options.gzip ? createGzip() : process.stdout
        if (out !== process.stdout) out.pipe(process.stdout)
        const kind = EXPORT_KIND_NAMES.find((name) => name === what)
        if (kind !== undefined) await writeKind(read, { kind, options, accounts, now: context.now() }, out)
        else await writeRaw(read, { what, options, accounts }, out)
        if (out !== process.stdout) {
          out.end()
          await once(out, 'end')
        }
      })
    })
  defineExportJobs(command)
}

/** All accounts, or the one that is named by its name or number. Faults: not_found. */
async function accountsOf(reader: DatabaseReader, named: string | undefined): Promise<readonly Account[]> {
  const all = await listAccountsForOperator(reader)
  const found = all.filter(({ name, account }) => named === undefined || name === named || String(account) === named)
  if (found.length === 0) throw new Fault('not_found', `no account has the name "${named ?? ''}"`)
  return found
}

type ExportSelection = { readonly options: Options; readonly accounts: readonly Account[] }

async function writeKind(
  reader: DatabaseReader,
  selection: ExportSelection & { readonly kind: ExportKind; readonly now: number },
  out: Writable,
): Promise<void> {
  const { kind, options, accounts, now } = selection
  const form = { kind, format: options.csv ? ('csv' as const) : ('ndjson' as const), bom: options.bom === true }
  const span = {
    from: parseTimeOption('--since', options.since) ?? 0,
    to: parseTimeOption('--until', options.until) ?? Number.MAX_SAFE_INTEGER,
  }
  await write(out, fileHead(form))
  for (const filters of filtersOf(kind, options)) {
    for (const { account, offlineFor } of accounts) {
      if (offlineFor !== null) continue
      for (let after: ExportCursor | null = null, isFirst = true; isFirst || after !== null; isFirst = false) {
        const stride = { ...span, after, maxRows: PAGE_SIZE }
        const step: ExportStep = await EXPORT_KINDS[kind].readStep(reader, { account, filters, now, stride })
        await write(out, await fileLines(form, step.rows))
        after = step.next
      }
    }
  }
}

/** The filters of each pass: one for every list if no list is named. Faults: bad_request. */
function filtersOf(kind: ExportKind, { list, broadcast, status, fault }: Options): readonly ExportFilters[] {
  // Checked cast: a value that no column holds finds no row.
  const given = {
    ...(broadcast === undefined ? {} : { broadcast }),
    ...(status === undefined ? {} : { status: Number(status) }),
    ...(fault === undefined ? {} : { fault }),
  } as ExportFilters
  const named = LIST_NAMES.filter((each) => each === list)
  if (list !== undefined && named.length === 0) throw new Fault('bad_request', `--list takes one of ${LIST_NAMES.join(', ')}`)
  const lists: readonly ListName[] = kind === 'suppressions' && list === undefined ? LIST_NAMES : named
  const all = lists.length === 0 ? [given] : lists.map((each) => ({ ...given, list: each }))
  for (const filters of all) checkFilters(kind, filters)
  return all
}

async function writeRaw(
  reader: DatabaseReader,
  { what, options, accounts }: ExportSelection & { readonly what: string },
  out: Writable,
): Promise<void> {
  const source = RAW_EXPORTS[what]
  if (source === undefined) throw new Fault('bad_request', `export takes one of ${EXPORT_NAMES}, or jobs`)
  const wanted = options.account === undefined ? null : new Set(accounts.map(({ account }) => account))
  let names: readonly string[] | null = null
  for await (const stored of source(reader)) {
    if (wanted !== null && !wanted.has(Number(Reflect.get(stored, 'account')))) continue
    const row = Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, formatTimestamps(name, value)]))
    if (options.csv && names === null) {
      names = Object.keys(row)
      await write(out, (options.bom ? '\ufeff' : '') + csvLines([names]))
    }
    await write(out, names === null ? `${JSON.stringify(row)}\n` : csvLines([names.map((name) => cellOf(row[name]))]))
  }
}

/** Arrays and objects become JSON in one cell. */
function cellOf(value: unknown): Cell {
  if (value === null || value === undefined) return null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : JSON.stringify(value)
}

async function* pageRows<R extends object>(page: (after: R | null) => Promise<readonly R[]>): AsyncGenerator<R> {
  let after: R | null = null
  for (;;) {
    const found: readonly R[] = await page(after)
    yield* found
    after = found.at(-1) ?? null
    if (after === null || found.length < PAGE_SIZE) return
  }
}

async function* pageFacts(reader: DatabaseReader): AsyncGenerator<object> {
  for (const table of ['events', 'list_events'] as const) {
    for (let after = BEFORE_FIRST_SUBJECT; ;) {
      const page = await listFactsForOperator(reader, table, after, PAGE_SIZE)
      yield* page.facts
      if (page.next === null) break
      after = page.next
    }
  }
}

async function write(out: Writable, text: string): Promise<void> {
  if (text !== '' && !out.write(text)) await once(out, 'drain')
}
