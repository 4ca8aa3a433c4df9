/**
 * doctor - checks a sender's domain as receivers do, and the mailboxes of the settings, and says what to fix
 *
 * Exit status 1 when a check fails.
 *
 * See also: compose/domain-checks (each check), net/domain-lookup, docs/DELIVERY.md.
 */
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { checkDomain, type DomainCheck, type CheckLevel } from '../compose/domain-checks.ts'
import { checkMailbox } from '../mailbox/mailbox-check.ts'
import { loadCertificate } from '../net/certificate.ts'
import { createDnsLookup, type DnsLookup } from '../net/dns.ts'
import { lookUpCname } from '../net/cname.ts'
import { lookUpDomain, type DomainLookupOptions } from '../net/domain-lookup.ts'
import { Fault } from '../errors.ts'
import { cnameProblemOf } from '../tracking/domain-state.ts'
import { toALabels } from '../mail/mime/idna.ts'
import { namedEgressIpsOf } from '../settings/pools.ts'
import type { Settings } from '../settings/schema.ts'
import { loadConfigFor, type DefineCommand } from './command.ts'
import { loadSenderAccount } from './sender-account.ts'
import { formatColumns, toSingleLine, printLines } from './output.ts'

type Options = { readonly ip: readonly string[]; readonly selector: readonly string[]; readonly account?: string; readonly json?: true }

const collectOption = (value: string, all: readonly string[]): readonly string[] => [...all, value]

export const doctorCommand: DefineCommand = (command) => {
  command
    .argument('<domain>', 'the domain in From')
    .option('--ip <address>', 'an IP address that sends mail, besides delivery.egressIps (may be repeated)', collectOption, [])
    .option('--selector <name>', 'a DKIM selector that another system signs with (may be repeated)', collectOption, [])
    .option('--account <apiUser>', 'the account whose DKIM keys sign (default: the setting apiUser)')
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options) => {
      const domain = toALabels(name.trim().toLowerCase())
      if (!/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(domain)) throw new Fault('bad_request', `${name} is not a domain`)
      const wrong = options.ip.find((ip) => isIP(ip) === 0)
      if (wrong !== undefined) throw new Fault('bad_request', `${wrong} is not an IP address`)
      const { settings } = loadConfigFor(command)
      const { keys, trackingDomain } = await loadSenderAccount(command, { domains: [domain], named: options.account })
      const checks = await diagnose(settings, { domain, ...options, keys, trackingDomain })
      printLines(...(options.json ? [JSON.stringify({ domain, checks }, null, 2)] : formatChecks(checks)))
      if (checks.some(({ level }) => level === 'fail')) process.exitCode = 1
    })
}

type DiagnoseOptions = Pick<Options, 'ip' | 'selector'> & {
  readonly domain: string
  readonly keys: DomainLookupOptions['keys']
  /** '': the account has none. */
  readonly trackingDomain: string
  readonly lookUp?: DnsLookup
}

/** Runs every check on a domain. `lookUp` replaces DNS in tests. */
async function diagnose(
  settings: Settings,
  { domain, ip, selector, keys, trackingDomain, lookUp }: DiagnoseOptions,
): Promise<readonly DomainCheck[]> {
  const { dns, tls, smtp, delivery } = settings
  const usedLookUp =
    lookUp ?? createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 60_000, cacheSize: 1_000 })
  const egressIps = [...new Set([...namedEgressIpsOf(delivery), ...ip])]
  const { cert, key } = tls
  const examination: DomainLookupOptions = {
    domain,
    egressIps,
    returnPathDomain: settings.returnPathDomain,
    feedbackDomain: settings.feedbackDomain,
    ehlo: (delivery.ehlo ?? hostname()).toLowerCase(),
    ourHosts: [smtp.name ?? hostname(), ...egressIps, ...ownAddresses()].map((each) => each.toLowerCase()),
    keys: [...keys, ...selector.map((name) => ({ domain, selector: name, state: 'active', publicKey: null }) as const)],
    certificate: cert === undefined || key === undefined ? null : loadCertificate({ cert, key }),
    outgoingTls: delivery.tls,
    now: Date.now(),
  }
  return [
    ...checkDomain(await lookUpDomain(usedLookUp, examination)),
    ...(await checkTracking(usedLookUp, settings, trackingDomain)),
    ...(await Promise.all(settings.mailboxes.map(checkMailbox))),
  ]
}

/** Whether the links of the account's mails lead to this installation: its own tracking domain, and the shared one. */
async function checkTracking(lookUp: DnsLookup, { tracking, publicUrl }: Settings, own: string): Promise<readonly DomainCheck[]> {
  const target = tracking.domain ?? (publicUrl === undefined ? null : new URL(publicUrl).hostname)
  if (own === '') return []
  if (target === null) {
    const todo = 'set tracking.domain or publicUrl: without one of them, no link of a mail is tracked'
    return [{ id: 'tracking', level: 'fail', seen: `${own} has no host to lead to`, todo }]
  }
  const chain = await lookUpCname(lookUp, own)
  const problem = cnameProblemOf(own, chain, target)
  if (problem === null) return [{ id: 'tracking', level: 'ok', seen: `${own} leads to ${target}`, todo: null }]
  const level = chain.kind === 'failed' ? 'warn' : 'fail'
  return [{ id: 'tracking', level, seen: problem, todo: `publish the record; until then, links name ${target}` }]
}

const ownAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address))

const LEVEL_LABELS = { ok: 'ok', warn: 'WARN', fail: 'FAIL' } as const satisfies Record<CheckLevel, string>

function formatChecks(checks: readonly DomainCheck[]): readonly string[] {
  const lines = formatColumns(checks.map(({ id, level, seen }) => [LEVEL_LABELS[level], id, toSingleLine(seen)]))
  const count = (level: CheckLevel): number => checks.filter((check) => check.level === level).length
  return [
    ...checks.flatMap(({ todo }, n) => [lines[n] ?? '', ...(todo === null ? [] : [`      → ${todo}`])]),
    '',
    `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failed`,
  ]
}
