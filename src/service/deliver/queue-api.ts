/**
 * queue-api - what people may ask of the delivery queue from any node: how it stands, and what it shall do
 *
 * Looking reads the picture in the store. An order is a row with its audit in one transaction; the delivering node carries it out within a
 * second, and the answer waits a little for that. Where no node delivers it says so: the order waits in the store for the one that will.
 *
 * See also: store/queue/lane-snapshots, store/queue/commands, service/deliver/command-runner (who carries out), http/api/queue, commands/queue/queue.
 */
import { setTimeout as rest } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import { audit } from '../../ledger/decide/operator-action.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { DEFAULT_SETTINGS } from '../../ledger/account-settings.ts'
import { emptyWorld } from '../../ledger/project/state.ts'
import type { Command } from '../../queue/schedule/operator-commands.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { addQueueCommand, findQueueCommand, type QueueCommand } from '../../store/queue/commands.ts'
import { lanesForOperator, lanesOfAccount, pulseForOperator, seriesForOperator } from '../../store/queue/lane-snapshots.ts'
import type { LaneName, LaneRow, SeriesStep, StepWidth } from '../../store/queue/lane-snapshots.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

/** `delivering` false: no node has looked at the queue for a while. `seenAt` null: none ever has. */
export type Delivery = { readonly delivering: boolean; readonly seenAt: number | null }

/** Account null: everybody's, for the operator. */
export type LaneQuery = {
  readonly account: number | null
  readonly domain: string | null
  readonly after: LaneName | null
  readonly limit: number
}

export type SeriesQuery = { readonly account: number | null; readonly domain: string | null; readonly width: StepWidth }

export type Order = { readonly account: number; readonly actor: string; readonly command: Command }

export type QueueDesk = {
  readonly delivery: () => Promise<Delivery>
  readonly lanes: (query: LaneQuery) => Promise<readonly LaneRow[]>
  readonly series: (query: SeriesQuery) => Promise<readonly SeriesStep[]>
  /** The order as it stands once it is settled or the patience is over. Faults: conflict (nothing has ever delivered here), bad_request. */
  readonly order: (order: Order) => Promise<QueueCommand>
  /** One order of an account (0: the operator's own), or null. */
  readonly found: (account: number, commandId: string) => Promise<QueueCommand | null>
}

/** Pictures come every five seconds: three that were missed are no coincidence. */
export const PULSE_MS = 20_000

/** Longer than a tick of the delivering node takes, shorter than a person would wait for. */
const PATIENCE_MS = 2_000
const LOOK_EVERY_MS = 50

/** Whether any node delivers. */
export async function deliveryOf(read: Reader, now: number): Promise<Delivery> {
  const pulse = await pulseForOperator(read)
  return { delivering: pulse !== null && now - pulse.at < PULSE_MS, seenAt: pulse?.at ?? null }
}

export function createQueueDesk(shop: Shop, patienceMs: number = PATIENCE_MS): QueueDesk {
  const { read } = shop.engine
  const delivery = (): Promise<Delivery> => deliveryOf(read, shop.now())
  return {
    delivery,
    lanes: ({ account, domain, after, limit }) =>
      account === null
        ? lanesForOperator(read, { domain, after, limit })
        : lanesOfAccount(read, account, { domain, after: after?.domain ?? null, limit }),
    series: (query) => seriesForOperator(read, { ...query, now: shop.now() }),
    order: async (order) => {
      const { delivering, seenAt } = await delivery()
      if (seenAt === null) throw new Fault('conflict', 'no node has ever delivered from this store; turn delivery on (delivery.mode)')
      const placed = await place(shop, order)
      return delivering ? patiently(read, placed, patienceMs) : placed
    },
    found: (account, commandId) => findQueueCommand(read, account, commandId),
  }
}

/** The row and its audit. */
async function place(shop: Shop, { account, actor, command }: Order): Promise<QueueCommand> {
  const now = shop.now()
  const outcome = { settledAt: null, moved: 0, deleted: 0, said: null } as const
  const placed: QueueCommand = { account, commandId: shop.ids.next(now), command, actor, state: 'waiting', createdAt: now, ...outcome }
  const hand = { actor, settings: DEFAULT_SETTINGS, moment: { at: now, receivedAt: now, ids: shop.ids } }
  const { kind, ...detail } = command
  await shop.engine.tx(async (db) => {
    const world = emptyWorld()
    applyFacts(world, [audit(account, `queue.${kind}`, { ...detail, order: placed.commandId }, hand)])
    await Promise.all([addQueueCommand(db, placed), commitWorld(db, world, { now, notify: () => false })])
  })
  return placed
}

async function patiently(reader: Reader, placed: QueueCommand, patienceMs: number): Promise<QueueCommand> {
  let command = placed
  for (let waited = 0; command.state === 'waiting' && waited < patienceMs; waited += LOOK_EVERY_MS) {
    await rest(LOOK_EVERY_MS)
    command = (await findQueueCommand(reader, placed.account, placed.commandId)) ?? placed
  }
  return command
}
