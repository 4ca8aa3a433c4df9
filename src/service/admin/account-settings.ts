/**
 * account-settings - an account's own settings are read and changed, each change a version and an audit
 *
 * A change names what it changes; the rest stays. Who names the version that he has read is refused where somebody else was first. The
 * shared list and the domains to send from are an operator's choice.
 *
 * See also: ledger/account-settings (the schema), store/account/accounts, http/api/account, commands/account/account.
 */
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { accountSettingsSchema, type AccountSettings, type AccountSettingsChange } from '../../ledger/account-settings.ts'
import { createLedgerState } from '../../ledger/project/state.ts'
import { findAccount, saveAccountSettings } from '../../store/account/accounts.ts'
import type { Database } from '../../store/engine/engine.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'

export type SettingsCommand = {
  readonly account: number
  readonly actor: string
  readonly byOperator: boolean
  readonly change: AccountSettingsChange
  /** The version that the change was made from; null: whichever stands. */
  readonly version: number | null
}

/**
 * Changes settings in one transaction; the settings as they then stand. What changes nothing makes no version. Faults: not_found,
 * conflict (the version is no longer that), forbidden (sharedList or senderDomains, by the account), bad_request (a zone or a domain that there is not).
 */
export async function changeAccountSettings(context: Context, call: SettingsCommand): Promise<AccountSettings> {
  const change = validateChange(call)
  const saved = await context.engine.tx((db) => saveChange(context, db, { ...call, change }))
  context.accountCache.invalidate()
  return saved
}

function validateChange({ change, byOperator }: SettingsCommand): AccountSettingsChange {
  if (change.sharedList !== undefined && !byOperator) throw new Fault('forbidden', 'sharedList is for the operator')
  if (change.senderDomains !== undefined && !byOperator) throw new Fault('forbidden', 'senderDomains is for the operator')
  if (change.zone !== undefined && !isZone(change.zone)) throw new Fault('bad_request', 'zone: must be an IANA zone, like Asia/Shanghai')
  const { complaintTypes, tencentDomains, senderDomains } = change
  return {
    ...change,
    ...(complaintTypes === undefined ? {} : { complaintTypes: lowerCased(complaintTypes) }),
    ...(senderDomains === undefined ? {} : { senderDomains: domainsOf(senderDomains) }),
    ...(tencentDomains === undefined ? {} : { tencentDomains: lowerCased(tencentDomains) }),
  }
}

function domainsOf(names: readonly string[]): string[] {
  const known = names.map((name) => normaliseDomain(name))
  return [...new Set(known.map((domain) => domain ?? rejectDomain()))]
}

const rejectDomain = (): never => {
  throw new Fault('bad_request', 'senderDomains: each must be a domain')
}

const lowerCased = (names: readonly string[]): string[] => [...new Set(names.map((name) => name.trim().toLowerCase()))]

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) instanceof Intl.DateTimeFormat
  } catch {
    return false
  }
}

async function saveChange(context: Context, db: Database, { account, actor, change, version }: SettingsCommand): Promise<AccountSettings> {
  const found = await findAccount(db, account)
  if (found === null) throw new Fault('not_found', 'no account bears that name')
  const old = found.settings
  if (version !== null && version !== old.version)
    throw new Fault('conflict', `the settings are version ${old.version} by now: read them again`)
  const given = Object.entries(change).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const changed = given.filter(([name, value]) => displayValue(Reflect.get(old, name)) !== displayValue(value))
  if (changed.length === 0) return old
  const next = await saveAccountSettings(db, account, accountSettingsSchema.parse({ ...old, ...Object.fromEntries(changed) }))
  const now = context.now()
  const actionContext = { actor, settings: next, moment: { at: now, receivedAt: now, ids: context.ids } }
  const detail = Object.fromEntries(changed.map(([name, value]) => [name, displayValue(value)]))
  const ledgerState = createLedgerState()
  applyFacts(ledgerState, [createAuditFact(account, 'settings.change', { ...detail, version: next.version }, actionContext)])
  await commitLedgerState(db, ledgerState, { now, notify: () => true })
  return next
}

/** A value as an audit and a terminal show it. */
export const displayValue = (value: string | number | boolean | readonly string[]): string | number | boolean =>
  typeof value === 'object' ? value.join(',') : value
