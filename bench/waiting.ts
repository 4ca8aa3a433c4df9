/**
 * waiting - CPU and memory of a queued message as the queue grows from ten thousand to a million
 *
 * Each message is queued, dispatched and settled while the others wait, in a thousand lanes with two egress IPs. Measures CPU time. Measures memory only with
 * `node --expose-gc`, because garbage that is not collected yet would be counted otherwise.
 */
import { applyAttemptResult } from '../src/queue/schedule/attempt-result.ts'
import { BACKOFF_POLICIES } from '../src/queue/backoff/policy.ts'
import { createQueue, nextDispatchBatch, enqueue, type Queue } from '../src/queue/queue.ts'
import type { Figure } from './figure.ts'

const SENT = 20_000
const AT = Date.UTC(2026, 2, 2)

function fill(queue: Queue, from: number, size: number): void {
  for (let n = from; n < from + size; n++) {
    const domain = `d${n % 1_000}.example`
    const to = { account: 1, domain, senderDomain: 'news.example.com', site: domain, gateway: false, mxSet: `mx.${domain}` }
    enqueue(queue, { ...to, id: `m${n}`, acceptedAt: AT, attempts: 0, dueAt: 0 }, AT)
  }
}

/** CPU microseconds for a message with that many queued, and bytes of memory for each (null: unknown). */
function measure(size: number): { readonly micros: number; readonly bytes: number | null } {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const queue = createQueue({
    policy: BACKOFF_POLICIES.default,
    seed: 1,
    pools: { '*': ['192.0.2.1', '192.0.2.2'] },
    connectionsPerSite: 20,
    maxInFlight: 100,
  })
  fill(queue, 0, size)
  globalThis.gc?.()
  const bytes = globalThis.gc === undefined ? null : (process.memoryUsage().heapUsed - before) / size
  const startedAt = process.cpuUsage()
  for (let sent = 0; sent < SENT;) {
    const { dispatches } = nextDispatchBatch(queue, AT + sent, 100)
    for (const { number } of dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, AT + sent)
    fill(queue, size + sent, dispatches.length)
    sent += dispatches.length
  }
  const { user, system } = process.cpuUsage(startedAt)
  return { micros: (user + system) / SENT, bytes }
}

/** The figures of this bench. */
export function measureWaiting(): readonly Figure[] {
  measure(10_000)
  const few = measure(10_000)
  const many = measure(1_000_000)
  const cost: Figure = {
    figure: 'cost of a mail in the queue with 1,000,000 waiting',
    value: many.micros,
    unit: 'µs',
    beside: 'that with 10,000',
    ratio: many.micros / few.micros,
    target: '<= 1.5',
  }
  return many.bytes === null ? [cost] : [cost, { figure: 'memory of a waiting mail', value: many.bytes, unit: 'bytes' }]
}
