/**
 * tracking-crash.test - the daemon is killed repeatedly under a load of clicks and unsubscribes: with tracking.durable, nothing that was answered is lost
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../support/daemon.ts'
import { registerTrackedMails, type TrackedMail } from '../support/tracked-mails.ts'

const MAILS = 3_000
const KILLS = 10
const CLIENTS = 40

type Request = { readonly kind: 'click' | 'unsubscribe'; readonly mail: TrackedMail }

/** Whether the daemon answered as it does after the commit. */
async function isAnswered(daemon: Daemon, { kind, mail }: Request): Promise<boolean> {
  const origin = `http://127.0.0.1:${daemon.httpPort}`
  try {
    if (kind === 'click') return (await fetch(origin + mail.clickPath, { redirect: 'manual' })).status === 302
    const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
    return (await fetch(origin + mail.unsubscribePath, { method: 'POST', body })).status === 200
  } catch {
    return false
  }
}

test(`${KILLS} kills while ${MAILS} mails are clicked and unsubscribed by ${CLIENTS} clients`, async () => {
  const data = makeTemporaryFolder()
  const options = { data, env: { BOUNCED_TRACKING_DURABLE: 'true' } }
  let daemon = await startDaemon(options)
  const mails = await registerTrackedMails(daemon, MAILS)
  const waiting: Request[] = mails.map((mail, n) => ({ kind: n % 3 === 0 ? 'unsubscribe' : 'click', mail }))
  const answered: Request[] = []
  for (let kills = 0; kills <= KILLS; kills++) {
    const until = kills === KILLS ? MAILS : Math.floor((MAILS * (kills + 1)) / (KILLS + 1))
    const failed: Request[] = []
    const serve = async (): Promise<void> => {
      for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
        const target = await isAnswered(daemon, request)
        ;(target ? answered : failed).push(request)
        if (!target) return
      }
    }
    const clients = Array.from({ length: CLIENTS }, serve)
    await expect.poll(() => answered.length, { interval: 2 }).toBeGreaterThanOrEqual(Math.min(until, MAILS))
    if (kills < KILLS) await daemon.kill()
    await Promise.all(clients)
    waiting.push(...failed)
    if (kills < KILLS) daemon = await startDaemon(options)
  }
  expect([waiting.length, answered.length]).toEqual([0, MAILS])
  expect(await daemon.stop()).toBe(0)
  const store = new DatabaseSync(join(data, 'bounced.db'), { readOnly: true })
  const recipientsOf = (sql: string): ReadonlySet<string> =>
    new Set(
      store
        .prepare(sql)
        .all()
        .map((row) => String(row['recipient'])),
    )
  const clicked = recipientsOf('select recipient from deliveries where clicks > 0')
  const unsubscribed = recipientsOf("select address as recipient from suppressions where list = 'unsubscribe' and removed_at is null")
  const lost = answered.filter(({ kind, mail }) => !(kind === 'click' ? clicked : unsubscribed).has(mail.recipient))
  store.close()
  expect(lost).toEqual([])
  expect([clicked.size, unsubscribed.size]).toEqual([(MAILS * 2) / 3, MAILS / 3])
})
