/**
 * token - signs and reads the tokens that our addresses are made of
 *
 * With `--key` (32 bytes, hex) no store is needed: it is the derived key of one account number and key index, as a sender holds it that
 * mints offline. `token key` prints that key.
 *
 * See also: correlate/token, docs/TOKEN.md.
 */
import type { Command } from 'commander'
import { deriveTokenKey } from '../../correlate/token-keys.ts'
import type { TokenKeyLookup } from '../../correlate/token-keys.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { isDeliveryIdExpired, mintToken, TOKEN_PURPOSES, parseToken } from '../../correlate/token.ts'
import type { TokenPurpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import { retireKeyringKey, rotateKeyring } from '../../daemon/token-keyring.ts'
import type { DefineCommand } from '../command.ts'
import { loadConfigFor } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, printLines } from '../output.ts'

type Options = { readonly purpose: string; readonly domain?: string; readonly key?: string; readonly keyIndex?: string }

export const tokenCommand: DefineCommand = (command) => {
  const withTokenOptions = (child: Command): Command =>
    child
      .option('--purpose <name>', Object.keys(TOKEN_PURPOSES).join(', '), 'return-path')
      .option('--domain <domain>', 'where it stands (default: the domain of its purpose)')
      .option('--key <hex>', 'the account’s derived key; without it, the store’s')
      .option('--key-index <n>', 'the index of that key (default: the one that signs now; with --key: 0)')
  withTokenOptions(command.command('mint').summary('sign a deliveryId').argument('<deliveryId>')).action(mint)
  withTokenOptions(command.command('read').summary('say whose a token is, and whether it is good').argument('<token>')).action(read)
  command
    .command('key')
    .summary('print the derived key of an account number, for a sender that mints offline')
    .argument('<account>', 'its number')
    .option('--key-index <n>', 'the index of the key', '0')
    .action(printKey)
  command.command('rotate').summary('sign with a new key from now on; the old ones go on reading').action(rotate)
  command.command('retire').summary('end an old key: its tokens prove nothing any more').argument('<index>', 'its key index').action(retire)
}

async function mint(deliveryId: string, options: Options, self: Command): Promise<void> {
  const parts = parseDeliveryId(deliveryId)
  if (parts === null) throw new Fault('bad_request', 'a deliveryId is 13 characters of a-z2-7')
  const purpose = parsePurpose(options.purpose)
  const domain = domainFor(purpose, options, self)
  const minted = await withKeys(options, self, (keyFor, signingIndex) => {
    const keyIndex = Number(options.keyIndex ?? signingIndex)
    const key = keyFor(parts.account, keyIndex)
    return key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose, domain })
  })
  if (minted === null) throw new Fault('bad_request', 'this account number has no key of that index')
  printLines(minted)
}

async function read(text: string, options: Options, self: Command): Promise<void> {
  const purpose = parsePurpose(options.purpose)
  const at = text.indexOf('@')
  const domain = at < 0 ? domainFor(purpose, options, self) : text.slice(at + 1)
  const found = await withKeys(options, self, (keyFor) => parseToken(at < 0 ? text : text.slice(0, at), purpose, domain, keyFor))
  if (found.state === 'none') throw new Fault('bad_request', 'this is no token: it has 30 characters of a-z2-7')
  const expired = isDeliveryIdExpired(found.deliveryId, TOKEN_PURPOSES[purpose].days, Date.now())
  printLines(
    ...formatColumns([
      ['state', expired && found.state === 'valid' ? 'valid, but expired' : found.state],
      ['account', String(found.account)],
      ['deliveryId', found.deliveryId],
      ['key', String(found.key)],
      ['purpose', found.purpose],
    ]),
  )
  if (found.state !== 'valid') process.exitCode = 1
}

async function printKey(account: string, options: { keyIndex: string }, self: Command): Promise<void> {
  await withStore(self, ({ masterKey }) => {
    printLines(deriveTokenKey(masterKey, Number(account), Number(options.keyIndex)).toString('hex'))
    return Promise.resolve()
  })
}

async function rotate(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ context, masterKey }) =>
    printLines(`key ${await rotateKeyring(context.engine, masterKey, context.now())} signs from now on`),
  )
}

async function retire(text: string, _options: object, self: Command): Promise<void> {
  if (!/^\d{1,2}$/.test(text)) throw new Fault('bad_request', 'a key index is a number from 0 to 31')
  await withStore(self, async ({ context }) => {
    const changed = await retireKeyringKey(context.engine, Number(text), context.now())
    printLines(changed ? `key ${Number(text)} reads no more` : `key ${Number(text)} was retired before`)
  })
}

/** The keys that a call may use: the one it names, or those of the store. */
async function withKeys<T>(options: Options, self: Command, use: (keyFor: TokenKeyLookup, signingIndex: number) => T): Promise<T> {
  if (options.key !== undefined) {
    if (!/^[0-9a-f]{64}$/i.test(options.key)) throw new Fault('bad_request', '--key takes 64 hex digits')
    const key = Buffer.from(options.key, 'hex')
    const givenIndex = Number(options.keyIndex ?? 0)
    return use((_account, index) => (index === givenIndex ? key : null), givenIndex)
  }
  return withStore(self, async ({ context }) => {
    const { keyFor, signingIndex } = await context.accountCache.snapshot()
    return use(keyFor, signingIndex)
  })
}

function parsePurpose(name: string): TokenPurpose {
  const found = Object.keys(TOKEN_PURPOSES).find((each) => each === name)
  if (found === undefined) throw new Fault('bad_request', `a purpose is one of ${Object.keys(TOKEN_PURPOSES).join(', ')}`)
  // The checked door: it is one of the keys.
  return found as TokenPurpose
}

function domainFor(purpose: TokenPurpose, options: Options, self: Command): string {
  const { returnPathDomain, feedbackDomain } = loadConfigFor(self).settings
  return options.domain ?? (purpose === 'return-path' ? returnPathDomain : feedbackDomain)
}
