/**
 * drain.test - the daemon is killed repeatedly while it delivers 5,000 mails: every mail ends in exactly one status, and a mail that the
 * server accepted is sent again only if the daemon counted it as uncertain
 */
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../support/daemon.ts'
import { startMailbox } from '../support/mailbox.ts'

const MAILS = 5_000
const KILLS = 8
const SEED = 20_261_122

/** Park and Miller's generator: the same numbers for the same seed. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** A tenth of the recipients is unknown; a tenth is deferred once. */
const recipients = Array.from({ length: MAILS }, (_, n) => `${['gone', 'later'][n % 10] ?? 'user'}-${n}@d${n % 25}.example.net`)

async function submit(daemon: Daemon): Promise<void> {
  for (let at = 0; at < MAILS; at += 100) {
    const form = new URLSearchParams({
      from: 'news@example.com',
      to: recipients.slice(at, at + 100).join(';'),
      subject: 'Drain',
      plain: 'One of many.',
      html: '<p>One of many.</p>',
    })
    const credentials = new URLSearchParams({ apiUser: 'tester', apiKey: 'k'.repeat(40) })
    const response = await fetch(`http://127.0.0.1:${daemon.httpPort}/api/mail/send?${credentials.toString()}`, {
      method: 'POST',
      body: form,
    })
    const body: unknown = await response.json()
    expect({ status: response.status, result: Reflect.get(Object(body), 'result') }).toEqual({ status: 200, result: true })
  }
}

type Row = { readonly delivery_id: string; readonly recipient: string; readonly status: number; readonly message_id_header: string }

function rowsOf<T>(data: string, sql: string): readonly T[] {
  const store = new DatabaseSync(join(data, 'bounced.db'), { readOnly: true })
  try {
    return store.prepare(sql).all() as unknown as readonly T[]
  } finally {
    store.close()
  }
}

const countDispatched = (data: string): number =>
  rowsOf<{ n: number }>(data, 'select count(*) as n from queue_mails where dispatched_at is not null')[0]?.n ?? 0

async function readUncertain(daemon: Daemon): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${daemon.adminPort}/metrics`)
  return Number(/^bounced_queue_uncertain_total (\d+)/m.exec(await response.text())?.[1] ?? 0)
}

test(`${KILLS} kills while ${MAILS} mails drain`, async () => {
  const data = makeTemporaryFolder()
  const random = chance(SEED)
  const mailbox = await startMailbox((to, attempt) => {
    if (to.startsWith('gone')) return { code: 550, text: '5.1.1 user unknown' }
    return to.startsWith('later') && attempt === 1 ? { code: 452, text: '4.2.2 mailbox is over quota' } : null
  })
  const env = {
    BOUNCED_DELIVERY_MODE: 'smarthost',
    BOUNCED_DELIVERY_SMARTHOST: `smtp://127.0.0.1:${mailbox.port}`,
    BOUNCED_DELIVERY_TLS: 'off',
    BOUNCED_DELIVERY_RETRY_MINUTES: '0.02',
    BOUNCED_DELIVERY_POLICY: 'never',
    BOUNCED_LIMITS_REQUESTS_PER_MINUTE: '100000',
  }
  let daemon = await startDaemon({ data, env })
  await submit(daemon)
  let unknown = 0
  let reported = 0
  for (let kills = 0; kills < KILLS; kills++) {
    await new Promise((resolve) => setTimeout(resolve, 150 + random() * 400))
    await daemon.kill()
    unknown += countDispatched(data)
    daemon = await startDaemon({ data, env })
    // Uncertain messages are counted while the queue is loaded, which continues after the daemon is ready.
    await expect.poll(daemon.output).toContain('queued messages loaded')
    reported += await readUncertain(daemon)
  }
  const countWaiting = (): number => rowsOf<{ n: number }>(data, 'select count(*) as n from queue_mails')[0]?.n ?? 1
  await expect.poll(countWaiting, { timeout: 600_000, interval: 250 }).toBe(0)
  expect(await daemon.stop()).toBe(0)
  await mailbox.close()
  const rows = rowsOf<Row>(data, 'select delivery_id, recipient, status, message_id_header from deliveries')
  expect(rows).toHaveLength(MAILS)
  expect(rows.filter(({ recipient, status }) => status !== (recipient.startsWith('gone') ? 4 : 1))).toEqual([])
  const ends = rowsOf<{ n: number }>(
    data,
    `select count(*) as n from events where kind = 'attempt' and json_extract(data, '$.final') = 1 group by delivery_id`,
  )
  expect(ends).toHaveLength(MAILS)
  expect(ends.filter(({ n }) => n !== 1)).toEqual([])
  // Each delivered mail was accepted under its Message-ID, twice only where its outcome was unknown at a kill.
  const delivered = new Set(rows.filter(({ status }) => status === 1).map((row) => row.message_id_header))
  expect(new Set(mailbox.accepted.keys())).toEqual(delivered)
  const again = [...mailbox.accepted.values()].reduce((sum, n) => sum + n - 1, 0)
  expect(reported).toBe(unknown)
  expect(again).toBeLessThanOrEqual(unknown)
  expect(rowsOf(data, 'select * from queue_bodies')).toEqual([])
  console.log(`${unknown} mails had no recorded outcome at ${KILLS} kills; ${again} of them were accepted twice`)
})
