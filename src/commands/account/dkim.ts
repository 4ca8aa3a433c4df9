/**
 * dkim - makes, lists, rotates and removes the keys that a sender's domains sign with, and prints their DNS records
 *
 * A key signs once its record can be seen, or at once with `--published`.
 *
 * See also: service/admin/dkim, docs/SENDING.md.
 */
import type { Command } from 'commander'
import { accountOf } from '../../daemon/accounts.ts'
import { Fault } from '../../errors.ts'
import { createLookUp } from '../../net/dns.ts'
import { createDkim, type Dkim, type DkimView } from '../../service/admin/dkim.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, say } from '../output.ts'

type Options = { readonly account?: string; readonly selector?: string; readonly algorithm: string; readonly published?: true }

export const dkim: Define = (command) => {
  const shared = (child: Command): Command => child.option('--account <apiUser>', 'whose domain it is (default: the setting apiUser)')
  shared(command.command('add').summary('make a key and print its record').argument('<domain>'))
    .option('--selector <name>', 'its name in DNS (default: by the time)')
    .option('--algorithm <kind>', 'rsa or ed25519', 'rsa')
    .option('--published', 'the record stands there already: sign at once')
    .action((domain: string, options: Options, self: Command) => on(self, options, (keys, call) => add(keys, { ...call, domain }, options)))
  shared(command.command('list').summary('print the keys of an account').argument('[domain]')).action(
    (domain: string | undefined, options: Options, self: Command) =>
      on(self, options, (keys, { account }) => list(keys, account, domain ?? null)),
  )
  shared(command.command('rotate').summary('make the next key; the old one signs until its record is seen').argument('<domain>')).action(
    (domain: string, options: Options, self: Command) =>
      on(self, options, async (keys, call) => printRecords(await keys.rotate({ ...call, domain }))),
  )
  shared(command.command('activate').summary('look for the record of a key, and sign with it').argument('<domain>').argument('<selector>'))
    .option('--published', 'do not look')
    .action((domain: string, selector: string, options: Options, self: Command) =>
      on(self, options, async (keys, call) => {
        const isPublished = options.published === true
        const { state } = await keys.activate({ ...call, domain, selector, isPublished })
        say(`${selector} of ${domain}: ${state}`)
      }),
    )
  shared(command.command('remove').summary('remove one key, or all of a domain').argument('<domain>').argument('[selector]')).action(
    (domain: string, selector: string | undefined, options: Options, self: Command) =>
      on(self, options, async (keys, call) => {
        const gone = await keys.remove({ ...call, domain, selector: selector ?? null })
        if (gone === 0) throw new Fault('not_found', 'there is no such key')
        say(`${gone} removed; the record may go once no mail of it is on its way`)
      }),
  )
}

type Call = { readonly account: number; readonly actor: string }

async function on(self: Command, { account: named }: Options, work: (keys: Dkim, call: Call) => Promise<void>): Promise<void> {
  await withStore(self, async ({ shop, vault, config }) => {
    const { dns, apiUser } = config.settings
    const account = await accountOf(shop.engine.read, named ?? apiUser)
    if (account === null) throw new Fault('not_found', `no account has the apiUser "${named ?? apiUser}"`)
    const lookUp = createLookUp({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 1, cacheSize: 1 })
    await work(createDkim(shop, { vault, lookUp }), { account, actor: 'operator' })
  })
}

async function add(keys: Dkim, call: Call & { readonly domain: string }, options: Options): Promise<void> {
  const { selector = null, algorithm } = options
  if (algorithm !== 'rsa' && algorithm !== 'ed25519') throw new Fault('bad_request', 'an algorithm is rsa or ed25519')
  printRecords([await keys.add({ ...call, selector, algorithm, isPublished: options.published === true })])
}

async function list(keys: Dkim, account: number, domain: string | null): Promise<void> {
  const rows = (await keys.list(account)).filter((key) => domain === null || key.domain === domain)
  const cells = rows.map(({ domain: of, selector, algorithm, state, stateAt, keepUntil }) => [
    of,
    selector,
    algorithm,
    state,
    new Date(stateAt).toISOString(),
    keepUntil === null ? '' : new Date(keepUntil).toISOString(),
  ])
  say(...columns([['domain', 'selector', 'algorithm', 'state', 'since', 'keep its record until'], ...cells]))
  const waiting = rows.filter(({ state }) => state === 'waiting')
  if (waiting.length > 0) printRecords(waiting)
}

/** A character string of DNS holds 255 octets (RFC 1035 §3.3.14): a zone file has several beside each other. */
const MAX_STRING = 255

function printRecords(keys: readonly DkimView[]): void {
  for (const { recordName, recordText, state } of keys) {
    const strings = recordText.match(new RegExp(`.{1,${MAX_STRING}}`, 'g')) ?? []
    say(
      `${state === 'active' ? 'signs now' : 'signs once this can be seen'}:`,
      `${recordName}. IN TXT ${strings.map((each) => `"${each}"`).join(' ')}`,
    )
  }
}
