/**
 * pending-commands - runs the stored commands to the delivery queue, on each node that delivers
 *
 * A command is read, applied in memory, and its result saved in the transaction that writes its effects. If that transaction fails, the command is still waiting
 * and runs again; every command is idempotent. The result of a command that cannot be applied is `refused`, with a message.
 *
 *     const { events, results } = await runCommands(context.engine.read, queue, { node, isRecorded }, now)
 *     … facts of the events, rows of messages that ended …
 *     await saveQueueCommandResultsForOperator(db, results)      in the same transaction
 *
 * See also: store/queue/commands, queue/schedule/operator-commands, service/deliver/queue-api (stores them).
 */
import { Fault } from '../../errors.ts'
import { getOrCreateLane } from '../../queue/schedule/lane.ts'
import type { QueueEvent } from '../../queue/message.ts'
import { sharedKeys } from '../../queue/schedule/operator-commands.ts'
import { applyCommand, type Queue } from '../../queue/queue.ts'
import { BACKOFF_KEYS, keyReasonOf } from '../../queue/backoff/backoff-key.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { standForKey } from '../../queue/clean-attempts.ts'
import { listPendingQueueCommandsForOperator, type QueueCommand, type QueueCommandResult } from '../../store/queue/commands.ts'

/** Bounds the time of one tick. */
const COMMANDS_PER_TICK = 50

type CommandResults = {
  readonly events: readonly QueueEvent[]
  readonly results: readonly QueueCommandResult[]
  /** The keys and the egress IPs whose settings have changed without an event. */
  readonly changedKeys: readonly string[]
  /** Another node has not run a command yet that this node has. */
  readonly hasRun: boolean
}

/** The node that runs commands, and which transitions it records: those of keys that other nodes have too are counted by one of them. */
type CommandRunner = { readonly node: string; readonly isRecorded: (event: QueueEvent) => boolean }

/** Applies the waiting commands. Faults: store_busy. */
export async function runCommands(reader: DatabaseReader, queue: Queue, runner: CommandRunner, now: number): Promise<CommandResults> {
  const commands = await listPendingQueueCommandsForOperator(reader, runner.node, COMMANDS_PER_TICK)
  const due = commands.filter((command) => !command.isRun && !isTooEarly(queue, command, now))
  const runs = due.map((command) => runCommand(queue, command, runner, now))
  return {
    events: runs.flatMap(({ events }) => events),
    results: runs.map(({ result }) => result),
    changedKeys: due.flatMap(({ command }) => changedKeysOf(command)),
    hasRun: commands.some(({ isRun }) => isRun),
  }
}

/** Longer than a node needs to load a message that was just accepted, shorter than the sender of a command waits. */
const LOADING_MS = 1_500

/** Whether a command deletes one message that may not be in memory yet. It runs with a later tick. */
const isTooEarly = (queue: Queue, { command, createdAt }: QueueCommand, now: number): boolean =>
  'message' in command &&
  !queue.entries.has(command.message) &&
  !queue.scheduled.has(command.message) &&
  now >= createdAt &&
  now - createdAt < LOADING_MS

/** The rows that a command changes without an event. */
function changedKeysOf(command: QueueCommand['command']): readonly string[] {
  if (command.kind === 'rate') return [BACKOFF_KEYS.lane(command)]
  return command.kind === 'warm-up' ? [command.egressIp] : []
}

function runCommand(
  queue: Queue,
  command: QueueCommand,
  { node, isRecorded }: CommandRunner,
  now: number,
): { readonly result: QueueCommandResult; readonly events: readonly QueueEvent[] } {
  const { account, commandId } = command
  try {
    checkKeyExists(queue, command)
    const note = describeUnrecovered(queue, command)
    const events = applyCommand(queue, command.command, now)
    ensureLane(queue, command)
    const moved = events.filter((event) => event.kind.startsWith('queue.') && isRecorded(event)).length
    const deleted = events.filter((event) => event.kind === 'mail.ended' && event.end === 'deleted').length
    return { result: { account, commandId, node, state: 'done', moved, deleted, said: note }, events }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { result: { account, commandId, node, state: 'refused', moved: 0, deleted: 0, said: error.message }, events: [] }
  }
}

/** A misspelt key must not look like one that has recovered. Faults: bad_request (the queue does not know the key). */
function checkKeyExists(queue: Queue, { command }: QueueCommand): void {
  if (command.kind === 'recover-key' && !queue.keyStates.has(command.key) && !standForKey(queue, command.key))
    throw new Fault('bad_request', 'no such backoff key is or was active; GET /v1/queue lists the active keys')
}

/** Names the keys that an account may not recover, because they protect other accounts too. Null: there are none. */
function describeUnrecovered(queue: Queue, { command }: QueueCommand): string | null {
  if (command.kind !== 'recover' || command.onlyOwn !== true || command.label !== undefined) return null
  const reasons = new Set(sharedKeys(queue, command).map((key) => keyReasonOf(key)))
  return reasons.size === 0 ? null : `left to the operator, because they protect other accounts too: ${[...reasons].join(', ')}`
}

/** Shows a pause or a rate limit of a domain that has no queued messages yet. */
function ensureLane(queue: Queue, { command }: QueueCommand): void {
  if ((command.kind === 'pause' || command.kind === 'rate') && command.domain !== null) {
    getOrCreateLane(queue, { account: command.account, domain: command.domain })
  }
}
