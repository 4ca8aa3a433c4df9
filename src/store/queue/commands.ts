/**
 * commands - commands to the delivery queue, each a row that the delivering node executes
 *
 * The queue is in the memory of one node, but any node accepts a command. A row stays `waiting` until the transaction that also contains
 * its effect, so that the next node executes it if a node dies in between. Account 0 is the operator's.
 *
 * See also: queue/schedule/operator-commands (the commands), service/deliver/queue-api (which adds them), service/deliver/pending-commands
 * (which executes them).
 */
import type { OperatorCommand } from '../../queue/schedule/operator-commands.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import {
  uuidToBytes,
  integerColumn,
  jsonColumn,
  nullableColumn,
  createTableMapping,
  textColumn,
  uuidColumn,
  textEnumColumn,
} from '../engine/mapping.ts'

/** `refused`: the command could not be executed; `said` holds the reason. */
type QueueCommandState = 'waiting' | 'done' | 'refused'

export type QueueCommand = {
  readonly account: number
  readonly commandId: string
  readonly command: OperatorCommand
  readonly actor: string
  readonly state: QueueCommandState
  readonly createdAt: number
  readonly settledAt: number | null
  /** How many keys and manual pauses changed, and how many messages were deleted. */
  readonly moved: number
  readonly deleted: number
  readonly said: string | null
}

export const QUEUE_COMMANDS = createTableMapping<QueueCommand>('queue_commands', ['account_id', 'command_id'], {
  account: integerColumn('account_id'),
  commandId: uuidColumn('command_id'),
  command: jsonColumn<OperatorCommand>('command', 'json'),
  actor: textColumn('actor', 'text'),
  state: textEnumColumn<QueueCommandState>('state'),
  createdAt: integerColumn('created_at'),
  settledAt: nullableColumn(integerColumn('settled_at')),
  moved: integerColumn('moved'),
  deleted: integerColumn('deleted'),
  said: nullableColumn(textColumn('said', 'text')),
})

const COLUMNS = QUEUE_COMMANDS.columns('c')

/** Adds a command. */
export async function addQueueCommand(db: Database, command: QueueCommand): Promise<void> {
  await db.insertMany(QUEUE_COMMANDS, [command])
}

/** Finds one command of an account, or null. */
export async function findQueueCommand(reader: DatabaseReader, account: number, commandId: string): Promise<QueueCommand | null> {
  const sql = `select ${COLUMNS} from queue_commands c where c.account_id = $1 and c.command_id = $2`
  const row = await reader.one(sql, [account, uuidToBytes(commandId)])
  return row === null ? null : QUEUE_COMMANDS.decode(row)
}

/** Lists the waiting commands of all accounts, oldest first. */
export async function listPendingQueueCommandsForOperator(reader: DatabaseReader, limit: number): Promise<readonly QueueCommand[]> {
  const sql = `select ${COLUMNS} from queue_commands c where c.state = 'waiting' order by c.created_at, c.command_id limit $1`
  return (await reader.all(sql, [limit])).map(QUEUE_COMMANDS.decode)
}

/** Saves the outcome of commands, in the transaction of their effect. A settled command stays as it is. */
export async function settleQueueCommandsForOperator(db: Database, commands: readonly QueueCommand[]): Promise<void> {
  const sql = `update queue_commands set state = $1, settled_at = $2, moved = $3, deleted = $4, said = $5
    where account_id = $6 and command_id = $7 and state = 'waiting'`
  await Promise.all(
    commands.map(({ state, settledAt, moved, deleted, said, account, commandId }) =>
      db.run(sql, [state, settledAt, moved, deleted, said, account, uuidToBytes(commandId)]),
    ),
  )
}

/** Removes commands that were settled before a moment. The audit still contains who sent what. Returns how many. */
export async function removeSettledQueueCommandsForOperator(db: Database, before: number): Promise<number> {
  return db.run("delete from queue_commands where state <> 'waiting' and settled_at < $1", [before])
}
