/**
 * connection - one connection to PostgreSQL, which can be destroyed at any moment
 *
 * The driver gets a pool of one and a socket of ours, once. So the connection never reconnects by itself, its statements run in the order of
 * the calls, and `destroy` ends the socket and every running statement at once, whatever the server does. A connection that has ended
 * refuses each statement as Fault store_busy; the pool then opens another one.
 *
 * Every statement with parameters is prepared. See also: store/engine/postgres/pool, store/engine/postgres/fault.
 */
import { Socket } from 'node:net'
import postgres from 'postgres'
import { Fault } from '../../../errors.ts'
import { toPostgresFault } from './fault.ts'
import type { SqlRow, SqlValue } from '../value.ts'

/** The rows, how many rows the statement touched, and its command tag (`COMMIT`). */
export type QueryResult = { readonly rows: readonly SqlRow[]; readonly count: number; readonly command: string }

export type ParameterizedQuery = { readonly text: string; readonly params: readonly SqlValue[] }

export type PostgresConnection = {
  /** Runs a statement. Calls without an `await` between them are pipelined. Throws Fault store_busy, conflict, or internal (a refused value). */
  readonly execute: (query: ParameterizedQuery) => Promise<QueryResult>
  /** Runs statements of constant text in one message, and returns the result of the last one. */
  readonly executeScript: (text: string) => Promise<QueryResult>
  readonly hasEnded: () => boolean
  /** Ends the socket now. Running statements fail with this Fault. Idempotent. */
  readonly destroy: (cause: Fault) => void
  /** Says goodbye to the server, waits a second at most for its answer, and ends. */
  readonly close: () => Promise<void>
}

/** A server of the URL. `path`: a Unix socket. */
type PostgresAddress = { readonly host: string; readonly port: number; readonly path?: string }

type ConnectionOptions = {
  readonly url: string
  readonly address: PostgresAddress
  readonly connectMillis: number
  /** Called once, when the connection has ended for whatever reason. */
  readonly onEnd: () => void
  /** Gets the payload of each notification of a channel that the connection listens to. */
  readonly onNotified?: ((payload: string) => void) | undefined
}

/** A dead peer is noticed after this silence and nine probes of the operating system, where nothing waits for an answer. */
const KEEP_ALIVE_SECONDS = 15

/** A server that answers at all answers a goodbye at once. */
const GOODBYE_SECONDS = 1

/** The driver returns int8 and numeric (sums of int8) as text. All of our values are below 2^53. */
const NUMERIC_TYPES = { to: 20, from: [20, 1700], serialize: String, parse: Number }

/** The servers that a URL names. Opens nothing. */
export function listPostgresAddresses(url: string): readonly PostgresAddress[] {
  const { host, port, path } = postgres(url, { max: 1 }).options
  if (typeof path === 'string' && path !== '') return [{ host: host[0] ?? '', port: port[0] ?? 0, path }]
  return host.map((name, i) => ({ host: name, port: port[i] ?? port[0] ?? 5_432 }))
}

/** Creates a connection; its first statement opens it. */
export function createPostgresConnection({ url, address, connectMillis, onEnd, onNotified }: ConnectionOptions): PostgresConnection {
  const running = new Set<(fault: Fault) => void>()
  let socket: Socket | null = null
  let ended: Fault | null = null
  const end = (cause: Fault): void => {
    if (ended !== null) return
    ended = cause
    socket?.destroy()
    for (const fail of running) fail(cause)
    running.clear()
    // Clears what the driver still queues. It has no socket to wait for.
    client.end({ timeout: 0 }).catch(() => undefined)
    onEnd()
  }
  const onLost = (): void => end(new Fault('store_busy', 'PostgreSQL cannot be reached: the connection was lost'))
  const openSocket = (): Socket => {
    if (socket === null) return (socket = connectSocket(address))
    onLost()
    throw new Error('a connection is opened once')
  }
  const client = postgres(url, driverOptions({ address, connectMillis, onLost, openSocket, onNotified }))
  const track = (query: () => Promise<DriverResult>): Promise<QueryResult> =>
    ended === null ? settleOrFail(query, running) : Promise.reject(ended)
  return {
    execute: ({ text, params }) => track(() => client.unsafe(text, [...params], { prepare: true })),
    executeScript: (text) => track(() => client.unsafe(text)),
    hasEnded: () => ended !== null,
    destroy: end,
    close: async () => {
      await client.end({ timeout: GOODBYE_SECONDS }).catch(() => undefined)
      end(new Fault('store_busy', 'the store is closed'))
    },
  }
}

/** The result of a query of the driver. Until it is there, `running` holds a function that makes it fail. */
function settleOrFail(query: () => Promise<DriverResult>, running: Set<(fault: Fault) => void>): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    running.add(reject)
    query()
      .then((result) => resolve(toQueryResult(result)))
      .catch((error: unknown) => reject(toPostgresFault(error)))
      .finally(() => running.delete(reject))
  })
}

type DriverResult = postgres.RowList<postgres.Row[]>

function toQueryResult(result: DriverResult): QueryResult {
  // Checked cast: the schema has text, bytea and what NUMERIC_TYPES parses, and nothing else.
  return { rows: result as unknown as readonly SqlRow[], count: result.count, command: result.command }
}

function connectSocket({ host, port, path }: PostgresAddress): Socket {
  const socket = new Socket()
  socket.connect(path === undefined ? { host, port } : { path })
  // With TLS, the driver reads the server's name from this property.
  return Object.assign(socket, { host })
}

type DriverOptions = Pick<ConnectionOptions, 'address' | 'connectMillis' | 'onNotified'> & {
  readonly onLost: () => void
  readonly openSocket: () => Socket
}

/**
 * `socket` and `onnotify` are options of the driver that its types do not name; tests notice if an upgrade drops them. No lifetime: the driver would end a
 * connection in the middle of a transaction that it does not know.
 */
function driverOptions({ address, connectMillis, onLost, openSocket, onNotified }: DriverOptions) {
  return {
    host: address.host,
    port: address.port,
    max: 1,
    prepare: true,
    fetch_types: false,
    connect_timeout: connectMillis / 1_000,
    keep_alive: KEEP_ALIVE_SECONDS,
    max_lifetime: null,
    idle_timeout: 0,
    backoff: () => 0,
    onnotice: () => undefined,
    onnotify: (_channel: string, payload: string) => onNotified?.(payload),
    onclose: onLost,
    socket: openSocket,
    types: { number8: NUMERIC_TYPES },
  }
}
