/**
 * block-index - lookups over the access blocks of an operator
 *
 * Built from all stored blocks; answers in constant time whether a peer, a token or an account is blocked. Pure.
 *
 * See also: service/admin/blocks (adds and removes blocks), service/account-cache (builds the index), store/lists/blocks.
 */
import { BlockList, isIP } from 'node:net'
import type { AccessBlock, AccessBlockKind } from '../../store/lists/blocks.ts'

export type BlockIndex = {
  /** Whether connections from an IP address are refused. False for text that is not an IP address. */
  readonly isPeerBlocked: (peer: string) => boolean
  /** Whether reports about this delivery or account are held in the inbox. */
  readonly isMailBlocked: (about: { readonly account: number; readonly deliveryId: string | null }) => boolean
}

/** Builds the index. `blocks` hold names as `parseBlockName` (service/admin/blocks) returns them. */
export function createBlockIndex(blocks: readonly AccessBlock[]): BlockIndex {
  const names = (kind: AccessBlockKind): readonly string[] => blocks.flatMap((block) => (block.kind === kind ? [block.name] : []))
  const peers = new BlockList()
  for (const name of names('peer')) addPeer(peers, name)
  const tokens = new Set(names('token'))
  const accounts = new Set(names('account').map(Number))
  return {
    isPeerBlocked: (peer) => {
      const address = unmapAddress(peer)
      const family = isIP(address)
      return family !== 0 && peers.check(address, family === 4 ? 'ipv4' : 'ipv6')
    },
    isMailBlocked: ({ account, deliveryId }) => accounts.has(account) || (deliveryId !== null && tokens.has(deliveryId)),
  }
}

function addPeer(list: BlockList, name: string): void {
  const [address = '', bits] = name.split('/')
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
}

/** Turns an IPv4-mapped IPv6 address into its IPv4 form (RFC 4291 §2.5.5.2); returns other text unchanged. */
export const unmapAddress = (address: string): string => address.replace(/^::ffff:(?=\d{1,3}\.)/i, '')
