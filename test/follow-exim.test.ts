/**
 * follow-exim.test - the log of a real Exim as outcomes, and the bounces that Exim writes itself
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { RETURN_PATH_DOMAIN, startDaemon, type Daemon } from './support/daemon.ts'
import { makeExim } from './support/exim.ts'
import { findFreePort } from './support/postfix.ts'
import { ownAddress, startRemoteSite } from './support/remote-site.ts'
import type { Row } from './support/json-rows.ts'
import { createRegisteredMails } from './support/registered-mails.ts'

const WAIT = { timeout: 60_000, interval: 100 }

const site = await startRemoteSite()
const smtpPort = await findFreePort()
const exim = makeExim(`${RETURN_PATH_DOMAIN} 127.0.0.1::${smtpPort} byname ; example.org ${ownAddress}::${site.port} byname`)
const problem =
  ownAddress === null
    ? 'this machine has no address but loopback'
    : exim === null
      ? 'Exim cannot be unpacked (apt-get download, as root)'
      : null

describe.skipIf(problem !== null)(`the log of Exim${problem === null ? '' : `: ${problem}`}`, () => {
  let daemon: Daemon
  beforeAll(async () => {
    const env = {
      BOUNCED_SMTP_PORT: String(smtpPort),
      BOUNCED_FOLLOW_LOGS: `exim:${exim?.logFile}`,
      BOUNCED_FOLLOW_HOST: 'mx.example.net',
      BOUNCED_LOG_LEVEL: 'warn',
    }
    daemon = await startDaemon({ env })
  }, 60_000)
  afterAll(async () => {
    await daemon?.stop()
    exim?.close()
    await site.close()
  })

  const { register, statusOf, kindsOf } = createRegisteredMails(() => daemon)

  const send = async (row: Row | undefined): Promise<void> =>
    exim?.send(
      String(row?.['returnPath']),
      [String(row?.['recipient'])],
      `From: news@example.com\nSubject: Hello\nMessage-ID: ${String(row?.['messageIdHeader'])}\n\nHello\n`,
    )

  test('delivered, refused, and deferred until it expired; the bounces of Exim itself move nothing', async () => {
    const rows = await register(['joe@example.org', 'no@example.org', 'full@example.org'])
    for (const row of rows) await send(row)
    const [joe, no, full] = rows
    const attempts = async (row: Row | undefined): Promise<number> => (await kindsOf(row)).filter((kind) => kind === 'attempt').length
    await vi.waitUntil(async () => {
      await exim?.flush()
      return (await attempts(full)) >= 2 && (await kindsOf(full)).includes('failed') && (await kindsOf(no)).includes('failed')
    }, WAIT)
    await vi.waitUntil(async () => (await attempts(no)) > 0 && (await attempts(joe)) > 0, WAIT)
    expect(await statusOf(joe)).toEqual([1, null, false, null])
    expect(await statusOf(no)).toEqual([4, 406, false, 'not-exist'])
    expect(await statusOf(full)).toEqual([5, 508, false, 'mailbox-full'])
  })
})
