/**
 * dkim - makes, lists, rotates and removes the keys that a sender's domains sign with, and prints their DNS records
 *
 * A key signs once its record is visible in DNS, or at once with `--published`.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandContext } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { createDnsLookup } from '../../net/dns.ts'
import { createDkimKeyService, type DkimKeyService, type DkimView } from '../../service/admin/dkim.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'

const accountSchema = z.object({ account: z.string().optional() })
const domainSchema = accountSchema.extend({ domain: z.string() })

const addCommand = defineStoreCommand(
  'dkim add',
  domainSchema.extend({ selector: z.string().optional(), algorithm: z.string(), published: z.boolean().optional() }),
  async (on, { account, domain, selector = null, algorithm, published = false }, output) => {
    if (algorithm !== 'rsa' && algorithm !== 'ed25519') throw new Fault('bad_request', 'an algorithm is rsa or ed25519')
    const { keys, caller } = await openDkimKeys(on, account)
    await output.printLines(...recordLines([await keys.add({ ...caller, domain, selector, algorithm, isPublished: published })]))
  },
)

const listCommand = defineStoreCommand(
  'dkim list',
  accountSchema.extend({ domain: z.string().optional() }),
  async (on, { account, domain }, output) => {
    const { keys, caller } = await openDkimKeys(on, account)
    const rows = (await keys.list(caller.account)).filter((key) => domain === undefined || key.domain === domain)
    const unpublished = rows.filter(({ state }) => state === 'waiting')
    await output.printLines(
      ...formatColumns([['domain', 'selector', 'algorithm', 'state', 'since', 'keep its record until'], ...rows.map(keyCells)]),
      ...recordLines(unpublished),
    )
  },
)

const rotateCommand = defineStoreCommand('dkim rotate', domainSchema, async (on, { account, domain }, output) => {
  const { keys, caller } = await openDkimKeys(on, account)
  await output.printLines(...recordLines(await keys.rotate({ ...caller, domain })))
})

const activateCommand = defineStoreCommand(
  'dkim activate',
  domainSchema.extend({ selector: z.string(), published: z.boolean().optional() }),
  async (on, { account, domain, selector, published = false }, output) => {
    const { keys, caller } = await openDkimKeys(on, account)
    const { state } = await keys.activate({ ...caller, domain, selector, isPublished: published })
    await output.printLines(`${selector} of ${domain}: ${state}`)
  },
)

const removeCommand = defineStoreCommand(
  'dkim remove',
  domainSchema.extend({ selector: z.string().optional() }),
  async (on, { account, domain, selector = null }, output) => {
    const { keys, caller } = await openDkimKeys(on, account)
    const removedCount = await keys.remove({ ...caller, domain, selector })
    if (removedCount === 0) throw new Fault('not_found', 'there is no such key')
    await output.printLines(`${removedCount} removed; delete the DNS record once no mail that it signed is in transit`)
  },
)

export const DKIM_COMMANDS = [activateCommand, addCommand, listCommand, removeCommand, rotateCommand] as const

type Options = { readonly account?: string; readonly selector?: string; readonly algorithm: string; readonly published?: true }

export const dkimCommand: DefineCommand = (command) => {
  const define = (name: string, summary: string): Command =>
    command.command(name).summary(summary).option('--account <apiUser>', 'the account that owns the domain (default: the setting apiUser)')
  define('add', 'make a key and print its record')
    .argument('<domain>')
    .option('--selector <name>', 'its name in DNS (default: made from the time)')
    .option('--algorithm <kind>', 'rsa or ed25519', 'rsa')
    .option('--published', 'the record is published already: sign at once')
    .action((domain: string, options: Options, self: Command) => runStoreCommand(self, addCommand, { ...options, domain }))
  define('list', 'print the keys of an account')
    .argument('[domain]')
    .action((domain: string | undefined, options: Options, self: Command) => runStoreCommand(self, listCommand, { ...options, domain }))
  define('rotate', 'make the next key; the old one signs until the new record is visible')
    .argument('<domain>')
    .action((domain: string, options: Options, self: Command) => runStoreCommand(self, rotateCommand, { ...options, domain }))
  define('activate', 'look up the record of a key, and sign with it')
    .argument('<domain>')
    .argument('<selector>')
    .option('--published', 'do not look it up')
    .action((domain: string, selector: string, options: Options, self: Command) =>
      runStoreCommand(self, activateCommand, { ...options, domain, selector }),
    )
  define('remove', 'remove one key, or all keys of a domain')
    .argument('<domain>')
    .argument('[selector]')
    .action((domain: string, selector: string | undefined, options: Options, self: Command) =>
      runStoreCommand(self, removeCommand, { ...options, domain, selector }),
    )
}

type DkimAccess = { readonly keys: DkimKeyService; readonly caller: { readonly account: number; readonly actor: string } }

/** The key service, for the account that is named or that of the setting apiUser. Faults: not_found. */
async function openDkimKeys({ context, vault, settings }: CommandContext, named: string | undefined): Promise<DkimAccess> {
  const { dns, apiUser } = settings
  const account = await requireAccount(context.engine.read, named ?? apiUser)
  // Nothing is cached: a record that was published a moment ago must be visible.
  const lookUp = createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 1, cacheSize: 1 })
  return { keys: createDkimKeyService(context, { vault, lookUp }), caller: { account, actor: 'operator' } }
}

const keyCells = ({ domain, selector, algorithm, state, stateAt, keepUntil }: DkimView): string[] => [
  domain,
  selector,
  algorithm,
  state,
  new Date(stateAt).toISOString(),
  keepUntil === null ? '' : new Date(keepUntil).toISOString(),
]

/** A character string of DNS holds 255 octets (RFC 1035 §3.3.14): a longer record is several strings side by side. */
const MAX_TXT_STRING_OCTETS = 255

function recordLines(keys: readonly DkimView[]): string[] {
  return keys.flatMap(({ recordName, recordText, state }) => {
    const strings = recordText.match(new RegExp(`.{1,${MAX_TXT_STRING_OCTETS}}`, 'g')) ?? []
    return [
      `${state === 'active' ? 'signs now' : 'signs once this record is visible'}:`,
      `${recordName}. IN TXT ${strings.map((each) => `"${each}"`).join(' ')}`,
    ]
  })
}
