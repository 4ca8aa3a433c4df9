/**
 * token - signs and reads the tokens in our addresses
 *
 * With `--key` (32 bytes, hex) no store is needed: it is the derived key of one account number and key index, which a sender that mints offline
 * holds. `token key` prints that key.
 *
 * See also: correlate/token, docs/TOKEN.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { deriveTokenKey, type TokenKeyLookup } from '../../correlate/token-keys.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { isDeliveryIdExpired, mintToken, TOKEN_PURPOSES, parseToken, type TokenPurpose } from '../../correlate/token.ts'
import { defineStoreCommand, type CommandOutput } from '../../daemon/store-command.ts'
import { retireKeyringKey, rotateKeyring } from '../../daemon/token-keyring.ts'
import { Fault } from '../../errors.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { runStoreCommand, withTerminalOutput } from '../command-runner.ts'
import { formatColumns } from '../output.ts'

const tokenSchema = z.object({ text: z.string(), purpose: z.string(), domain: z.string(), keyIndex: z.string().optional() })

type TokenInput = z.output<typeof tokenSchema>

/** The keys that a call may use, and the index that signs. */
type TokenKeys = { readonly keyFor: TokenKeyLookup; readonly signingIndex: number }

const mintCommand = defineStoreCommand('token mint', tokenSchema, async ({ context }, input, output) =>
  mint(await context.accountCache.snapshot(), input, output),
)

const readCommand = defineStoreCommand('token read', tokenSchema, async ({ context }, input, output) =>
  read(await context.accountCache.snapshot(), input, output),
)

const keyCommand = defineStoreCommand(
  'token key',
  z.object({ account: z.string(), keyIndex: z.string() }),
  async ({ masterKey }, { account, keyIndex }, output) =>
    output.printLines(deriveTokenKey(masterKey, Number(account), Number(keyIndex)).toString('hex')),
)

const rotateCommand = defineStoreCommand('token rotate', z.object({}), async ({ context, masterKey }, _input, output) => {
  const index = await rotateKeyring(context.engine, masterKey, context.now())
  context.accountCache.invalidate()
  await output.printLines(`key ${index} signs from now on`)
})

const retireCommand = defineStoreCommand('token retire', z.object({ index: z.int() }), async ({ context }, { index }, output) => {
  const changed = await retireKeyringKey(context.engine, index, context.now())
  context.accountCache.invalidate()
  await output.printLines(changed ? `key ${index} is retired: its tokens are invalid` : `key ${index} was already retired`)
})

export const TOKEN_COMMANDS = [keyCommand, mintCommand, readCommand, retireCommand, rotateCommand] as const

type Options = { readonly purpose: string; readonly domain?: string; readonly key?: string; readonly keyIndex?: string }

export const tokenCommand: DefineCommand = (command) => {
  const define = (name: string, summary: string): Command =>
    command
      .command(name)
      .summary(summary)
      .option('--purpose <name>', Object.keys(TOKEN_PURPOSES).join(', '), 'return-path')
      .option('--domain <domain>', 'the domain of the address (default: the domain of the purpose)')
      .option('--key <hex>', 'the derived key of the account; without it, the key of the store')
      .option('--key-index <n>', 'the index of that key (default: the one that signs now; with --key: 0)')
  define('mint', 'sign a deliveryId')
    .argument('<deliveryId>')
    .action((deliveryId: string, options: Options, self: Command) => {
      requireDeliveryId(deliveryId)
      const input = tokenInputOf(deliveryId, options, self)
      if (options.key === undefined) return runStoreCommand(self, mintCommand, input)
      const keys = givenKeys(options.key, options)
      return withTerminalOutput((output) => mint(keys, input, output))
    })
  define('read', 'show which account and delivery a token belongs to, and whether it is valid')
    .argument('<token>')
    .action((text: string, options: Options, self: Command) => {
      const input = tokenInputOf(text, options, self)
      if (options.key === undefined) return runStoreCommand(self, readCommand, input)
      const keys = givenKeys(options.key, options)
      return withTerminalOutput((output) => read(keys, input, output))
    })
  defineKeyCommands(command)
}

function defineKeyCommands(command: Command): void {
  command
    .command('key')
    .summary('print the derived key of an account number, for a sender that mints offline')
    .argument('<account>', 'its number')
    .option('--key-index <n>', 'the index of the key', '0')
    .action((account: string, { keyIndex }: { keyIndex: string }, self: Command) =>
      runStoreCommand(self, keyCommand, { account, keyIndex }),
    )
  command
    .command('rotate')
    .summary('sign with a new key from now on; tokens of the old keys stay valid')
    .action((_options: object, self: Command) => runStoreCommand(self, rotateCommand, {}))
  command
    .command('retire')
    .summary('retire an old key: its tokens become invalid')
    .argument('<index>', 'its key index')
    .action((text: string, _options: object, self: Command) => {
      if (!/^\d{1,2}$/.test(text)) throw new Fault('bad_request', 'a key index is a number from 0 to 31')
      return runStoreCommand(self, retireCommand, { index: Number(text) })
    })
}

function tokenInputOf(given: string, options: Options, self: Command): TokenInput {
  const purpose = parsePurpose(options.purpose)
  const at = given.indexOf('@')
  const domain = at < 0 ? domainFor(purpose, options, self) : given.slice(at + 1)
  const keyIndex = options.keyIndex === undefined ? {} : { keyIndex: options.keyIndex }
  return { text: at < 0 ? given : given.slice(0, at), purpose, domain, ...keyIndex }
}

/** The one key that a call names. Faults: bad_request. */
function givenKeys(hex: string, { keyIndex }: Options): TokenKeys {
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new Fault('bad_request', '--key takes 64 hex digits')
  const key = Buffer.from(hex, 'hex')
  const signingIndex = Number(keyIndex ?? 0)
  return { keyFor: (_account, index) => (index === signingIndex ? key : null), signingIndex }
}

function requireDeliveryId(deliveryId: string): { readonly account: number } {
  const parts = parseDeliveryId(deliveryId)
  if (parts === null) throw new Fault('bad_request', 'a deliveryId is 13 characters of a-z2-7')
  return parts
}

async function mint({ keyFor, signingIndex }: TokenKeys, input: TokenInput, output: CommandOutput): Promise<void> {
  const { account } = requireDeliveryId(input.text)
  const keyIndex = Number(input.keyIndex ?? signingIndex)
  const key = keyFor(account, keyIndex)
  const { domain, text: deliveryId } = input
  const token = key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose: parsePurpose(input.purpose), domain })
  if (token === null) throw new Fault('bad_request', 'this account number has no key with that index')
  await output.printLines(token)
}

async function read({ keyFor }: TokenKeys, input: TokenInput, output: CommandOutput): Promise<void> {
  const purpose = parsePurpose(input.purpose)
  const found = parseToken(input.text, purpose, input.domain, keyFor)
  if (found.state === 'none') throw new Fault('bad_request', 'this is not a token: a token has 30 characters of a-z2-7')
  const expired = isDeliveryIdExpired(found.deliveryId, TOKEN_PURPOSES[purpose].validDays, Date.now())
  if (found.state !== 'valid') output.setExitStatus(1)
  await output.printLines(
    ...formatColumns([
      ['state', expired && found.state === 'valid' ? 'valid, but expired' : found.state],
      ['account', String(found.account)],
      ['deliveryId', found.deliveryId],
      ['key', String(found.keyIndex)],
      ['purpose', found.purpose],
    ]),
  )
}

function parsePurpose(name: string): TokenPurpose {
  const found = Object.keys(TOKEN_PURPOSES).find((each) => each === name)
  if (found === undefined) throw new Fault('bad_request', `a purpose is one of ${Object.keys(TOKEN_PURPOSES).join(', ')}`)
  // Checked cast: it is one of the keys.
  return found as TokenPurpose
}

function domainFor(purpose: TokenPurpose, options: Options, self: Command): string {
  const { returnPathDomain, feedbackDomain } = loadConfigFor(self).settings
  return options.domain ?? (purpose === 'return-path' ? returnPathDomain : feedbackDomain)
}
