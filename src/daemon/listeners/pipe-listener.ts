/**
 * pipe-listener - takes the mails that `bounced receive` reads from a pipe, over the command socket
 *
 * The caller is a program of the daemon's own user, such as the pipe transport of an MTA. A mail is answered when it is committed for all of its
 * recipients, as by SMTP. A recipient that the caller names must be one of ours. A recipient that only the header names need not be: an MTA
 * that delivers into a pipe has decided already, and a report names its mail inside.
 *
 * See also: commands/receive (the caller), daemon/command-server (the socket), smtp-server/incoming-router, import/recovered-envelope.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream/promises'
import { Fault } from '../../errors.ts'
import { recoverEnvelope } from '../../import/recovered-envelope.ts'
import { createByteBudget, type ByteBudget } from '../../net/byte-budget.ts'
import type { Context } from '../../service/context.ts'
import { requireDiskSpace } from '../../service/disk-space.ts'
import type { Settings } from '../../settings/schema.ts'
import { readBody } from '../../smtp-server/body-reader.ts'
import type { IncomingRouter } from '../../smtp-server/incoming-router.ts'

/**
 * Takes one mail. Resolves when it is committed. Faults: bad_request, not_found (a recipient is not ours), too_large, request_timeout (the
 * caller went away), overloaded, insufficient_storage, store_busy.
 */
export type PipeListener = (request: IncomingMessage) => Promise<void>

type PipeDependencies = { readonly context: Context; readonly settings: Settings; readonly router: IncomingRouter }

/** What the caller states. `from` is null and `to` is empty where the header has to tell. */
type StatedEnvelope = { readonly from: string | null; readonly to: readonly string[] }

/** Creates the listener. All mails that it reads share one budget of memory. */
export function createPipeListener(dependencies: PipeDependencies): PipeListener {
  const { context, settings, router } = dependencies
  const { limits } = settings
  const { now, domains, telemetry } = context
  const budget = createByteBudget(limits.bodyBudget)
  return async (request) => {
    const stated = statedEnvelopeOf(request)
    await refuseEarly(dependencies, budget, request, stated)
    const received = await readBody(request, { maxBytes: limits.mailSize, budget, now, onAborted: () => request.destroy() })
    if (received === null) throw new Fault('request_timeout', 'the mail did not arrive whole')
    try {
      const { raw, size } = received.body
      const recovered = recoverEnvelope(raw, [...domains.returnPath, ...domains.feedback])
      const from = stated.from ?? recovered.from
      const to = stated.to.length > 0 ? stated.to : [recovered.to]
      const [receivedAt, sessionId] = [now(), randomUUID()]
      telemetry.log.debug({ sessionId, from, size, recipients: to.length }, 'piped mail received')
      const common = {
        ...received.body,
        peer: null,
        helo: null,
        at: receivedAt,
        receivedAt,
        source: 'pipe',
        trustAs: null,
        sessionId,
      } as const
      await Promise.all(to.map((recipient) => router.submit({ ...common, envelope: { from, to: recipient } })))
    } finally {
      received.release()
    }
  }
}

/** Reads a refused mail to its end, so that the caller sees why. */
async function refuseEarly(
  { context, settings: { limits }, router }: PipeDependencies,
  budget: ByteBudget,
  request: IncomingMessage,
  { to }: StatedEnvelope,
): Promise<void> {
  try {
    requireDiskSpace(context)
    if (!budget.isBelowSoftLimit())
      throw new Fault('overloaded', 'too much mail is being received, please try again later (limits.bodyBudget)')
    if (Number(request.headers['content-length']) > limits.advertisedSize)
      throw new Fault('too_large', `the mail has more than ${limits.advertisedSize} bytes (limits.advertisedSize)`)
    if (to.length > limits.recipientsPerMail)
      throw new Fault('bad_request', `a mail may have ${limits.recipientsPerMail} recipients at most (limits.recipientsPerMail)`)
    for (const recipient of to)
      if ((await router.destinationOf(recipient)) === null) throw new Fault('not_found', `${recipient} is at none of our domains`)
  } catch (error) {
    await finished(request.resume()).catch(() => undefined)
    throw error
  }
}

/** Postfix writes this in the place of a null sender (pipe(8), null_sender). */
const NULL_SENDER = 'mailer-daemon'

function statedEnvelopeOf(request: IncomingMessage): StatedEnvelope {
  const query = new URL(request.url ?? '', 'http://bounced').searchParams
  const from = query.get('from')
  return {
    from: from === null ? null : from.toLowerCase() === NULL_SENDER ? '' : bareAddressOf(from),
    to: [...new Set(query.getAll('to').map(bareAddressOf))],
  }
}

const bareAddressOf = (address: string): string => address.trim().replace(/^<(.*)>$/s, '$1')
