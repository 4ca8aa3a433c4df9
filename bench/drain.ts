/**
 * drain - delivery of queued mails to servers on loopback, and the cost of one with ten thousand, a hundred thousand or more in the queue
 *
 * The deliverer, the store, the renderer and the SMTP transport run in this process; the servers run in another. The mails are in the store before the start,
 * and their loading is measured by itself. CPU is that of all threads of this process. `--queued=1000000` sets the size of the second row.
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSmarthostRouter } from '../src/smtp-client/routing.ts'
import { createSmtpTransport } from '../src/smtp-client/smtp-transport.ts'
import { createVault } from '../src/config/vault.ts'
import { openEngine } from '../src/store/engine/open-engine.ts'
import { migrate } from '../src/store/engine/migrate.ts'
import { createDeliverer } from '../src/service/deliver/deliverer.ts'
import { createRenderer } from '../src/service/deliver/render.ts'
import { createSigningKeyCache } from '../src/service/deliver/signing-keys.ts'
import { createSubmit } from '../src/service/submit/submit.ts'
import { ACCOUNT_DEFAULT_TRACKING } from '../src/compose/x-smtpapi.ts'
import { makeTemporaryFolder } from '../test/support/daemon.ts'
import { delivererOptions } from '../test/support/delivery.ts'
import { makeContext, MASTER } from '../test/support/context.ts'
import type { Figure } from './figure.ts'
import { copyQueuedMails } from './queued.ts'

/** Measured mails of each row. */
const MEASURED_MAILS = 5_000

export async function drain(): Promise<readonly Figure[]> {
  const queuedOption = process.argv.find((word) => word.startsWith('--queued='))
  const sizes = [10_000, queuedOption === undefined ? 100_000 : Number(queuedOption.slice('--queued='.length))]
  const figures: Figure[] = []
  let first: number | null = null
  for (const size of sizes) {
    const result = await measureDrain(size)
    const beside =
      first === null ? {} : { beside: `that with ${(sizes[0] ?? 0).toLocaleString('en-US')}`, ratio: result.cpu / first, target: '<= 1.5' }
    const waiting = `${size.toLocaleString('en-US')} waiting`
    first ??= result.cpu
    figures.push(
      { figure: `loading, ${waiting}`, value: result.loadSeconds, unit: 's' },
      { figure: `memory of a waiting mail, ${waiting}`, value: result.bytes, unit: 'bytes' },
      { figure: `mails drained, ${waiting}`, value: result.rate, unit: 'mails/s' },
      { figure: `cost of a mail, ${waiting}`, value: result.cpu, unit: 'µs CPU', ...beside },
    )
  }
  return figures
}

/** `loadCpu`: µs for a mail when the deliverer starts. `bytes`: heap of a waiting mail. `cpu`: µs for a mail that is sent. */
type DrainResult = {
  readonly loadSeconds: number
  readonly loadCpu: number
  readonly bytes: number
  readonly rate: number
  readonly cpu: number
}

/** Drains some mails of a queue of that size. */
export async function measureDrain(size: number): Promise<DrainResult> {
  const folder = makeTemporaryFolder()
  const file = join(folder, 'bounced.db')
  const engine = await openEngine(`sqlite:${file}`)
  await migrate(engine, Date.now())
  const clock = {
    get now() {
      return Date.now()
    },
  }
  const context = await makeContext(engine, clock)
  await submitTemplate(context)
  copyQueuedMails(file, size)
  const sink = await startSink()
  const transport = createSmtpTransport({
    router: createSmarthostRouter({ host: '127.0.0.1', port: sink.port, login: null, tls: 'off', implicitTls: false }),
    addressesOf: () => Promise.resolve({ kind: 'none' }),
    ehloName: 'bench.example.org',
    allowPrivate: true,
  })
  let isHeld = true
  let sent = 0
  const blockedSends: (() => void)[] = []
  const heldTransport = {
    ...transport,
    send: async (mail: Parameters<typeof transport.send>[0]) => {
      if (isHeld) await new Promise<void>((resolve) => blockedSends.push(resolve))
      const outcome = await transport.send(mail)
      sent += 1
      return outcome
    },
  }
  const render = createRenderer(context, createSigningKeyCache(engine, createVault(MASTER)))
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const [startedAt, beforeLoading] = [performance.now(), process.cpuUsage()]
  const deliverer = createDeliverer(context, {
    ...delivererOptions(heldTransport),
    render,
    concurrencyLimit: 100,
    siteConcurrencyLimit: 20,
    pools: { '*': ['127.0.0.1'] },
  })
  deliverer.start()
  while (!deliverer.isDelivering()) await sleep(5)
  const loadSeconds = (performance.now() - startedAt) / 1_000
  const loading = process.cpuUsage(beforeLoading)
  const loadCpu = (loading.user + loading.system) / size
  collectGarbage()
  const bytes = (process.memoryUsage().heapUsed - before) / size
  isHeld = false
  for (const release of blockedSends.splice(0)) release()
  while (sent < 500) await sleep(2)
  const from = { at: performance.now(), cpu: process.cpuUsage(), sent }
  while (sent < from.sent + Math.min(MEASURED_MAILS, size / 2)) await sleep(2)
  const cpu = process.cpuUsage(from.cpu)
  const count = sent - from.sent
  const rate = count / ((performance.now() - from.at) / 1_000)
  await deliverer.close()
  await transport.close()
  await engine.close()
  sink.stop()
  rmSync(folder, { recursive: true })
  return { loadSeconds, loadCpu, bytes, rate, cpu: (cpu.user + cpu.system) / count }
}

/** As `--expose-gc` does, for a process that was started without. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

/** Submits one mail as a client does. Its delivery, its queue row and its body are then copied. */
async function submitTemplate(context: Parameters<typeof createSubmit>[0]): Promise<void> {
  const submit = createSubmit(context)
  await submit(
    { account: 1, apiUser: 'bench', ip: '127.0.0.1' },
    {
      body: {
        from: 'news@example.org',
        fromName: 'News',
        replyTo: [],
        to: null,
        cc: [],
        subject: 'This week',
        html: `<p>${'A paragraph of a newsletter, as long as they are. '.repeat(40)}</p>`,
        plain: null,
        headers: {},
        attachments: [],
        sections: {},
        raw: null,
        messageId: null,
        emailType: 'batch',
        tracking: ACCOUNT_DEFAULT_TRACKING,
      },
      originatorDomains: ['example.org'],
      recipients: [{ recipient: 'first@d0.example.net', variables: { '%name%': 'first' } }],
      label: null,
      userHeaders: {},
      requestId: null,
    },
  )
}

/** Starts a server that accepts everything, in a process of its own. */
async function startSink(): Promise<{ readonly port: number; readonly stop: () => void }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'sink.ts')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))))
  return { port, stop: () => child.kill() }
}
