/**
 * pending-commands - runs the stored commands to the delivery queue, on the node that delivers
 *
 * A command is read, applied in memory, and settled in the transaction that writes its effects. If that transaction fails, the command is still waiting and
 * runs again; every command is idempotent. A command that cannot be applied is settled as refused, with a message.
 *
 *     const { events, settled } = await runCommands(context.engine.read, queue, now)
 *     … facts of the events, rows of messages that ended …
 *     await settleQueueCommandsForOperator(db, settled)      in the same transaction
 *
 * See also: store/queue/commands, queue/schedule/operator-commands, service/deliver/queue-api (stores them).
 */
import { Fault } from '../../errors.ts'
import { getOrCreateLane } from '../../queue/schedule/lane.ts'
import type { QueueEvent } from '../../queue/message.ts'
import { sharedKeys } from '../../queue/schedule/operator-commands.ts'
import { applyCommand, type Queue } from '../../queue/queue.ts'
import { keyReasonOf } from '../../queue/backoff/backoff-key.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { listPendingQueueCommandsForOperator, type QueueCommand } from '../../store/queue/commands.ts'

/** Bounds the time of one tick. */
const COMMANDS_PER_TICK = 50

type CommandResults = { readonly events: readonly QueueEvent[]; readonly settled: readonly QueueCommand[] }

/** Applies the waiting commands. Faults: store_busy. */
export async function runCommands(reader: DatabaseReader, queue: Queue, now: number): Promise<CommandResults> {
  const commands = await listPendingQueueCommandsForOperator(reader, COMMANDS_PER_TICK)
  const runs = commands.map((command) => runCommand(queue, command, now))
  return { events: runs.flatMap(({ events }) => events), settled: runs.map(({ command }) => command) }
}

function runCommand(
  queue: Queue,
  command: QueueCommand,
  now: number,
): { readonly command: QueueCommand; readonly events: readonly QueueEvent[] } {
  try {
    checkKeyExists(queue, command)
    const note = describeUnrecovered(queue, command)
    const events = applyCommand(queue, command.command, now)
    ensureLane(queue, command)
    const moved = events.filter(({ kind }) => kind.startsWith('queue.')).length
    const deleted = events.filter((event) => event.kind === 'mail.ended' && event.end === 'deleted').length
    return { command: { ...command, state: 'done', settledAt: now, moved, deleted, said: note }, events }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { command: { ...command, state: 'refused', settledAt: now, said: error.message }, events: [] }
  }
}

/** A misspelt key must not look like one that has recovered. Faults: bad_request (the queue does not know the key). */
function checkKeyExists(queue: Queue, { command }: QueueCommand): void {
  if (command.kind === 'recover-key' && !queue.keyStates.has(command.key))
    throw new Fault('bad_request', 'no such backoff key is or was active; GET /v1/queue lists the active keys')
}

/** Names the keys that an account may not recover, because they protect other accounts too. Null: there are none. */
function describeUnrecovered(queue: Queue, { command }: QueueCommand): string | null {
  if (command.kind !== 'recover' || command.onlyOwn !== true) return null
  const reasons = new Set(sharedKeys(queue, command).map((key) => keyReasonOf(key)))
  return reasons.size === 0 ? null : `left to the operator, because they protect other accounts too: ${[...reasons].join(', ')}`
}

/** Shows a pause or a rate limit of a domain that has no queued messages yet. */
function ensureLane(queue: Queue, { command }: QueueCommand): void {
  if ((command.kind === 'pause' || command.kind === 'rate') && command.domain !== null) {
    getOrCreateLane(queue, { account: command.account, domain: command.domain })
  }
}
