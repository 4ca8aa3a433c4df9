/**
 * lanes - what the delivery queue keeps for a recipient domain: while a mail waits, after it was delivered, and an hour later
 *
 * Each domain is a receiving site of its own with MX hosts of its own, the case that costs the most. The queue alone, on a clock of its own; heap after
 * garbage collection, divided by the domains. The figure of a waiting mail contains the mail.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BACKOFF_POLICIES } from '../src/queue/backoff/policy.ts'
import { createQueue, enqueue, nextDispatchBatch, type Queue } from '../src/queue/queue.ts'
import { applyAttemptResult } from '../src/queue/schedule/attempt-result.ts'
import type { Figure } from './figure.ts'

const DOMAINS = 20_000
const START = Date.UTC(2026, 2, 27)
const HOUR_MS = 3_600_000
/** The time that a hundred attempts take. */
const BATCH_MS = 700

export async function lanes(): Promise<readonly Figure[]> {
  setFlagsFromString('--expose-gc')
  // Checked cast: the flag defines it.
  const collect = runInNewContext('gc') as () => void
  const heap = (): number => {
    collect()
    return process.memoryUsage().heapUsed
  }
  const measure = (egressIps: readonly string[]): readonly Figure[] => {
    const queue = createQueue({
      policy: BACKOFF_POLICIES.default,
      seed: 1,
      pools: { '*': egressIps },
      maxInFlight: 100,
      connectionsPerSite: 20,
    })
    const before = heap()
    const figure = (name: string, target: string): Figure => ({
      figure: `memory of a lane, ${egressIps.length === 1 ? 'one egress IP' : `${egressIps.length} egress IPs`}: ${name}`,
      value: (heap() - before) / DOMAINS,
      unit: 'bytes',
      target,
    })
    for (let domain = 0; domain < DOMAINS; domain++) queueMail(queue, `customer-${domain}.example`)
    const waiting = figure('one mail waits', '<= 2500')
    deliverAll(queue)
    const delivered = figure('its mail was delivered', egressIps.length === 1 ? '<= 1500' : '<= 1600')
    nextDispatchBatch(queue, START + 2 * HOUR_MS, 1)
    return [waiting, delivered, figure('an hour without mail', '<= 100')]
  }
  return [...measure(['192.0.2.1']), ...measure(['192.0.2.1', '192.0.2.2'])]
}

function queueMail(queue: Queue, domain: string): void {
  enqueue(
    queue,
    {
      id: `mail-to-${domain}`,
      account: 1,
      domain,
      senderDomain: 'news.example.com',
      site: domain,
      gateway: false,
      mxSet: `mx1.${domain},mx2.${domain}`,
      acceptedAt: START,
      attempts: 0,
      dueAt: 0,
    },
    START,
  )
}

function deliverAll(queue: Queue): void {
  for (let now = START; ; now += BATCH_MS) {
    const { dispatches } = nextDispatchBatch(queue, now, 100)
    if (dispatches.length === 0) return
    for (const { number } of dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, now + BATCH_MS)
  }
}
