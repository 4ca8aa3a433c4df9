/**
 * account-settings - changes the settings of an account
 *
 * Each change creates a new version of the settings and an audit fact. A change lists the settings to replace; the others stay. A caller
 * may name the version that it read: if another change came first, the call fails. Only the operator may change `sharedList`,
 * `senderDomains` and `verpAddresses`, and set `verpTrust` to `list`.
 *
 * See also: ledger/account-settings (the schema), store/account/accounts, http/api/account, commands/account/account.
 */
import { normaliseDomain } from '../../correlate/address-hash.ts'
import { normaliseVerpAddress } from '../../correlate/verp.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { accountSettingsSchema, type AccountSettings, type AccountSettingsChange } from '../../ledger/account-settings.ts'
import { findAccount, saveAccountSettings } from '../../store/account/accounts.ts'
import { listTrackingDomainsForOperator } from '../../store/account/tracking-domains.ts'
import type { Context } from '../context.ts'
import { isForeignAddress } from '../report-copies/plan-copy.ts'
import { transact, type Decision, type LedgerTransaction } from '../transact.ts'

export type SettingsCommand = {
  readonly account: number
  readonly actor: string
  readonly byOperator: boolean
  readonly change: AccountSettingsChange
  /** The version that the change is based on; null replaces any version. */
  readonly version: number | null
}

/**
 * Changes settings in one transaction and resolves to the new settings. A change that sets the present values creates no version.
 * Faults: not_found, conflict (`version` is outdated, another account has the VERP address or the tracking domain), forbidden (an account changes an operator's setting), bad_request (unknown time zone,
 * malformed domain, VERP address at another domain, copies of reports to a domain of ours).
 */
export async function changeAccountSettings(context: Context, command: SettingsCommand): Promise<AccountSettings> {
  const change = validateChange(context, command)
  await checkVerpAddressesAreFree(context, command.account, change.verpAddresses ?? [])
  await checkTrackingDomainIsFree(context, command.account, change.trackingDomain ?? '')
  await checkCopiesLeave(context, change.reportCopies ?? 'off')
  const saved = await transact(context, {}, (transaction) => saveChange(transaction, { ...command, change }))
  context.accountCache.invalidate()
  return saved
}

/** Settings that concern other accounts too. */
const OPERATOR_SETTINGS = ['sharedList', 'senderDomains', 'verpAddresses'] as const satisfies readonly (keyof AccountSettingsChange)[]

function validateChange({ domains }: Context, { change, byOperator }: SettingsCommand): AccountSettingsChange {
  const reserved = byOperator ? undefined : OPERATOR_SETTINGS.find((name) => change[name] !== undefined)
  if (reserved !== undefined) throw new Fault('forbidden', `only the operator may change ${reserved}`)
  if (change.verpTrust === 'list' && !byOperator) throw new Fault('forbidden', 'only the operator may set verpTrust to list')
  if (change.zone !== undefined && !isZone(change.zone))
    throw new Fault('bad_request', 'zone: must be an IANA time zone, for example Asia/Shanghai')
  const { complaintTypes, tencentDomains, senderDomains, verpAddresses } = change
  return {
    ...change,
    ...(complaintTypes === undefined ? {} : { complaintTypes: lowerCased(complaintTypes) }),
    ...(senderDomains === undefined ? {} : { senderDomains: domainsOf(senderDomains) }),
    ...(verpAddresses === undefined
      ? {}
      : { verpAddresses: verpAddressesOf(verpAddresses, [...domains.returnPath, ...(domains.verp ?? [])]) }),
    ...(tencentDomains === undefined ? {} : { tencentDomains: lowerCased(tencentDomains) }),
  }
}

function domainsOf(names: readonly string[]): string[] {
  const domains = names.map((name) => normaliseDomain(name))
  return [...new Set(domains.map((domain) => domain ?? rejectDomain()))]
}

const rejectDomain = (): never => {
  throw new Fault('bad_request', 'senderDomains: each entry must be a domain')
}

/** A report to a VERP address must name one account. */
async function checkVerpAddressesAreFree({ accountCache }: Context, account: number, addresses: readonly string[]): Promise<void> {
  const { accounts } = await accountCache.snapshot()
  const taken = addresses.find((address) =>
    accounts.some((other) => other.account !== account && other.closedAt === null && other.settings.verpAddresses.includes(address)),
  )
  if (taken !== undefined) throw new Fault('conflict', `verpAddresses: ${taken} belongs to another account`)
}

/** Nobody puts links under the domain of another account. Who only names a domain, without its record, keeps nobody away from it. */
async function checkTrackingDomainIsFree({ engine }: Context, account: number, wanted: string): Promise<void> {
  if (wanted === '') return
  const rows = await listTrackingDomainsForOperator(engine.read)
  if (rows.some((row) => row.domain === wanted && row.account !== account && row.verifiedAt !== null))
    throw new Fault('conflict', `trackingDomain: ${wanted} serves another account: choose a name of its own`)
}

/** A copy that came back to us would be a report again. */
async function checkCopiesLeave(context: Context, wanted: string): Promise<void> {
  if (wanted.includes('@') && !isForeignAddress(context, await context.accountCache.snapshot(), wanted))
    throw new Fault('bad_request', 'reportCopies: this address is at a domain whose mail comes to bounced')
}

/** Mail for other domains does not come to us as a report. */
function verpAddressesOf(addresses: readonly string[], domains: readonly string[]): string[] {
  const isOurs = (address: string): boolean => domains.includes(address.slice(address.lastIndexOf('@') + 1))
  const normal = addresses.map((address) => normaliseVerpAddress(address))
  return [...new Set(normal.map((address) => (address !== null && isOurs(address) ? address : rejectVerpAddress(domains))))]
}

const rejectVerpAddress = (domains: readonly string[]): never => {
  throw new Fault(
    'bad_request',
    `verpAddresses: each entry must be an address without its recipient, or a pattern, at ${domains.join(' or ')} (smtp.verpDomains adds domains)`,
  )
}

const lowerCased = (names: readonly string[]): string[] => [...new Set(names.map((name) => name.trim().toLowerCase()))]

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) instanceof Intl.DateTimeFormat
  } catch {
    return false
  }
}

async function saveChange(
  { db, moment }: LedgerTransaction,
  { account, actor, change, version }: SettingsCommand,
): Promise<Decision<AccountSettings>> {
  const found = await findAccount(db, account)
  if (found === null) throw new Fault('not_found', 'there is no account with this name')
  const old = found.settings
  if (version !== null && version !== old.version)
    throw new Fault('conflict', `the settings have changed to version ${old.version}: read them again`)
  const given = Object.entries(change).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const changed = given.filter(([name, value]) => displayValue(Reflect.get(old, name)) !== displayValue(value))
  if (changed.length === 0) return { result: old }
  const next = await saveAccountSettings(db, account, accountSettingsSchema.parse({ ...old, ...Object.fromEntries(changed) }))
  const detail = Object.fromEntries(changed.map(([name, value]) => [name, displayValue(value)]))
  return { result: next, facts: [createAuditFact(account, 'settings.change', { ...detail, version: next.version }, { actor, moment })] }
}

/** Formats a value for audit facts and terminals: lists are joined by commas. */
export const displayValue = (value: string | number | boolean | readonly string[]): string | number | boolean =>
  typeof value === 'object' ? value.join(',') : value
