/**
 * tcp-proxy - a TCP proxy between two programs whose network a test breaks
 *
 *     const proxy = await createTcpProxy({ host: '127.0.0.1', port: 5432 })
 *     proxy.swallow()  // both sides stay connected and hear nothing: a host that is lost, a firewall that drops
 *     proxy.cut()      // both sides are reset, and new connections are refused
 *     await proxy.cutAtCommit()  // the next COMMIT arrives, and both sides are reset before its answer does
 *     proxy.delay(50)  // each chunk arrives later
 *     proxy.pass()     // works again; connections that swallowed stay dead
 *
 * A mode applies to existing and to new connections. What was swallowed is lost, so a connection that has lost bytes never works again.
 */
import { createServer, connect, type Server, type Socket } from 'node:net'

type Target = { readonly host: string; readonly port: number }

export type TcpProxy = {
  readonly port: number
  /** The URL of the target, through the proxy. */
  readonly through: (url: string) => string
  readonly pass: () => void
  readonly delay: (millis: number) => void
  readonly swallow: () => void
  readonly cut: () => void
  /** Resolves when a COMMIT has met it. One at a time. */
  readonly cutAtCommit: () => Promise<void>
  /** Chunks that were lost since `swallow`. */
  readonly swallowed: () => number
  readonly close: () => Promise<void>
}

type Link = { readonly ends: readonly [Socket, Socket]; isDead: boolean }
type ProxyState = {
  mode: 'pass' | 'swallow' | 'cut'
  delayMillis: number
  swallowed: number
  readonly links: Set<Link>
  /** Called for the next COMMIT; null: commits pass. */
  onCommit: (() => void) | null
}

/** The end of the message that PostgreSQL's clients send for it: a simple query. */
const COMMIT = Buffer.from('commit\0')

/** Listens on a free port of loopback. */
export async function createTcpProxy(target: Target): Promise<TcpProxy> {
  const state: ProxyState = { mode: 'pass', delayMillis: 0, swallowed: 0, links: new Set(), onCommit: null }
  const server = createServer((client) => accept(state, client, target))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = portOf(server)
  return {
    port,
    through: (url) => {
      const changed = new URL(url)
      changed.hostname = '127.0.0.1'
      changed.port = String(port)
      return changed.href
    },
    pass: () => {
      state.mode = 'pass'
      state.delayMillis = 0
      for (const link of state.links) if (link.ends.some(({ destroyed }) => destroyed)) breakLink(state, link)
    },
    delay: (millis) => {
      state.delayMillis = millis
    },
    swallow: () => {
      state.mode = 'swallow'
      state.swallowed = 0
      for (const link of state.links) link.isDead = true
    },
    cut: () => {
      state.mode = 'cut'
      for (const link of state.links) breakLink(state, link)
    },
    cutAtCommit: () => new Promise((resolve) => (state.onCommit = resolve)),
    swallowed: () => state.swallowed,
    close: async () => {
      for (const link of state.links) breakLink(state, link)
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The host and the port of a URL. */
export function targetOf(url: string): Target {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

function accept(state: ProxyState, client: Socket, { host, port }: Target): void {
  client.on('error', () => undefined)
  if (state.mode === 'cut') return void client.resetAndDestroy()
  const upstream = connect({ host, port })
  const link: Link = { ends: [client, upstream], isDead: state.mode === 'swallow' }
  state.links.add(link)
  for (const [from, to] of [link.ends, link.ends.toReversed()])
    if (from !== undefined && to !== undefined) forward(state, link, { from, to })
}

function forward(state: ProxyState, link: Link, { from, to }: { readonly from: Socket; readonly to: Socket }): void {
  const later = (work: () => void): void => {
    if (state.delayMillis === 0) work()
    else setTimeout(work, state.delayMillis)
  }
  from.on('error', () => undefined)
  from.on('data', (chunk: Buffer) => {
    if (link.isDead) state.swallowed += 1
    else if (state.onCommit !== null && chunk.subarray(-COMMIT.length).equals(COMMIT)) passCommit(state, link, { to, chunk })
    else later(() => to.writable && to.write(chunk))
  })
  // A lost host does not say goodbye, so the end of one side is swallowed too. A host that is back resets what it has closed, when it is asked (keepalive).
  from.on('close', () => {
    if (!link.isDead || state.mode === 'pass') later(() => breakLink(state, link))
  })
}

/** The server gets the COMMIT, and the client no answer. */
function passCommit(state: ProxyState, link: Link, { to, chunk }: { readonly to: Socket; readonly chunk: Buffer }): void {
  state.onCommit?.()
  state.onCommit = null
  link.isDead = true
  to.write(chunk)
  // Time to arrive: a reset discards what has not been read.
  setTimeout(() => breakLink(state, link), 50)
}

function breakLink(state: ProxyState, link: Link): void {
  state.links.delete(link)
  link.isDead = true
  for (const end of link.ends) end.resetAndDestroy()
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
