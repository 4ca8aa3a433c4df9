/**
 * tracking-crash.test - the daemon is killed repeatedly under a load of opens, clicks and unsubscribes
 *
 * With `tracking.durable`, nothing that was answered is lost. Without it, what was counted as recorded is not lost, nor is any unsubscribe; a stop
 * by SIGTERM loses nothing at all.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { openEngine } from '../../src/store/engine/open-engine.ts'
import type { Engine } from '../../src/store/engine/engine.ts'
import { makeTemporaryFolder, startDaemon, type Daemon } from '../support/daemon.ts'
import { engines } from '../support/engines.ts'
import { registerTrackedMails, type TrackedMail } from '../support/tracked-mails.ts'

const MAILS = 1_500
const KILLS = 5
const CLIENTS = 40

const KINDS = ['open', 'click', 'unsubscribe'] as const
type Request = { readonly kind: (typeof KINDS)[number]; readonly mail: TrackedMail }

/** Whether the daemon answered as it does for a link that is valid. */
async function isAnswered({ httpPort }: Daemon, { kind, mail }: Request): Promise<boolean> {
  const origin = `http://127.0.0.1:${httpPort}`
  try {
    if (kind === 'open') return (await (await fetch(origin + mail.openPath)).bytes()).length === 43
    if (kind === 'click') return (await fetch(origin + mail.clickPath, { redirect: 'manual' })).status === 302
    const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' })
    return (await fetch(origin + mail.unsubscribePath, { method: 'POST', body })).status === 200
  } catch {
    return false
  }
}

/** Sends requests until enough of all are answered. Those without an answer go back. */
async function sendUntil(
  daemon: Daemon,
  waiting: Request[],
  { answered, count }: { readonly answered: Request[]; readonly count: number },
) {
  const failed: Request[] = []
  const serve = async (): Promise<void> => {
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      const isDone = await isAnswered(daemon, request)
      ;(isDone ? answered : failed).push(request)
      if (!isDone) return
    }
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, serve))
  await expect.poll(() => answered.length, { interval: 2 }).toBeGreaterThanOrEqual(count)
  return async (): Promise<void> => {
    await clients
    waiting.push(...failed)
  }
}

/** The opens and clicks that the daemon has counted as recorded. */
async function recordedCount({ adminPort }: Daemon): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return [...text.matchAll(/^bounced_engagement_total\{[^}]*\} (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
}

/** Kills a daemon under load again and again. Resolves to what was answered, and to what was recorded before each kill. */
async function crashUnderLoad(env: Readonly<Record<string, string>>) {
  const options = { data: makeTemporaryFolder(), env: { ...env, BOUNCED_LIMITS_REQUESTS_PER_MINUTE: '1000000' } }
  let daemon = await startDaemon(options)
  const mails = await registerTrackedMails(daemon, MAILS)
  const waiting = mails.map((mail, n): Request => ({ kind: KINDS[n % KINDS.length] ?? 'open', mail }))
  const answered: Request[] = []
  let recorded = 0
  for (let kills = 0; kills < KILLS; kills++) {
    const join = await sendUntil(daemon, waiting, { answered, count: Math.floor((MAILS * (kills + 1)) / (KILLS + 1)) })
    recorded += await recordedCount(daemon)
    await daemon.kill()
    await join()
    daemon = await startDaemon(options)
  }
  const join = await sendUntil(daemon, waiting, { answered, count: MAILS })
  await join()
  expect(await daemon.stop()).toBe(0)
  return { answered, recorded, data: options.data }
}

async function lostOf(engine: Engine, answered: readonly Request[]): Promise<Readonly<Record<Request['kind'], number>>> {
  const recipientsOf = async (sql: string): Promise<ReadonlySet<string>> =>
    new Set((await engine.read.all(sql)).map((row) => String(row['recipient'])))
  const stored = {
    open: await recipientsOf('select recipient from deliveries where opens > 0'),
    click: await recipientsOf('select recipient from deliveries where clicks > 0'),
    unsubscribe: await recipientsOf("select address as recipient from suppressions where list = 'unsubscribe' and removed_at is null"),
  }
  const lost = { open: 0, click: 0, unsubscribe: 0 }
  for (const { kind, mail } of answered) if (!stored[kind].has(mail.recipient)) lost[kind]++
  return lost
}

describe.each(engines)('$kind', ({ url }) => {
  const opened: Engine[] = []
  afterAll(() => Promise.all(opened.map((engine) => engine.close())))

  test.each([true, false])(`${KILLS} kills under ${CLIENTS} clients, durable: %s`, async (durable) => {
    const database = await url({ empty: true })
    const { answered, recorded } = await crashUnderLoad({ BOUNCED_TRACKING_DURABLE: String(durable), BOUNCED_DATABASE: database })
    expect(answered).toHaveLength(MAILS)
    const engine = await openEngine(database)
    opened.push(engine)
    const lost = await lostOf(engine, answered)
    expect(durable ? lost : { unsubscribe: lost.unsubscribe }).toEqual(durable ? { open: 0, click: 0, unsubscribe: 0 } : { unsubscribe: 0 })
    // What waited for its commit at the five kills, and nothing that was counted.
    const engagements = answered.filter(({ kind }) => kind !== 'unsubscribe').length
    expect(engagements - lost.open - lost.click).toBeGreaterThanOrEqual(recorded)
  })
})
