/**
 * ask - a child process that sends queries to a daemon with autocannon and reports the latency of each and their rate
 *
 * The parent sends the queries. A few connections send them one after the other. autocannon measures the latencies.
 */
import { createRequire } from 'node:module'
import { API_KEY, API_USER } from '../test/support/daemon.ts'

export type Query = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object }
/** The used part of autocannon, which has no types. */
type AutocannonRequest = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}
type AutocannonClient = { readonly on: (event: 'response', heard: (status: number, bytes: number, millis: number) => void) => void }
type Autocannon = (options: {
  readonly url: string
  readonly connections: number
  readonly duration: number
  readonly requests: readonly { readonly setupRequest: (request: AutocannonRequest) => AutocannonRequest }[]
  readonly setupClient: (client: AutocannonClient) => void
}) => Promise<unknown>
// Checked against its documentation.
const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon

export type QueryLoad = {
  readonly port: number
  readonly questions: readonly Query[]
  readonly seconds: number
  readonly connections: number
}
export type QueryLatencies = {
  readonly p50: number
  readonly p99: number
  readonly rate: number
  readonly count: number
  readonly failed: number
}

process.once('message', (load: QueryLoad) => {
  void runQueries(load).then((latencies) => process.send?.(latencies, () => process.exit()))
})

async function runQueries({ port, questions, seconds, connections }: QueryLoad): Promise<QueryLatencies> {
  const authorization = `Basic ${Buffer.from(`${API_USER}:${API_KEY}`).toString('base64')}`
  const times: number[] = []
  let failed = 0
  let next = 0
  const startedAt = performance.now()
  await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    duration: seconds,
    requests: [
      {
        setupRequest: (request) => {
          const { method, path, body } = questions[next++ % questions.length] ?? { method: 'GET', path: '/' }
          const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
          return { ...request, method, path, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
        },
      },
    ],
    setupClient: (client) => {
      client.on('response', (status, _bytes, millis) => {
        times.push(millis)
        if (status !== 200) failed++
      })
    },
  })
  const elapsedSeconds = (performance.now() - startedAt) / 1_000
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { p50: at(0.5), p99: at(0.99), rate: times.length / elapsedSeconds, count: times.length, failed }
}
