/**
 * ask - questions to a daemon from a process of their own, by autocannon: how long each took, how many a second
 *
 * Told by its parent what to ask; a few connections ask one question after the other. The times are autocannon's own, of each answer.
 */
import { createRequire } from 'node:module'
import { API_KEY, API_USER } from '../test/support/daemon.ts'

export type Question = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: object }
/** autocannon has no types; what of it is used here. */
type Request = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}
type Client = { readonly on: (event: 'response', heard: (status: number, bytes: number, millis: number) => void) => void }
type Autocannon = (options: {
  readonly url: string
  readonly connections: number
  readonly duration: number
  readonly requests: readonly { readonly setupRequest: (request: Request) => Request }[]
  readonly setupClient: (client: Client) => void
}) => Promise<unknown>
// The checked door: its documentation says so.
const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon

export type Asking = {
  readonly port: number
  readonly questions: readonly Question[]
  readonly seconds: number
  readonly connections: number
}
export type Answered = {
  readonly p50: number
  readonly p99: number
  readonly rate: number
  readonly count: number
  readonly failed: number
}

process.once('message', (asking: Asking) => {
  void ask(asking).then((answered) => process.send?.(answered, () => process.exit()))
})

async function ask({ port, questions, seconds, connections }: Asking): Promise<Answered> {
  const authorization = `Basic ${Buffer.from(`${API_USER}:${API_KEY}`).toString('base64')}`
  const times: number[] = []
  let failed = 0
  let next = 0
  const began = performance.now()
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
  const taken = (performance.now() - began) / 1_000
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return { p50: at(0.5), p99: at(0.99), rate: times.length / taken, count: times.length, failed }
}
