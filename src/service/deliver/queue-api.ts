/**
 * queue-api - the status of the delivery queue and its commands, from any node
 *
 * The status comes from the snapshots in the store. A command is stored together with its audit fact; the delivering node runs it within a second, and the
 * caller waits briefly for that. If no node delivers, the command waits in the store for the next one that does.
 *
 * See also: store/queue/lane-snapshots, store/queue/commands, service/deliver/pending-commands (runs them), http/api/queue, commands/queue/queue.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import { createAuditFact } from '../../ledger/decide/operator-action.ts'
import type { OperatorCommand } from '../../queue/schedule/operator-commands.ts'
import { findLabelNames } from '../../store/account/labels.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findDeliveriesByEmailIds } from '../../store/mail/deliveries.ts'
import { addQueueCommand, findQueueCommand, type QueueCommand } from '../../store/queue/commands.ts'
import {
  listLaneSnapshotsForOperator,
  listLaneSnapshots,
  readHeartbeatForOperator,
  listThroughputForOperator,
} from '../../store/queue/lane-snapshots.ts'
import type { LaneRef, LaneSnapshotRow, ThroughputPoint, SeriesInterval } from '../../store/queue/lane-snapshots.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** `delivering` false: no node has written a heartbeat recently. `seenAt` null: none ever has. */
type DeliveryStatus = { readonly delivering: boolean; readonly seenAt: number | null }

/** `account` null: all accounts, for the operator. */
type LaneQuery = {
  readonly account: number | null
  readonly domain: string | null
  readonly after: LaneRef | null
  readonly limit: number
}

type ThroughputQuery = { readonly account: number | null; readonly domain: string | null; readonly width: SeriesInterval }

type QueueCommandRequest = { readonly account: number; readonly actor: string; readonly command: OperatorCommand }

export type QueueApi = {
  readonly deliveryStatus: () => Promise<DeliveryStatus>
  readonly listLanes: (query: LaneQuery) => Promise<readonly LaneSnapshotRow[]>
  readonly listThroughput: (query: ThroughputQuery) => Promise<readonly ThroughputPoint[]>
  /** Stores a command and returns it once it is settled or the wait is over. Faults: conflict (no node has ever delivered), not_found (no such label), bad_request. */
  readonly submitCommand: (request: QueueCommandRequest) => Promise<QueueCommand>
  /** The command that deletes one message of an account. Faults: not_found (no such message). */
  readonly findDeletion: (account: number, emailId: string) => Promise<OperatorCommand>
  /** A command of an account (0: of the operator), or null. */
  readonly findCommand: (account: number, commandId: string) => Promise<QueueCommand | null>
}

/** Heartbeats come every five seconds, so at least three are missing. */
const HEARTBEAT_TIMEOUT_MS = 20_000

/** Longer than the delivering node needs, shorter than a person's patience. */
const COMMAND_WAIT_MS = 2_000
const COMMAND_POLL_MS = 50

/** Reads whether any node delivers. Faults: store_busy. */
export async function readDeliveryStatus(read: DatabaseReader, now: number): Promise<DeliveryStatus> {
  const heartbeat = await readHeartbeatForOperator(read)
  return { delivering: heartbeat !== null && now - heartbeat.at < HEARTBEAT_TIMEOUT_MS, seenAt: heartbeat?.at ?? null }
}

/** Creates the service. */
export function createQueueApi(context: Context, waitMs: number = COMMAND_WAIT_MS): QueueApi {
  const { read } = context.engine
  const deliveryStatus = (): Promise<DeliveryStatus> => readDeliveryStatus(read, context.now())
  return {
    deliveryStatus,
    listLanes: ({ account, domain, after, limit }) =>
      account === null
        ? listLaneSnapshotsForOperator(read, { domain, after, limit })
        : listLaneSnapshots(read, account, { domain, after: after?.domain ?? null, limit }),
    listThroughput: (query) => listThroughputForOperator(read, { ...query, now: context.now() }),
    submitCommand: async (request) => {
      const { delivering, seenAt } = await deliveryStatus()
      if (seenAt === null) throw new Fault('conflict', 'no node has ever delivered from this store; set delivery.mode')
      await requireLabel(read, request.command)
      const stored = await storeCommand(context, request)
      return delivering ? waitUntilSettled(read, stored, waitMs) : stored
    },
    findDeletion: async (account, emailId) => {
      const [found] = await findDeliveriesByEmailIds(read, account, [emailId])
      if (found === undefined) throw new Fault('not_found', 'no message of this account has this emailId')
      return { kind: 'delete', account, domain: null, message: found.deliveryId }
    },
    findCommand: (account, commandId) => findQueueCommand(read, account, commandId),
  }
}

/** A wrong number must not look like a label without mail. A label that was removed may still have some. Faults: not_found. */
async function requireLabel(read: DatabaseReader, command: OperatorCommand): Promise<void> {
  if (!('label' in command) || command.label === undefined) return
  const names = await findLabelNames(read, command.account, [command.label])
  if (names.size === 0)
    throw new Fault('not_found', `the account has no label with the number ${command.label}; GET /v1/account/labels lists them`)
}

/** Stores the command and its audit fact. */
async function storeCommand(context: Context, { account, actor, command }: QueueCommandRequest): Promise<QueueCommand> {
  const { kind, detail } = auditedOf(command)
  const stored = await transact(context, {}, async ({ db, moment }) => {
    const { at } = moment
    const commandId = context.ids.next(at)
    const unsettled = { settledAt: null, moved: 0, deleted: 0, said: null } as const
    const result: QueueCommand = { account, commandId, command, actor, state: 'waiting', createdAt: at, ...unsettled }
    await addQueueCommand(db, result)
    return { result, facts: [createAuditFact(account, `queue.${kind}`, { ...detail, order: commandId }, { actor, moment })] }
  })
  context.engine.nudges.send()
  return stored
}

/** The values of a command, flat. */
function auditedOf({ kind, ...rest }: OperatorCommand): {
  readonly kind: string
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
} {
  if (!('accepted' in rest)) return { kind, detail: rest }
  const { accepted, ...detail } = rest
  return { kind, detail: { ...detail, ...accepted } }
}

async function waitUntilSettled(reader: DatabaseReader, stored: QueueCommand, waitMs: number): Promise<QueueCommand> {
  let command = stored
  for (let waited = 0; command.state === 'waiting' && waited < waitMs; waited += COMMAND_POLL_MS) {
    await sleep(COMMAND_POLL_MS)
    command = (await findQueueCommand(reader, stored.account, stored.commandId)) ?? stored
  }
  return command
}
