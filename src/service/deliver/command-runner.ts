/**
 * command-runner - the delivering node carries out what people have asked of the queue
 *
 * Read, done in memory, and settled in the transaction that holds what followed. Where that transaction fails the order waits still, and
 * is done again: each of them may be. What cannot be done as asked is refused with its words.
 *
 *     const { events, settled } = await runCommands(shop.engine.read, queue, now)
 *     … facts of events, rows of mails that ended …
 *     await settleCommandsForOperator(db, settled)      in the same transaction
 *
 * See also: store/queue/commands, queue/schedule/operator-commands, service/deliver/queue-api (who asks).
 */
import { Fault } from '../../errors.ts'
import { getOrCreateLane } from '../../queue/schedule/lane.ts'
import type { QueueEvent } from '../../queue/message.ts'
import { sharedKeys } from '../../queue/schedule/operator-commands.ts'
import { applyCommand, type Queue } from '../../queue/queue.ts'
import { keyReasonOf } from '../../queue/backoff/backoff-key.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { listPendingQueueCommandsForOperator, type QueueCommand } from '../../store/queue/commands.ts'

/** Orders that one turn carries out. */
const COMMANDS_PER_TICK = 50

type CommandResults = { readonly events: readonly QueueEvent[]; readonly settled: readonly QueueCommand[] }

/** Carries out what waits. Faults: store_busy. */
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

/** Nobody shall take a misspelt key for one that is open now. Fault bad_request: no answer and no order has ever made it. */
function checkKeyExists(queue: Queue, { command }: QueueCommand): void {
  if (command.kind === 'recover-key' && !queue.keyStates.has(command.key))
    throw new Fault('bad_request', 'no such key holds or has held anything; GET /v1/queue names the keys that do')
}

/** What an account may not open for itself. Null: nothing. */
function describeUnrecovered(queue: Queue, { command }: QueueCommand): string | null {
  if (command.kind !== 'recover' || command.onlyOwn !== true) return null
  const reasons = new Set(sharedKeys(queue, command).map((key) => keyReasonOf(key)))
  return reasons.size === 0 ? null : `left for the operator, since they protect others too: ${[...reasons].join(', ')}`
}

/** A pause or a rate of a domain that has no mail yet is seen all the same. */
function ensureLane(queue: Queue, { command }: QueueCommand): void {
  if ((command.kind === 'pause' || command.kind === 'rate') && command.domain !== null) {
    getOrCreateLane(queue, { account: command.account, domain: command.domain })
  }
}
