/**
 * blocks - what an operator has cut off, as batches and doors ask for it, and how it is changed
 *
 * A cut peer is not spoken to. Mail that bears a cut token, or speaks of a cut account, is taken and waits in the inbox as `cut`: nothing
 * that came is lost, and nothing of it counts until somebody accepts it. Each change is audited.
 *
 * See also: store/lists/blocks, service/receive/match-and-decide (tokens, accounts), smtp-server/listener (peers).
 */
import { isIP } from 'node:net'
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_ACCOUNT_SETTINGS } from '../../ledger/account-settings.ts'
import { createLedgerState } from '../../ledger/project/state.ts'
import { addAccessBlockForOperator, removeAccessBlockForOperator, type AccessBlockKind } from '../../store/lists/blocks.ts'
import type { Database } from '../../store/engine/engine.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'
import { unmapAddress } from './block-index.ts'

/**
 * A cut as it is stored. Faults: bad_request for what names no peer, token or account.
 *
 *     readCutName('peer', '192.0.2.0/24') → '192.0.2.0/24'
 *     readCutName('token', '24in22b22222235emaa77qerkdrkls@bounce.example.com') → '4in22b2222223'
 */
export function parseBlockName(kind: AccessBlockKind, text: string): string {
  const name = NAME_PARSERS[kind](text.trim().toLowerCase())
  if (name === null) throw new Fault('bad_request', NAME_RULES[kind])
  return name
}

const NAME_RULES = {
  peer: 'a peer is an IP address, or a network like 192.0.2.0/24',
  token: 'a token has 30 characters of a-z2-7, with or without its domain; its deliveryId of 13 serves as well',
  account: 'an account is named by its number, which is not 0',
} as const satisfies Record<AccessBlockKind, string>

const NAME_PARSERS = { peer: parsePeer, token: parseToken, account: parseAccount } as const satisfies Record<
  AccessBlockKind,
  (text: string) => string | null
>

function parsePeer(text: string): string | null {
  const [head = '', bits, ...rest] = text.split('/')
  const address = unmapAddress(head)
  const family = isIP(address)
  if (family === 0 || address.includes('%') || rest.length > 0) return null
  if (bits === undefined) return address
  // A network of everybody would close the door for all: the shortest are those that registries hand out.
  const [least, most] = family === 4 ? [8, 32] : [16, 128]
  return /^\d{1,3}$/.test(bits) && Number(bits) >= least && Number(bits) <= most ? `${address}/${Number(bits)}` : null
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

/** Cuts off; false where it was cut already. `name` as {@link parseBlockName} gives it. */
export async function addBlock(context: Context, { kind, name, actor }: BlockCommand, reason: string): Promise<boolean> {
  return changeBlocks(context, { kind, name, actor }, { action: 'cut.add', reason }, (db) =>
    addAccessBlockForOperator(db, { kind, name, reason, actor, createdAt: context.now() }),
  )
}

/** Lets in again; false where it was not cut. What waits in the inbox goes on waiting. */
export async function removeBlock(context: Context, call: BlockCommand): Promise<boolean> {
  return changeBlocks(context, call, { action: 'cut.remove', reason: null }, (db) => removeAccessBlockForOperator(db, call.kind, call.name))
}

type AuditEntry = { readonly action: string; readonly reason: string | null }

async function changeBlocks(
  context: Context,
  call: BlockCommand,
  { action, reason }: AuditEntry,
  write: (db: Database) => Promise<boolean>,
): Promise<boolean> {
  const { kind, name, actor } = call
  const now = context.now()
  const changed = await context.engine.tx(async (db) => {
    if (!(await write(db))) return false
    const ledgerState = createLedgerState()
    const actionContext = { actor, settings: DEFAULT_ACCOUNT_SETTINGS, moment: { at: now, receivedAt: now, ids: context.ids } }
    applyFacts(ledgerState, [createAuditFact(0, action, { kind, name, reason }, actionContext)])
    await commitLedgerState(db, ledgerState, { now, notify: () => false })
    return true
  })
  context.accountCache.invalidate()
  return changed
}
