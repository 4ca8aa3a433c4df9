/**
 * dkim - makes, lists, rotates and removes the keys that a sender's domains sign with, and prints their DNS records
 *
 * A key signs once its record can be seen, or at once with `--published`.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import type { Command } from 'commander'
import { findAccountByApiUser } from '../../daemon/accounts.ts'
import { Fault } from '../../errors.ts'
import { createDnsLookup } from '../../net/dns.ts'
import { createDkimKeyService, type DkimKeyService, type DkimView } from '../../service/admin/dkim.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, printLines } from '../output.ts'

type Options = { readonly account?: string; readonly selector?: string; readonly algorithm: string; readonly published?: true }

export const dkimCommand: DefineCommand = (command) => {
  const withAccountOption = (child: Command): Command =>
    child.option('--account <apiUser>', 'whose domain it is (default: the setting apiUser)')
  withAccountOption(command.command('add').summary('make a key and print its record').argument('<domain>'))
    .option('--selector <name>', 'its name in DNS (default: by the time)')
    .option('--algorithm <kind>', 'rsa or ed25519', 'rsa')
    .option('--published', 'the record stands there already: sign at once')
    .action((domain: string, options: Options, self: Command) =>
      withDkim(self, options, (keys, caller) => add(keys, { ...caller, domain }, options)),
    )
  withAccountOption(command.command('list').summary('print the keys of an account').argument('[domain]')).action(
    (domain: string | undefined, options: Options, self: Command) =>
      withDkim(self, options, (keys, { account }) => list(keys, account, domain ?? null)),
  )
  withAccountOption(
    command.command('rotate').summary('make the next key; the old one signs until its record is seen').argument('<domain>'),
  ).action((domain: string, options: Options, self: Command) =>
    withDkim(self, options, async (keys, caller) => printRecords(await keys.rotate({ ...caller, domain }))),
  )
  withAccountOption(
    command.command('activate').summary('look for the record of a key, and sign with it').argument('<domain>').argument('<selector>'),
  )
    .option('--published', 'do not look')
    .action((domain: string, selector: string, options: Options, self: Command) =>
      withDkim(self, options, async (keys, caller) => {
        const isPublished = options.published === true
        const { state } = await keys.activate({ ...caller, domain, selector, isPublished })
        printLines(`${selector} of ${domain}: ${state}`)
      }),
    )
  withAccountOption(
    command.command('remove').summary('remove one key, or all of a domain').argument('<domain>').argument('[selector]'),
  ).action((domain: string, selector: string | undefined, options: Options, self: Command) =>
    withDkim(self, options, async (keys, caller) => {
      const removedCount = await keys.remove({ ...caller, domain, selector: selector ?? null })
      if (removedCount === 0) throw new Fault('not_found', 'there is no such key')
      printLines(`${removedCount} removed; the record may go once no mail of it is on its way`)
    }),
  )
}

type Caller = { readonly account: number; readonly actor: string }

async function withDkim(
  self: Command,
  { account: named }: Options,
  work: (keys: DkimKeyService, caller: Caller) => Promise<void>,
): Promise<void> {
  await withStore(self, async ({ context, vault, config }) => {
    const { dns, apiUser } = config.settings
    const account = await findAccountByApiUser(context.engine.read, named ?? apiUser)
    if (account === null) throw new Fault('not_found', `no account has the apiUser "${named ?? apiUser}"`)
    const lookUp = createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 1, cacheSize: 1 })
    await work(createDkimKeyService(context, { vault, lookUp }), { account, actor: 'operator' })
  })
}

async function add(keys: DkimKeyService, caller: Caller & { readonly domain: string }, options: Options): Promise<void> {
  const { selector = null, algorithm } = options
  if (algorithm !== 'rsa' && algorithm !== 'ed25519') throw new Fault('bad_request', 'an algorithm is rsa or ed25519')
  printRecords([await keys.add({ ...caller, selector, algorithm, isPublished: options.published === true })])
}

async function list(keys: DkimKeyService, account: number, domain: string | null): Promise<void> {
  const rows = (await keys.list(account)).filter((key) => domain === null || key.domain === domain)
  const cells = rows.map(({ domain: of, selector, algorithm, state, stateAt, keepUntil }) => [
    of,
    selector,
    algorithm,
    state,
    new Date(stateAt).toISOString(),
    keepUntil === null ? '' : new Date(keepUntil).toISOString(),
  ])
  printLines(...formatColumns([['domain', 'selector', 'algorithm', 'state', 'since', 'keep its record until'], ...cells]))
  const unpublished = rows.filter(({ state }) => state === 'waiting')
  if (unpublished.length > 0) printRecords(unpublished)
}

/** A character string of DNS holds 255 octets (RFC 1035 §3.3.14): a zone file has several beside each other. */
const MAX_TXT_STRING_OCTETS = 255

function printRecords(keys: readonly DkimView[]): void {
  for (const { recordName, recordText, state } of keys) {
    const strings = recordText.match(new RegExp(`.{1,${MAX_TXT_STRING_OCTETS}}`, 'g')) ?? []
    printLines(
      `${state === 'active' ? 'signs now' : 'signs once this can be seen'}:`,
      `${recordName}. IN TXT ${strings.map((each) => `"${each}"`).join(' ')}`,
    )
  }
}
