/**
 * arguments - arguments and options that several commands read the same way
 *
 * See also: commands/command.
 */
import { findAccountByApiUser } from '../daemon/accounts.ts'
import { Fault } from '../errors.ts'
import type { DatabaseReader } from '../store/engine/engine.ts'

/** Epoch milliseconds of an ISO 8601 time; null where the option was not given. Faults: bad_request, naming the option. */
export function parseTimeOption(option: string, text: string | undefined): number | null {
  if (text === undefined) return null
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new Fault('bad_request', `${option} takes a time like 2026-11-20T12:00:00Z`)
  return at
}

/** The number of the account that an apiUser belongs to. Faults: not_found. */
export async function requireAccount(reader: DatabaseReader, apiUser: string): Promise<number> {
  const account = await findAccountByApiUser(reader, apiUser)
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  return account
}
