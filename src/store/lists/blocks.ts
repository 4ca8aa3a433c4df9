/**
 * blocks - peers, tokens and accounts that an operator has cut off, with the reason
 *
 * Few rows, read whole. See also: service/admin/blocks (what a cut does).
 */
import type { Db, Reader } from '../engine/engine.ts'
import { int, shapeOf, text, word } from '../engine/mapping.ts'

export const CUT_KINDS = ['peer', 'token', 'account'] as const
export type CutKind = (typeof CUT_KINDS)[number]

export type Cut = {
  readonly kind: CutKind
  /** An address or a network; a deliveryId; an account's number. */
  readonly name: string
  readonly reason: string
  readonly actor: string
  readonly createdAt: number
}

const CUTS = shapeOf<Cut>('cuts', ['kind', 'name'], {
  kind: word<CutKind>('kind'),
  name: text('name'),
  reason: text('reason'),
  actor: text('actor'),
  createdAt: int('created_at'),
})

/** All of them, by kind and name. */
export async function listCutsForOperator(reader: Reader): Promise<readonly Cut[]> {
  return (await reader.all(`select ${CUTS.columns('c')} from cuts c order by c.kind, c.name`)).map(CUTS.decode)
}

/** Adds a cut; false where it stands already. */
export async function addCutForOperator(db: Db, cut: Cut): Promise<boolean> {
  return (await db.insertMany(CUTS, [cut], 'ignore')) > 0
}

/** Removes a cut; whether it stood. */
export async function removeCutForOperator(db: Db, kind: CutKind, name: string): Promise<boolean> {
  return (await db.run('delete from cuts where kind = $1 and name = $2', [kind, name])) > 0
}
