/**
 * node - a child process with the report listener, the receiver and a store with delayed commits, for bench/intake
 *
 * `node bench/node.ts FOLDER COMMIT_DELAY_MS MAILS` registers the recipients, then sends the port and the return paths to its parent.
 */
import { join } from 'node:path'
import { createIncomingRouter } from '../src/smtp-server/incoming-router.ts'
import { startReportListener } from '../src/smtp-server/listener.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { migrate } from '../src/store/engine/migrate.ts'
import { createReceiver } from '../src/service/receive/receive.ts'
import { createRegister } from '../src/service/submit/register.ts'
import { makeContext, RETURN_PATH } from '../test/support/context.ts'
import { LIMITS } from '../test/support/smtp-listener.ts'

const [folder = '', delay = '0', mails = '0'] = process.argv.slice(2)
const AT_ONCE = 1_000
const MANY = 1_000_000
const unlimited = {
  connections: MANY,
  connectionsPerPeer: MANY,
  connectionsPerNetwork: MANY,
  connectionsPerAllocation: MANY,
  exemptPeers: [],
  stressPercent: 100,
  stressTimeoutMs: 300_000,
  mailsPerPeerMinute: MANY,
  mailsPerConnection: MANY,
  greetingDelayMs: 100,
  knownPeerMs: 3_600_000,
  commandsBetweenMails: MANY,
}

const engine = await openEngine(`sqlite:${join(folder, 'bounced.db')}`, { commitDelayMillis: Number(delay) })
await migrate(engine, Date.now())
const clock = {
  get now() {
    return Date.now()
  },
}
const shop = await makeContext(engine, clock)
const receiver = createReceiver(shop, {
  prover: async () => ({ dkim: [], hasArc: false, spf: null, arc: null }),
  dryRun: false,
  notifyReplays: false,
})
const register = createRegister(shop)
const known: { readonly recipient: string; readonly returnPath: string }[] = []
while (known.length < Number(mails)) {
  const from = known.length
  const { recipients } = await register(
    { account: 1, apiUser: 'bench', ip: '127.0.0.1' },
    {
      from: 'news@example.com',
      subject: 'Your order',
      recipients: Array.from({ length: AT_ONCE }, (_, n) => ({ recipient: `slow-${from + n}@example.org`, contactTypes: null })),
      label: null,
      broadcast: null,
      emailType: 'batch',
      headers: {},
    },
  )
  known.push(...recipients.map(({ recipient, returnPath }) => ({ recipient: recipient ?? '', returnPath })))
}
const listener = await startReportListener({
  host: '127.0.0.1',
  port: 0,
  hostname: RETURN_PATH,
  proxyPeers: [],
  trustedRelays: [],
  tls: null,
  limits: { ...LIMITS, ...unlimited },
  telemetry: shop.telemetry,
  now: Date.now,
  router: createIncomingRouter({ domains: { returnPath: [RETURN_PATH], feedback: [] }, reports: receiver, inbound: null }),
})
process.send?.({ port: listener.port, known })
process.once('disconnect', () => process.exit())
