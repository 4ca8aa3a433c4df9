/**
 * blocks - what an operator has cut off, as batches and doors ask for it, and how it is changed
 *
 * A cut peer is not spoken to. Mail that bears a cut token, or speaks of a cut account, is taken and waits in the inbox as `cut`: nothing
 * that came is lost, and nothing of it counts until somebody accepts it. Each change is audited.
 *
 * See also: store/lists/blocks, service/receive/match-and-decide (tokens, accounts), smtp-server/listener (peers).
 */
import { BlockList, isIP } from 'node:net'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_SETTINGS } from '../../ledger/account-settings.ts'
import { emptyWorld } from '../../ledger/project/state.ts'
import { addCutForOperator, removeCutForOperator, type Cut, type CutKind } from '../../store/lists/blocks.ts'
import type { Db } from '../../store/engine/engine.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

export type CutList = {
  /** Whether a connection from there is refused. What is no address is not. */
  readonly refuses: (peer: string) => boolean
  /** Whether mail about that delivery or account waits. */
  readonly holds: (about: { readonly account: number; readonly deliveryId: string | null }) => boolean
}

/** The cuts, ready for look-ups. */
export function createCutList(cuts: readonly Cut[]): CutList {
  const names = (kind: CutKind): readonly string[] => cuts.flatMap((cut) => (cut.kind === kind ? [cut.name] : []))
  const peers = new BlockList()
  for (const name of names('peer')) block(peers, name)
  const tokens = new Set(names('token'))
  const accounts = new Set(names('account').map(Number))
  return {
    refuses: (peer) => {
      const address = plainAddress(peer)
      const family = isIP(address)
      return family !== 0 && peers.check(address, family === 4 ? 'ipv4' : 'ipv6')
    },
    holds: ({ account, deliveryId }) => accounts.has(account) || (deliveryId !== null && tokens.has(deliveryId)),
  }
}

function block(list: BlockList, name: string): void {
  const [address = '', bits] = name.split('/')
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
}

/** IPv4 in the dress of IPv6 is IPv4. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d{1,3}\.)/i, '')

/**
 * A cut as it is stored. Faults: bad_request for what names no peer, token or account.
 *
 *     readCutName('peer', '192.0.2.0/24') → '192.0.2.0/24'
 *     readCutName('token', '24in22b22222235emaa77qerkdrkls@bounce.example.com') → '4in22b2222223'
 */
export function readCutName(kind: CutKind, text: string): string {
  const name = READERS[kind](text.trim().toLowerCase())
  if (name === null) throw new Fault('bad_request', WANTED[kind])
  return name
}

const WANTED = {
  peer: 'a peer is an IP address, or a network like 192.0.2.0/24',
  token: 'a token has 30 characters of a-z2-7, with or without its domain; its deliveryId of 13 serves as well',
  account: 'an account is named by its number, which is not 0',
} as const satisfies Record<CutKind, string>

const READERS = { peer: readPeer, token: readToken, account: readAccount } as const satisfies Record<
  CutKind,
  (text: string) => string | null
>

function readPeer(text: string): string | null {
  const [head = '', bits, ...rest] = text.split('/')
  const address = plainAddress(head)
  const family = isIP(address)
  if (family === 0 || address.includes('%') || rest.length > 0) return null
  if (bits === undefined) return address
  // A network of everybody would close the door for all: the shortest are those that registries hand out.
  const [least, most] = family === 4 ? [8, 32] : [16, 128]
  return /^\d{1,3}$/.test(bits) && Number(bits) >= least && Number(bits) <= most ? `${address}/${Number(bits)}` : null
}

function readToken(text: string): string | null {
  const [local = ''] = text.split('@')
  const id = local.length === 30 ? local.slice(1, 14) : local
  return parseDeliveryId(id) === null ? null : id
}

function readAccount(text: string): string | null {
  return /^[1-9]\d{0,4}$/.test(text) ? text : null
}

export type CutCall = { readonly kind: CutKind; readonly name: string; readonly actor: string }

/** Cuts off; false where it was cut already. `name` as {@link readCutName} gives it. */
export async function addCut(shop: Shop, { kind, name, actor }: CutCall, reason: string): Promise<boolean> {
  return change(shop, { kind, name, actor }, { what: 'cut.add', reason }, (db) =>
    addCutForOperator(db, { kind, name, reason, actor, createdAt: shop.now() }),
  )
}

/** Lets in again; false where it was not cut. What waits in the inbox goes on waiting. */
export async function removeCut(shop: Shop, call: CutCall): Promise<boolean> {
  return change(shop, call, { what: 'cut.remove', reason: null }, (db) => removeCutForOperator(db, call.kind, call.name))
}

type Told = { readonly what: string; readonly reason: string | null }

async function change(shop: Shop, call: CutCall, { what, reason }: Told, write: (db: Db) => Promise<boolean>): Promise<boolean> {
  const { kind, name, actor } = call
  const now = shop.now()
  const changed = await shop.engine.tx(async (db) => {
    if (!(await write(db))) return false
    const world = emptyWorld()
    const hand = { actor, settings: DEFAULT_SETTINGS, moment: { at: now, receivedAt: now, ids: shop.ids } }
    applyFacts(world, [audit(0, what, { kind, name, reason }, hand)])
    await commitWorld(db, world, { now, notify: () => false })
    return true
  })
  shop.book.turn()
  return changed
}
