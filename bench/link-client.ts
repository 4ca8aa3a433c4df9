/**
 * link-client - a child process that requests the links of mails at a fixed rate, whatever the answers take
 *
 * The parent sends the paths. A request that is due waits for a free connection, and its latency counts from the moment when it was due, so that
 * a server that stalls does not slow the clock that measures it. Reads HTTP itself, because a client library costs more CPU than the server.
 *
 * See also: bench/tracking.
 */
import { connect, type Socket } from 'node:net'

export type LinkLoad = {
  readonly port: number
  readonly paths: readonly string[]
  readonly perSecond: number
  readonly connections: number
}

/** Milliseconds; `open` and `click` by the first letter of the path. `other`: responses that were neither 200 nor 302. */
export type LinkLatencies = {
  readonly rate: number
  readonly other: number
  readonly open: LinkPercentiles
  readonly click: LinkPercentiles
}

type LinkPercentiles = { readonly p50: number; readonly p99: number; readonly longest: number }

/** How often the clock is read. */
const TICK_MS = 1

const END_OF_HEADER = Buffer.from('\r\n\r\n')

process.once('message', (load: LinkLoad) => {
  void requestAll(load).then((latencies) => process.send?.(latencies, () => process.exit()))
})

type Due = { readonly path: string; readonly at: number }

async function requestAll({ port, paths, perSecond, connections }: LinkLoad): Promise<LinkLatencies> {
  const waiting: Due[] = []
  const times = { open: [] as number[], click: [] as number[] }
  let other = 0
  let answered = 0
  let due = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  const free = await Promise.all(Array.from({ length: connections }, () => openConnection(port)))
  const startedAt = performance.now()
  const sendNext = (): void => {
    for (let next = waiting[0]; next !== undefined && free.length > 0; next = waiting[0]) {
      waiting.shift()
      const connection = free.pop()
      connection?.(next.path, (status) => {
        times[next.path.startsWith('/o/') ? 'open' : 'click'].push(performance.now() - next.at)
        if (status !== 200 && status !== 302) other++
        free.push(connection)
        if (++answered === paths.length) resolve()
        sendNext()
      })
    }
  }
  const timer = setInterval(() => {
    const until = Math.min(paths.length, Math.floor(((performance.now() - startedAt) * perSecond) / 1_000))
    for (; due < until; due++) waiting.push({ path: paths[due] ?? '', at: startedAt + (due * 1_000) / perSecond })
    sendNext()
  }, TICK_MS)
  await promise
  clearInterval(timer)
  const rate = (paths.length * 1_000) / (performance.now() - startedAt)
  return { rate, other, open: percentilesOf(times.open), click: percentilesOf(times.click) }
}

function percentilesOf(times: readonly number[]): LinkPercentiles {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { p50: at(0.5), p99: at(0.99), longest: at(1) }
}

type Connection = (path: string, heard: (status: number) => void) => void

/** One kept connection. The next request is sent when the response to the last one is complete. */
async function openConnection(port: number): Promise<Connection> {
  const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  let heard: ((status: number) => void) | null = null
  let received: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    const end = received.indexOf(END_OF_HEADER)
    if (end < 0) return
    const header = received.toString('latin1', 0, end)
    const length = Number(/content-length: (\d+)/i.exec(header)?.[1] ?? 0)
    if (received.length < end + END_OF_HEADER.length + length) return
    received = Buffer.alloc(0)
    const tell = heard
    heard = null
    tell?.(Number(header.slice(9, 12)))
  })
  return (path, next) => {
    heard = next
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n`,
    )
  }
}
