/**
 * operator - what only the operator may do: block access, review held list entries, erase an address
 *
 * See also: http/api/operator, service/admin/blocks, service/lists/mass-bounce-review, service/admin/erase.
 */
import { addBlock, removeBlock, type BlockCommand } from '../../service/admin/blocks.ts'
import { eraseAddress, type EraseResult } from '../../service/admin/erase.ts'
import type { Context } from '../../service/context.ts'
import { releaseMassBounceGuard, type ReleaseCommand, type ReleaseResult } from '../../service/lists/mass-bounce-review.ts'
import { listAccessBlocksForOperator, type AccessBlock } from '../../store/lists/blocks.ts'
import { listSiteHoldsForOperator, type SiteHold } from '../../store/lists/mass-bounce-holds.ts'

export type AccessBlockService = {
  readonly list: () => Promise<readonly AccessBlock[]>
  /** Returns false if the block already existed. */
  readonly add: (command: BlockCommand, reason: string) => Promise<boolean>
  /** Returns false if there was no such block. */
  readonly remove: (command: BlockCommand) => Promise<boolean>
}

export type MassBounceReviewService = {
  /** The sites that are held, or that still have pending entries. */
  readonly list: () => Promise<readonly SiteHold[]>
  /** Applies or discards the pending entries of a site and releases it. */
  readonly resolve: (command: ReleaseCommand) => Promise<ReleaseResult>
}

/** Erases an address in all accounts. */
export type EraseAddress = (address: string, actor: string) => Promise<EraseResult>

/** Creates the service. */
export function createAccessBlockService(context: Context): AccessBlockService {
  return {
    list: () => listAccessBlocksForOperator(context.engine.read),
    add: (command, reason) => addBlock(context, command, reason),
    remove: (command) => removeBlock(context, command),
  }
}

/** Creates the service. */
export function createMassBounceReviewService(context: Context): MassBounceReviewService {
  return {
    list: () => listSiteHoldsForOperator(context.engine.read),
    resolve: (command) => releaseMassBounceGuard(context, command),
  }
}

/** Creates the function. */
export function createEraseAddress(context: Context): EraseAddress {
  return (address, actor) => eraseAddress(context, address, actor)
}
