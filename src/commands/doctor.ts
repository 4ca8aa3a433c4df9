/**
 * doctor - looks at a sender's domain as receivers do, and says what to mend
 *
 * Exit status 1 when something fails. See also: compose/domain-checks (each check), net/domain-lookup, docs/DELIVERY.md.
 */
import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { Command } from 'commander'
import { getDomain } from 'tldts'
import { accountOf } from '../daemon/accounts.ts'
import { checkUp, type Check, type Level } from '../compose/domain-checks.ts'
import { loadCertificate } from '../net/certificate.ts'
import { createLookUp, type LookUp } from '../net/dns.ts'
import { examine, type Examination } from '../net/domain-lookup.ts'
import { Fault } from '../errors.ts'
import { databaseOf } from '../settings/load.ts'
import { toALabels } from '../mail/mime/idna.ts'
import type { Settings } from '../settings/schema.ts'
import { listDkimKeys } from '../store/account/dkim-keys.ts'
import { configFor, type Define } from './command.ts'
import { withStore } from './with-store.ts'
import { columns, oneLine, say } from './output.ts'

type Options = { readonly ip: readonly string[]; readonly selector: readonly string[]; readonly account?: string; readonly json?: true }

const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value]

export const doctor: Define = (command) => {
  command
    .argument('<domain>', 'the domain in From')
    .option('--ip <address>', 'an address that mail leaves by, besides delivery.egressIps (may be repeated)', collect, [])
    .option('--selector <name>', 'a DKIM selector that signs elsewhere (may be repeated)', collect, [])
    .option('--account <apiUser>', 'whose DKIM keys sign (default: the setting apiUser)')
    .option('--json', 'print JSON')
    .action(async (name: string, options: Options) => {
      const domain = toALabels(name.trim().toLowerCase())
      if (!/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(domain)) throw new Fault('bad_request', `${name} is no domain`)
      const wrong = options.ip.find((ip) => isIP(ip) === 0)
      if (wrong !== undefined) throw new Fault('bad_request', `${wrong} is no IP address`)
      const { settings } = configFor(command)
      const keys = await keysOf(command, { domain, named: options.account })
      const checks = await diagnose(settings, { domain, ...options, keys })
      say(...(options.json ? [JSON.stringify({ domain, checks }, null, 2)] : linesOf(checks)))
      if (checks.some(({ level }) => level === 'fail')) process.exitCode = 1
    })
}

type Wish = Pick<Options, 'ip' | 'selector'> & { readonly domain: string; readonly keys: Examination['keys']; readonly lookUp?: LookUp }

/** Every check of a domain. `lookUp` stands for DNS. */
export async function diagnose(settings: Settings, { domain, ip, selector, keys, lookUp }: Wish): Promise<readonly Check[]> {
  const { dns, tls, smtp, delivery } = settings
  const asked = lookUp ?? createLookUp({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 60_000, cacheSize: 1_000 })
  const egressIps = [...new Set([...delivery.egressIps, ...ip])]
  const { cert, key } = tls
  const wish: Examination = {
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
  return checkUp(await examine(asked, wish))
}

const ownAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address))

/** Our own keys of the domain, else of the one that it is registered under: as service/deliver/signing-keys picks them. Where there is no store yet there are none, and none is made. */
async function keysOf(
  command: Command,
  { domain, named }: { readonly domain: string; readonly named: string | undefined },
): Promise<Examination['keys']> {
  const { settings } = configFor(command)
  const url = databaseOf(settings)
  if (url.startsWith('sqlite:') && !existsSync(url.slice('sqlite:'.length))) return []
  return withStore(command, async ({ shop }) => {
    const { read } = shop.engine
    const apiUser = named ?? settings.apiUser
    const account = await accountOf(read, apiUser)
    if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
    const own = await listDkimKeys(read, account, domain)
    const registered = getDomain(domain)
    const keys = own.length > 0 || registered === null ? own : await listDkimKeys(read, account, registered)
    return keys.map((key) => ({ domain: key.domain, selector: key.selector, state: key.state, publicKey: key.publicKey }))
  })
}

const MARKS = { ok: 'ok', warn: 'WARN', fail: 'FAIL' } as const satisfies Record<Level, string>

function linesOf(checks: readonly Check[]): readonly string[] {
  const lines = columns(checks.map(({ id, level, seen }) => [MARKS[level], id, oneLine(seen)]))
  const count = (level: Level): number => checks.filter((check) => check.level === level).length
  return [
    ...checks.flatMap(({ todo }, n) => [lines[n] ?? '', ...(todo === null ? [] : [`      → ${todo}`])]),
    '',
    `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend`,
  ]
}
