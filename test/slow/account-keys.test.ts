/**
 * account-keys.test - two nodes that deliver: what holds up a whole account on one of them holds it up on the other within two seconds
 *
 * Each node has the lane groups of some domains only, and sees only its own results. See also: service/deliver/key-persistence, docs/SCHEDULER.md.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import { API_KEY, API_USER, type Daemon, startDaemon } from '../support/daemon.ts'
import { engines } from '../support/engines.ts'
import { startMailbox } from '../support/mailbox.ts'

const servers = engines.filter(({ kind }) => kind === 'postgres')

const MAILS = 4_000
/** Connections of a node. */
const LINES = 4
/** What docs/SCHEDULER.md promises. */
const STALE_MS = 2_000

type Attempt = { readonly node: string; readonly at: number }

/** Starts two nodes, queues mail to many domains, of which `goneOf` unknown users in ten, and waits until both nodes send. */
async function startSending(url: string, goneOf: number) {
  const attempts: Attempt[] = []
  const mailbox = await startMailbox((to, _attempt, node) => {
    attempts.push({ node, at: Date.now() })
    return to.startsWith('gone') ? { code: 550, text: '5.1.1 user unknown' } : null
  }, 100)
  const start = (node: string): Promise<Daemon> =>
    startDaemon({
      env: {
        BOUNCED_DATABASE: url,
        BOUNCED_DELIVERY_NODE: node,
        BOUNCED_DELIVERY_EHLO: `${node}.example.com`,
        BOUNCED_DELIVERY_MODE: 'smarthost',
        BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${mailbox.port}`,
        BOUNCED_DELIVERY_TLS: 'off',
        BOUNCED_DELIVERY_LINES: String(LINES),
        BOUNCED_LIMITS_REQUESTS_PER_MINUTE: '100000',
      },
    })
  const nodes = [await start('node1'), await start('node2')]
  const engine = await openEngine(url)
  const countOf = async (sql: string): Promise<number> => Number((await engine.read.one(sql))?.['n'])
  await expect.poll(() => countOf('select count(distinct node) as n from queue_groups')).toBe(2)
  const recipients = Array.from({ length: MAILS }, (_, n) => `${n % 10 < goneOf ? 'gone' : 'user'}${n}@d${n % 40}.example.net`)
  const query = new URLSearchParams({ apiUser: API_USER, apiKey: API_KEY }).toString()
  for (let at = 0; at < MAILS; at += 100) {
    const to = recipients.slice(at, at + 100).join(';')
    const body = new URLSearchParams({ from: 'news@example.com', to, subject: 'x', plain: 'x', html: '<p>x</p>' })
    expect((await fetch(`http://127.0.0.1:${nodes[0]?.httpPort}/api/mail/send?${query}`, { method: 'POST', body })).status).toBe(200)
  }
  return {
    nodes,
    engine,
    attempts,
    countQueued: () => countOf('select count(*) as n from queue_mails'),
    close: async () => {
      await Promise.all(nodes.map((node) => node.kill()))
      await engine.close()
      await mailbox.close()
    },
  }
}

const nodesOf = (attempts: readonly Attempt[]): number => new Set(attempts.map(({ node }) => node)).size

describe.each(servers)('two nodes on $kind', ({ url }) => {
  test('a pause for bad addresses, which one node sees, ends the attempts of both', async () => {
    const bench = await startSending(await url({ empty: true }), 4)
    try {
      const pausedAt = async (): Promise<number> => {
        const rows = await bench.engine.read.all("select data from queue_keys where key = 'account|1' and name = 'list-quality'")
        const episode: unknown = JSON.parse(String(rows[0]?.['data'] ?? '{}'))
        return Reflect.get(Object(episode), 'state') === 'paused' ? Number(Reflect.get(Object(episode), 'since')) : 0
      }
      await expect.poll(pausedAt, { interval: 100 }).toBeGreaterThan(0)
      const at = await pausedAt()
      await sleep(2 * STALE_MS)
      expect(nodesOf(bench.attempts)).toBe(2)
      expect(await bench.countQueued()).toBeGreaterThan(0)
      expect(bench.attempts.filter((attempt) => attempt.at > at + STALE_MS)).toEqual([])
    } finally {
      await bench.close()
    }
  })

  test('a pause by an operator, given to one node, is done when neither begins an attempt any more', async () => {
    const bench = await startSending(await url({ empty: true }), 0)
    try {
      await expect.poll(() => nodesOf(bench.attempts)).toBe(2)
      const { body } = (await bench.nodes[1]?.api('POST', '/v1/queue/pause', {})) ?? { body: null }
      const id = String(Reflect.get(Object(body), 'id'))
      const stateOf = async (): Promise<unknown> =>
        Reflect.get(Object((await bench.nodes[1]?.api('GET', `/v1/queue/orders/${id}`))?.body), 'state')
      await expect.poll(stateOf, { interval: 20 }).toBe('done')
      const doneAt = Date.now()
      await sleep(STALE_MS)
      expect(await bench.countQueued()).toBeGreaterThan(0)
      // Attempts in flight go on.
      expect(bench.attempts.filter(({ at }) => at > doneAt).length).toBeLessThanOrEqual(2 * LINES)
    } finally {
      await bench.close()
    }
  })
})
