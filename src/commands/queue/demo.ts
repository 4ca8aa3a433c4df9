/**
 * demo - runs a daemon, the simulated providers as SMTP servers, and a campaign, all on loopback
 *
 * Everything is in a temporary folder, and nothing leaves the machine. The demo ends when the campaign has drained and the last reports had time to
 * arrive, after `--seconds`, or with Ctrl-C; always with a summary. It uses the public API alone.
 *
 * See also: simulator/smtp/provider-network, commands/queue/demo-campaign, docs/DEMO.md.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type App, startApp } from '../../daemon/app.ts'
import { loadConfig } from '../../settings/load.ts'
import { SHIPPED_PROVIDERS } from '../../config/provider-files.ts'
import { Fault } from '../../errors.ts'
import { createTelemetry } from '../../telemetry.ts'
import type { DefineCommand } from '../command.ts'
import { STORE_COMMANDS } from '../store-commands.ts'
import {
  splitIntoBatches,
  countListed,
  type ApiAccess,
  isDrained,
  type DemoLanes,
  readLanes,
  readMails,
  generateRecipients,
  submitMails,
} from './demo-campaign.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

type Options = { readonly mails: string; readonly speed: string; readonly seconds?: string; readonly submitSeconds: string }

export const demoCommand: DefineCommand = (command) => {
  command
    .option('--mails <n>', 'number of mails', '3000')
    .option('--speed <n>', 'how much faster than the clock the providers’ time runs', '120')
    .option('--seconds <n>', 'end after this time; default: when the queue has drained')
    .option('--submit-seconds <n>', 'seconds over which the campaign is submitted', '30')
    .action(async (options: Options) => run(options))
}

/** An egress IP is only a name here, which the simulated providers get. */
const EGRESS_IPS = '192.0.2.10,192.0.2.11'

/** In the providers' time. A demo is too short to wait for a full mailbox. */
const GIVE_UP_DAYS = '0.25'

/** After the last mail has ended, reports and complaints may still arrive. */
const LATE_REPORTS_MS = 10_000
const STATUS_INTERVAL_MS = 2_000

async function run(options: Options): Promise<void> {
  const mails = parsePositive(options.mails, 'mails', 100_000)
  const speed = parsePositive(options.speed, 'speed', 100_000)
  const seconds = options.seconds === undefined ? null : parsePositive(options.seconds, 'seconds', 86_400)
  const submitMs = parsePositive(options.submitSeconds, 'submit-seconds', 3_600) * 1_000
  const data = mkdtempSync(join(tmpdir(), 'bounced-demo-'))
  const api = { apiUser: 'demo', apiKey: randomBytes(24).toString('base64url') }
  let app: App | null = null
  const ending = new AbortController()
  const stop = (): void => ending.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const timer = seconds === null ? undefined : setTimeout(stop, seconds * 1_000)
  try {
    const providers = writeBusyProviders(data)
    const { settings } = loadConfig(demoVariables({ data, providers, speed, ...api }))
    app = await startApp(settings, await createTelemetry(settings.log), { commands: STORE_COMMANDS })
    const daemonApi: ApiAccess = { ...api, url: `http://127.0.0.1:${app.httpPort}` }
    printLines(...welcomeLines(daemonApi, { app, data, mails, speed }))
    await Promise.all([submitAll(daemonApi, { mails, submitMs, signal: ending.signal }), printProgress(daemonApi, ending.signal, submitMs)])
    printLines('', ...(await summaryLines(daemonApi)))
  } finally {
    clearTimeout(timer)
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    await app?.close()
    rmSync(data, { recursive: true, force: true })
  }
}

function parsePositive(text: string, name: string, maximum: number): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0 || value > maximum)
    throw new Fault('bad_request', `--${name} takes a number above 0 and up to ${maximum}`)
  return value
}

/** More reports than in reality, and earlier, because a demo is short. */
const INCREASED_RATES = { late: { times: 25, span: 'minutes = [1, 40]' }, complaints: { times: 5, span: 'hours = [0.1, 1]' } } as const

/** Writes a folder with the shipped providers at increased rates. */
function writeBusyProviders(data: string): string {
  const folder = join(data, 'providers')
  mkdirSync(folder)
  for (const name of readdirSync(SHIPPED_PROVIDERS).filter((each) => each.endsWith('.toml'))) {
    const text = readFileSync(join(SHIPPED_PROVIDERS, name), 'utf8')
    const changed = text.replaceAll(
      /^\[(late|complaints)\]\nshare = ([\d.]+)\n\w+ = \[.*\]$/gm,
      (_, what: keyof typeof INCREASED_RATES, share: string) => {
        const { times, span } = INCREASED_RATES[what]
        return `[${what}]\nshare = ${Math.min(0.05, Number(share) * times)}\n${span}`
      },
    )
    writeFileSync(join(folder, name), changed)
  }
  return folder
}

type DemoEnvironment = {
  readonly data: string
  readonly providers: string
  readonly speed: number
  readonly apiUser: string
  readonly apiKey: string
}

const demoVariables = ({ data, providers, speed, apiUser, apiKey }: DemoEnvironment): Readonly<Record<string, string>> => ({
  BOUNCED_DATA: data,
  BOUNCED_HOST: '127.0.0.1',
  BOUNCED_SMTP_PORT: '0',
  BOUNCED_HTTP_PORT: '0',
  BOUNCED_RETURN_PATH_DOMAIN: 'b.example.com',
  BOUNCED_FEEDBACK_DOMAIN: 'fbl.example.com',
  BOUNCED_API_USER: apiUser,
  BOUNCED_API_KEY: apiKey,
  BOUNCED_LOG_LEVEL: 'error',
  BOUNCED_DELIVERY_MODE: 'simulated',
  BOUNCED_DELIVERY_SIMULATED_SPEED: String(speed),
  BOUNCED_DELIVERY_SIMULATED_PROVIDERS: providers,
  BOUNCED_DELIVERY_EGRESS_IPS: EGRESS_IPS,
  BOUNCED_DELIVERY_GIVE_UP_DAYS: GIVE_UP_DAYS,
})

type WelcomeDetails = { readonly app: App; readonly data: string; readonly mails: number; readonly speed: number }

function welcomeLines({ url, apiUser, apiKey }: ApiAccess, { app, data, mails, speed }: WelcomeDetails): readonly string[] {
  const curl = `curl -s -u ${apiUser}:${apiKey}`
  return [
    `A daemon with simulated providers, on loopback: HTTP ${url}, SMTP 127.0.0.1:${app.smtpPort}, data ${data}`,
    `apiUser ${apiUser}   apiKey ${apiKey}`,
    `A campaign of ${mails} mails is submitted. An hour of the providers takes ${Math.round(36_000 / speed) / 10} s. Meanwhile, in another terminal:`,
    '',
    `  ${curl} '${url}/v1/queue'   # lanes: queued mails, pauses with their reason and end`,
    `  ${curl} '${url}/v1/messages?status=4'   # invalid addresses, with the evidence`,
    `  ${curl} '${url}/v1/messages?status=5'   # soft bounces`,
    `  ${curl} '${url}/v1/suppressions/bounce'   # the bounce list; also complaint, unsubscribe`,
    `  ${curl} -N '${url}/v1/events'   # live events: NDRs, complaints, pauses`,
    `  ${curl} '${url}/v1/inbox'   # reports that could not be matched or trusted`,
    `  ${curl} '${url}/api/data/emailStatus?apiUser=${apiUser}&apiKey=${apiKey}&days=1'   # the compatible API`,
    '',
    'Ctrl-C ends it.',
    '',
  ]
}

type SubmissionPlan = { readonly mails: number; readonly submitMs: number; readonly signal: AbortSignal }

async function submitAll(api: ApiAccess, { mails, submitMs, signal }: SubmissionPlan): Promise<void> {
  const batches = splitIntoBatches(generateRecipients(mails))
  for (const batch of batches) {
    if (signal.aborted) return
    await submitMails(api, batch)
    await sleepUnlessAborted(submitMs / batches.length, signal)
  }
}

const sleepUnlessAborted = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal }).catch(() => undefined)

/** Prints a line when the state changes, until the queue has drained. */
async function printProgress(api: ApiAccess, signal: AbortSignal, submitMs: number): Promise<void> {
  const startedAt = Date.now()
  let lastLine = ''
  for (;;) {
    await sleepUnlessAborted(STATUS_INTERVAL_MS, signal)
    if (signal.aborted) return
    const line = statusLine(await readLanes(api))
    if (line !== lastLine) printLines(`${String(Math.round((Date.now() - startedAt) / 1_000)).padStart(4)} s  ${line}`)
    lastLine = line
    if (Date.now() - startedAt > submitMs + STATUS_INTERVAL_MS && (await isDrained(api))) break
  }
  printLines('drained; waiting for the last reports')
  await sleepUnlessAborted(LATE_REPORTS_MS, signal)
}

function statusLine(lanes: DemoLanes): string {
  const sum = (of: (lane: DemoLanes[number]) => number): number => lanes.reduce((all, lane) => all + of(lane), 0)
  const heldLanes = lanes.filter((lane) => lane.waiting > 0 && lane.state !== 'active')
  const heldLabels = heldLanes.map(({ domain, state, reason, nextSendingAt }) => {
    const until = nextSendingAt === null ? '' : ` until ${nextSendingAt.slice(11, 19)}`
    return `${domain} ${state}${reason === null ? '' : ` (${reason})`}${until}`
  })
  const rate = Math.round(sum(({ rates }) => rates.out.last5s) * 10) / 10
  return toSingleLine(
    `queued ${sum((each) => each.waiting)}, in flight ${sum((each) => each.inFlight)}, out ${rate}/s${heldLabels.length === 0 ? '' : `; ${heldLabels.join(', ')}`}`,
    600,
  )
}

const COLUMNS = ['delivered', 'invalid', 'soft', 'sending', 'by report'] as const

/** The results by recipient domain. */
async function summaryLines(api: ApiAccess): Promise<readonly string[]> {
  const mails = await readMails(api)
  const rows = new Map<string, number[]>()
  for (const { recipient, status, asynchronousBounce } of mails) {
    const domain = recipient?.slice(recipient.lastIndexOf('@') + 1) ?? '-'
    for (const name of [domain, 'all']) {
      const row = rows.get(name) ?? [0, 0, 0, 0, 0]
      const at = [1, 4, 5, 18].indexOf(status)
      if (at >= 0) row[at] = (row[at] ?? 0) + 1
      if (asynchronousBounce) row[4] = (row[4] ?? 0) + 1
      rows.set(name, row)
    }
  }
  const [bounced, complained] = await Promise.all([countListed(api, 'bounce'), countListed(api, 'complaint')])
  const sorted = [...rows].toSorted(([a], [b]) => Number(a === 'all') - Number(b === 'all') || (a < b ? -1 : 1))
  return [
    ...formatColumns([['', ...COLUMNS], ...sorted.map(([name, row]) => [name, ...row.map(String)])]),
    '',
    `on the bounce list ${bounced}, on the complaint list ${complained}`,
  ]
}
