/**
 * commands - commands to the delivery queue, each a row that every delivering node executes
 *
 * The queue is in the memory of the nodes that hold its groups, but any node accepts a command. Each of them runs it and saves its result in the transaction of
 * the effects; a row stays `waiting` until the holders of all groups have. A node that takes a group over runs what its earlier holder has not. Every command is
 * idempotent. Account 0 is the operator's.
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

/** A result `r` of the command in a table or alias. */
const SAME_COMMAND = (command: string): string => `r.account_id = ${command}.account_id and r.command_id = ${command}.command_id`

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

/** A waiting command, and whether a node has run it. */
type PendingQueueCommand = QueueCommand & { readonly isRun: boolean }

/** Lists the waiting commands of all accounts, oldest first. */
export async function listPendingQueueCommandsForOperator(
  reader: DatabaseReader,
  node: string,
  limit: number,
): Promise<readonly PendingQueueCommand[]> {
  const sql = `select ${COLUMNS}, case when exists (select 1 from queue_command_results r where ${SAME_COMMAND('c')} and r.node = $1)
      then 1 else 0 end as is_run
    from queue_commands c where c.state = 'waiting' order by c.created_at, c.command_id limit $2`
  return (await reader.all(sql, [node, limit])).map((row) => ({ ...QUEUE_COMMANDS.decode(row), isRun: Number(row['is_run']) === 1 }))
}

/** What one node did for a command. */
export type QueueCommandResult = Pick<QueueCommand, 'account' | 'commandId' | 'moved' | 'deleted' | 'said'> & {
  readonly node: string
  readonly state: 'done' | 'refused'
}

export const QUEUE_COMMAND_RESULTS = createTableMapping<QueueCommandResult>('queue_command_results', ['account_id', 'command_id', 'node'], {
  account: integerColumn('account_id'),
  commandId: uuidColumn('command_id'),
  node: textColumn('node', 'none'),
  state: textEnumColumn<QueueCommandResult['state']>('state'),
  moved: integerColumn('moved'),
  deleted: integerColumn('deleted'),
  said: nullableColumn(textColumn('said', 'text')),
})

/** Saves what a node did for commands, in the transaction of the effects. */
export async function saveQueueCommandResultsForOperator(db: Database, results: readonly QueueCommandResult[]): Promise<void> {
  await db.insertMany(QUEUE_COMMAND_RESULTS, results, 'ignore')
}

/** Settles the commands that the holders of all groups have run: done if one of them could, otherwise refused. */
export async function settleQueueCommandsForOperator(db: Database, now: number): Promise<void> {
  const results = `from queue_command_results r where ${SAME_COMMAND('queue_commands')}`
  await db.run(
    `update queue_commands set
      state = case when exists (select 1 ${results} and r.state = 'done') then 'done' else 'refused' end,
      settled_at = $1, moved = (select coalesce(sum(r.moved), 0) ${results}), deleted = (select coalesce(sum(r.deleted), 0) ${results}),
      said = coalesce((select max(r.said) ${results} and r.state = 'done'),
        (select max(r.said) ${results} and not exists (select 1 ${results.replaceAll('r.', 'd.').replace(' r ', ' d ')} and d.state = 'done')))
    where state = 'waiting' and exists (select 1 ${results}) and not exists (
      select 1 from queue_groups g where not exists (select 1 ${results} and r.node = g.node))`,
    [now],
  )
}

/** Removes commands that were settled before a moment. The audit still contains who sent what. Returns how many. */
export async function removeSettledQueueCommandsForOperator(db: Database, before: number): Promise<number> {
  const old = "select c.account_id, c.command_id from queue_commands c where c.state <> 'waiting' and c.settled_at < $1"
  await db.run(`delete from queue_command_results where (account_id, command_id) in (${old})`, [before])
  return db.run("delete from queue_commands where state <> 'waiting' and settled_at < $1", [before])
}
