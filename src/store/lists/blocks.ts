/**
 * blocks - peers, tokens and accounts that an operator has blocked, with the reason
 *
 * Few rows, always read together. See also: service/admin/blocks (the effect of a block).
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { integerColumn, createTableMapping, textColumn, textEnumColumn } from '../engine/mapping.ts'

export const ACCESS_BLOCK_KINDS = ['peer', 'token', 'account'] as const
export type AccessBlockKind = (typeof ACCESS_BLOCK_KINDS)[number]

export type AccessBlock = {
  readonly kind: AccessBlockKind
  /** An IP address or a network; a deliveryId; the number of an account. */
  readonly name: string
  readonly reason: string
  readonly actor: string
  readonly createdAt: number
}

export const ACCESS_BLOCKS = createTableMapping<AccessBlock>('cuts', ['kind', 'name'], {
  kind: textEnumColumn<AccessBlockKind>('kind'),
  name: textColumn('name', 'none'),
  reason: textColumn('reason', 'text'),
  actor: textColumn('actor', 'text'),
  createdAt: integerColumn('created_at'),
})

/** Lists all blocks by kind and name. */
export async function listAccessBlocksForOperator(reader: DatabaseReader): Promise<readonly AccessBlock[]> {
  return (await reader.all(`select ${ACCESS_BLOCKS.columns('c')} from cuts c order by c.kind, c.name`)).map(ACCESS_BLOCKS.decode)
}

/** Adds a block. Returns false if it already exists. */
export async function addAccessBlockForOperator(db: Database, block: AccessBlock): Promise<boolean> {
  return (await db.insertMany(ACCESS_BLOCKS, [block], 'ignore')) > 0
}

/** Removes a block. Returns whether it existed. */
export async function removeAccessBlockForOperator(db: Database, kind: AccessBlockKind, name: string): Promise<boolean> {
  return (await db.run('delete from cuts where kind = $1 and name = $2', [kind, name])) > 0
}
