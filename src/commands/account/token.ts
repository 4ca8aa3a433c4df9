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
import type { KeyFor } from '../../correlate/token-keys.ts'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { isExpired, mintToken, PURPOSES, readToken } from '../../correlate/token.ts'
import type { Purpose } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import { retireRingKey, rotateRing } from '../../daemon/token-keyring.ts'
import type { Define } from '../command.ts'
import { configFor } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, say } from '../output.ts'

type Options = { readonly purpose: string; readonly domain?: string; readonly key?: string; readonly keyIndex?: string }

export const token: Define = (command) => {
  const shared = (child: Command): Command =>
    child
      .option('--purpose <name>', Object.keys(PURPOSES).join(', '), 'return-path')
      .option('--domain <domain>', 'where it stands (default: the domain of its purpose)')
      .option('--key <hex>', 'the account’s derived key; without it, the store’s')
      .option('--key-index <n>', 'the index of that key (default: the one that signs now; with --key: 0)')
  shared(command.command('mint').summary('sign a deliveryId').argument('<deliveryId>')).action(mint)
  shared(command.command('read').summary('say whose a token is, and whether it is good').argument('<token>')).action(read)
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
  const purpose = purposeOf(options.purpose)
  const domain = domainFor(purpose, options, self)
  const made = await onKeys(options, self, (keyFor, signing) => {
    const keyIndex = Number(options.keyIndex ?? signing)
    const key = keyFor(parts.account, keyIndex)
    return key === null ? null : mintToken({ key, keyIndex, deliveryId, purpose, domain })
  })
  if (made === null) throw new Fault('bad_request', 'this account number has no key of that index')
  say(made)
}

async function read(text: string, options: Options, self: Command): Promise<void> {
  const purpose = purposeOf(options.purpose)
  const at = text.indexOf('@')
  const domain = at < 0 ? domainFor(purpose, options, self) : text.slice(at + 1)
  const found = await onKeys(options, self, (keyFor) => readToken(at < 0 ? text : text.slice(0, at), purpose, domain, keyFor))
  if (found.state === 'none') throw new Fault('bad_request', 'this is no token: it has 30 characters of a-z2-7')
  const expired = isExpired(found.deliveryId, PURPOSES[purpose].days, Date.now())
  say(
    ...columns([
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
  await withStore(self, ({ master }) => {
    say(deriveTokenKey(master, Number(account), Number(options.keyIndex)).toString('hex'))
    return Promise.resolve()
  })
}

async function rotate(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ shop, master }) => say(`key ${await rotateRing(shop.engine, master, shop.now())} signs from now on`))
}

async function retire(text: string, _options: object, self: Command): Promise<void> {
  if (!/^\d{1,2}$/.test(text)) throw new Fault('bad_request', 'a key index is a number from 0 to 31')
  await withStore(self, async ({ shop }) => {
    const changed = await retireRingKey(shop.engine, Number(text), shop.now())
    say(changed ? `key ${Number(text)} reads no more` : `key ${Number(text)} was retired before`)
  })
}

/** The keys that a call may use: the one it names, or those of the store. */
async function onKeys<T>(options: Options, self: Command, use: (keyFor: KeyFor, signingIndex: number) => T): Promise<T> {
  if (options.key !== undefined) {
    if (!/^[0-9a-f]{64}$/i.test(options.key)) throw new Fault('bad_request', '--key takes 64 hex digits')
    const key = Buffer.from(options.key, 'hex')
    const mine = Number(options.keyIndex ?? 0)
    return use((_account, index) => (index === mine ? key : null), mine)
  }
  return withStore(self, async ({ shop }) => {
    const { keyFor, signingIndex } = await shop.book.open()
    return use(keyFor, signingIndex)
  })
}

function purposeOf(name: string): Purpose {
  const found = Object.keys(PURPOSES).find((each) => each === name)
  if (found === undefined) throw new Fault('bad_request', `a purpose is one of ${Object.keys(PURPOSES).join(', ')}`)
  // The checked door: it is one of the keys.
  return found as Purpose
}

function domainFor(purpose: Purpose, options: Options, self: Command): string {
  const { returnPathDomain, feedbackDomain } = configFor(self).settings
  return options.domain ?? (purpose === 'return-path' ? returnPathDomain : feedbackDomain)
}
