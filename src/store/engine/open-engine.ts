/**
 * open-engine - opens the store that a database URL names
 *
 * See also: store/engine/engine (the contract of both engines), store/engine/migrate (creates the schema).
 */
import { Fault } from '../../errors.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { openPostgres } from './postgres/postgres.ts'
import { reportFaults } from './fault-report.ts'
import { openSqlite } from './sqlite.ts'

/**
 * Opens the store behind a URL: `sqlite:/path/bounced.db` or `postgres://user@host/database`. Does not create the schema.
 * Throws Fault config_invalid for any other scheme, store_busy if the store cannot be reached.
 */
export async function openEngine(url: string, options: EngineOptions = {}): Promise<Engine> {
  const engine = await openByUrl(url, options)
  return options.onFault === undefined ? engine : reportFaults(engine, options.onFault)
}

async function openByUrl(url: string, options: EngineOptions): Promise<Engine> {
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length), options)
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url, options)
  throw new Fault('config_invalid', 'the database must be sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE')
}
