/**
 * trace - streams what the running daemon does for one peer, one domain or one delivery
 *
 * One line an event, or NDJSON with `--json`. Ends with Ctrl-C, after `--for` seconds, or with the daemon. Where the reader is too slow, events are
 * dropped and their number is printed.
 *
 * See also: trace (the events), docs/DEBUGGING.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { normaliseDomain } from '../correlate/address-hash.ts'
import { defineStoreCommand } from '../daemon/store-command.ts'
import { Fault } from '../errors.ts'
import type { TraceEvent, TraceFilter } from '../trace.ts'
import type { DefineCommand } from './command.ts'
import { runInDaemon } from './command-runner.ts'

const inputSchema = z.object({
  filter: z.union([
    z.strictObject({ peer: z.string() }),
    z.strictObject({ domain: z.string() }),
    z.strictObject({ deliveryId: z.string() }),
  ]),
  json: z.boolean(),
  /** Null: until the client goes away. */
  seconds: z.number().positive().nullable(),
})

const watchCommand = defineStoreCommand('trace', inputSchema, async ({ context }, { filter, json, seconds }, output) => {
  const listener = context.telemetry.trace.listen(filter)
  const signal = seconds === null ? output.signal : AbortSignal.any([output.signal, AbortSignal.timeout(seconds * 1_000)])
  try {
    while (!signal.aborted) {
      await listener.wait(signal)
      const { events, dropped } = listener.take()
      await output.printLines(...events.map(json ? formatJson : formatLine), ...(dropped === 0 ? [] : [droppedLine(dropped, json)]))
    }
  } finally {
    listener.close()
  }
  output.signal.throwIfAborted()
})

export const TRACE_COMMANDS = [watchCommand] as const

type Options = { readonly peer?: string; readonly domain?: string; readonly delivery?: string; readonly json?: true; readonly for?: string }

export const traceCommand: DefineCommand = (command) => {
  command
    .option('--peer <address>', 'SMTP sessions with this IP address, and the reports that it sends')
    .option('--domain <domain>', 'deliveries to this recipient domain, and what comes back from it')
    .option('--delivery <id>', 'one delivery, by its deliveryId')
    .option('--json', 'one JSON object per event')
    .option('--for <seconds>', 'end after this time')
    .action((options: Options, self: Command) =>
      runInDaemon(self, watchCommand, { filter: parseFilter(options), json: options.json === true, seconds: parseSeconds(options.for) }),
    )
}

/** Faults: bad_request. */
function parseFilter({ peer, domain, delivery }: Options): TraceFilter {
  const given = [peer, domain, delivery].filter((each) => each !== undefined)
  if (given.length !== 1) throw new Fault('bad_request', 'name a --peer, a --domain or a --delivery')
  if (peer !== undefined) return { peer }
  if (domain === undefined) return { deliveryId: delivery ?? '' }
  const known = normaliseDomain(domain)
  if (known === null) throw new Fault('bad_request', '--domain takes a domain like example.com')
  return { domain: known }
}

function parseSeconds(text: string | undefined): number | null {
  if (text === undefined) return null
  const seconds = Number(text)
  if (!(seconds > 0)) throw new Fault('bad_request', '--for takes a number of seconds above 0')
  return seconds
}

function formatLine({ at, kind, subject, fields }: TraceEvent): string {
  const { sessionId = null, deliveryId = null } = subject
  const names = Object.entries({ session: sessionId, delivery: deliveryId, ...fields })
  const words = names.flatMap(([name, value]) => (value === null ? [] : [`${name}=${formatValue(value)}`]))
  return [new Date(at).toISOString(), kind.padEnd('delivery.dispatched'.length), ...words].join(' ')
}

const formatValue = (value: string | number | boolean): string =>
  typeof value === 'string' && !/^[\w.:/@-]+$/.test(value) ? JSON.stringify(value) : String(value)

function formatJson({ at, kind, subject, fields }: TraceEvent): string {
  const { peer = null, sessionId = null, deliveryId = null, domains = [] } = subject
  return JSON.stringify({ at: new Date(at).toISOString(), kind, peer, sessionId, deliveryId, domain: domains[0] ?? null, ...fields })
}

const droppedLine = (dropped: number, json: boolean): string =>
  json ? JSON.stringify({ dropped }) : `${dropped} events were dropped: this reader is too slow`
