/**
 * replay-mail - reads one mail of a replay into the store, in the daemon or in this process
 *
 * Mails that are submitted at the same time share a transaction, so one receiver serves all mails of a store.
 *
 * See also: commands/reading/replay, service/receive/receive.
 */
import { z } from 'zod'
import { defineStoreCommand, type CommandContext } from '../../daemon/store-command.ts'
import type { IncomingMail } from '../../service/receive/incoming-mail.ts'
import { createReceiver, type Receiver } from '../../service/receive/receive.ts'
import type { ReceiveResult } from '../../service/receive/receive-result.ts'
import type { RunStoreCommand } from '../command-runner.ts'
import { runForJson } from './json-result.ts'
import { createCommandVerifier } from './signature-verifier.ts'

/** `raw` is base64. */
const mailSchema = z.object({
  raw: z.base64(),
  size: z.int(),
  truncated: z.boolean(),
  dataDigest: z.string(),
  envelope: z.object({ from: z.string(), to: z.string() }),
  at: z.number(),
  receivedAt: z.number(),
  trustAs: z.literal('operator').nullable(),
  sessionId: z.string(),
})

/** Prints the result as JSON, without its facts. */
const replayMail = defineStoreCommand('replay mail', z.object({ mail: mailSchema, notify: z.boolean() }), async (on, input, output) => {
  const { mail, notify } = input
  const raw = Buffer.from(mail.raw, 'base64')
  const result = await receiverOf(on, notify).submit({ ...mail, raw, peer: null, helo: null, source: 'replay' })
  await output.write(Buffer.from(JSON.stringify({ ...result, facts: [] })))
})

export const REPLAY_COMMANDS = [replayMail] as const

/** Submits one mail by a command runner. Faults: store_busy. */
export async function submitMail(run: RunStoreCommand, { raw, ...mail }: IncomingMail, notify: boolean): Promise<ReceiveResult> {
  // Checked cast: `replayMail` above printed it.
  return (await runForJson(run, replayMail, { mail: { ...mail, raw: Buffer.from(raw).toString('base64') }, notify })) as ReceiveResult
}

type Receivers = { readonly silent: Receiver; readonly notifying: Receiver }

const receivers = new WeakMap<object, Receivers>()

function receiverOf({ context, settings }: CommandContext, notify: boolean): Receiver {
  const known = receivers.get(context) ?? createReceivers({ context, settings })
  receivers.set(context, known)
  return notify ? known.notifying : known.silent
}

function createReceivers({ context, settings }: Pick<CommandContext, 'context' | 'settings'>): Receivers {
  const prover = createCommandVerifier(settings)
  return {
    silent: createReceiver(context, { prover, dryRun: false, notifyReplays: false }),
    notifying: createReceiver(context, { prover, dryRun: false, notifyReplays: true }),
  }
}
