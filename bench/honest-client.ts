/**
 * honest-client - what an honest sender of reports and a monitor notice while others attack
 *
 * Every 50 ms it connects, sends one report with a token of ours, and waits for the 250; every 100 ms it asks for `/readyz`. It never waits for one
 * before it begins the next, as many honest servers do. See also: bench/hostile.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sendLoad, type LoadMail } from '../test/support/smtp-load.ts'

/** The longest times since the figures were taken last, in milliseconds; `refused`: mails and requests without a success. */
type HonestFigures = { readonly mailMs: number; readonly readyMs: number; readonly refused: number }

export type HonestClient = {
  /** Waits for what is open, and starts counting anew. */
  readonly take: () => Promise<HonestFigures>
  readonly stop: () => void
}

const MAIL_INTERVAL_MS = 50
const READY_INTERVAL_MS = 100

/** Starts a client. `nextMail` gives a mail that the daemon has not seen. */
export function startHonestClient(
  { smtpPort, httpPort }: { readonly smtpPort: number; readonly httpPort: number },
  nextMail: () => LoadMail | null,
): HonestClient {
  let figures = { mailMs: 0, readyMs: 0, refused: 0 }
  const open = new Set<Promise<void>>()
  const track = (work: Promise<void>): void => {
    open.add(work)
    void work.finally(() => open.delete(work))
  }
  const timers = [setInterval(() => track(sendOne()), MAIL_INTERVAL_MS), setInterval(() => track(askReady()), READY_INTERVAL_MS)]
  return {
    take: async () => {
      // Two new rounds at least, so that an attack that has just ended shows in them too.
      await sleep(2 * READY_INTERVAL_MS)
      await Promise.race([Promise.all(open), sleep(10_000)])
      const taken = figures
      figures = { mailMs: 0, readyMs: 0, refused: 0 }
      return taken
    },
    stop: () => {
      for (const timer of timers) clearInterval(timer)
    },
  }

  async function sendOne(): Promise<void> {
    const startedAt = performance.now()
    const mails = [nextMail()]
    let code = 0
    const onReply = (_mail: LoadMail, reply: number): void => {
      code = reply
    }
    await sendLoad({ host: '127.0.0.1', port: smtpPort, connections: 1, mailsPerConnection: 1, next: () => mails.shift() ?? null, onReply })
    figures.mailMs = Math.max(figures.mailMs, performance.now() - startedAt)
    if (code !== 250) figures.refused += 1
  }

  async function askReady(): Promise<void> {
    const startedAt = performance.now()
    const status = await fetch(`http://127.0.0.1:${httpPort}/readyz`).then(
      (response) => response.status,
      () => 0,
    )
    figures.readyMs = Math.max(figures.readyMs, performance.now() - startedAt)
    if (status !== 200) figures.refused += 1
  }
}
