/**
 * blocks - blocks and unblocks peers, tokens and accounts for the operator
 *
 * The SMTP listener refuses connections of a blocked peer. Reports that carry a blocked token, or that concern a blocked account, are
 * accepted and kept in the inbox with the reason `cut`: they change nothing until an operator accepts them. Each change creates an audit
 * fact.
 *
 * See also: service/admin/block-index (lookups), store/lists/blocks, service/receive/match-and-decide (tokens, accounts),
 * smtp-server/listener (peers).
 */
import { isIP } from 'node:net'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { addAccessBlockForOperator, removeAccessBlockForOperator, type AccessBlockKind } from '../../store/lists/blocks.ts'
import type { Database } from '../../store/engine/engine.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import { unmapAddress } from './block-index.ts'

/**
 * Normalises the name of a peer, token or account. Faults: bad_request for text that names none.
 *
 *     parseBlockName('peer', '192.0.2.0/24') → '192.0.2.0/24'
 *     parseBlockName('token', '24in22b22222235emaa77qerkdrkls@bounce.example.com') → '4in22b2222223'
 */
export function parseBlockName(kind: AccessBlockKind, text: string): string {
  const name = NAME_PARSERS[kind](text.trim().toLowerCase())
  if (name === null) throw new Fault('bad_request', NAME_RULES[kind])
  return name
}

const NAME_RULES = {
  peer: 'a peer is an IP address, or a network such as 192.0.2.0/24',
  token: 'a token has 30 characters of a-z2-7, with or without its domain; its deliveryId of 13 characters is accepted as well',
  account: 'an account is given by its number, which is not 0',
} as const satisfies Record<AccessBlockKind, string>

const NAME_PARSERS = { peer: parsePeer, token: parseToken, account: parseAccount } as const satisfies Record<
  AccessBlockKind,
  (text: string) => string | null
>

function parsePeer(text: string): string | null {
  const [head = '', bits, ...others] = text.split('/')
  const address = unmapAddress(head)
  const family = isIP(address)
  if (family === 0 || address.includes('%') || others.length > 0) return null
  if (bits === undefined) return address
  // Registries allocate no network shorter than these. A prefix of 0 would block every peer.
  const [minBits, maxBits] = family === 4 ? [8, 32] : [16, 128]
  return /^\d{1,3}$/.test(bits) && Number(bits) >= minBits && Number(bits) <= maxBits ? `${address}/${Number(bits)}` : null
}

function parseToken(text: string): string | null {
  const [local = ''] = text.split('@')
  const id = local.length === 30 ? local.slice(1, 14) : local
  return parseDeliveryId(id) === null ? null : id
}

function parseAccount(text: string): string | null {
  return /^[1-9]\d{0,4}$/.test(text) ? text : null
}

export type BlockCommand = { readonly kind: AccessBlockKind; readonly name: string; readonly actor: string }

/** Adds a block. Resolves to false if it exists already. `name` must come from {@link parseBlockName}. Faults: store_busy. */
export async function addBlock(context: Context, command: BlockCommand, reason: string): Promise<boolean> {
  const { kind, name, actor } = command
  return changeBlocks(context, command, { action: 'cut.add', reason }, (db, createdAt) =>
    addAccessBlockForOperator(db, { kind, name, reason, actor, createdAt }),
  )
}

/** Removes a block. Resolves to false if there is none. Reports that were kept in the inbox stay there. Faults: store_busy. */
export async function removeBlock(context: Context, command: BlockCommand): Promise<boolean> {
  const { kind, name } = command
  return changeBlocks(context, command, { action: 'cut.remove', reason: null }, (db) => removeAccessBlockForOperator(db, kind, name))
}

type AuditEntry = { readonly action: string; readonly reason: string | null }

async function changeBlocks(
  context: Context,
  { kind, name, actor }: BlockCommand,
  { action, reason }: AuditEntry,
  write: (db: Database, at: number) => Promise<boolean>,
): Promise<boolean> {
  const isChanged = await transact(context, {}, async ({ db, moment }) => {
    if (!(await write(db, moment.at))) return { result: false }
    return { result: true, facts: [createAuditFact(0, action, { kind, name, reason }, { actor, moment })] }
  })
  context.accountCache.invalidate()
  return isChanged
}
