/**
 * setup - prints what an installation needs outside of the program: DNS records, systemd units, the redirect of port 25, the settings file
 *
 * It changes nothing. The names are those of the options, else of the settings. On a terminal it asks for those that are missing.
 *
 * See also: commands/setup/installation (checks the names), commands/doctor (checks what is published), docs/PRODUCTION.md.
 */
import { realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { dkimRecord } from '../../mail-auth/dkim-sign.ts'
import { longReturnPathWarningOf, type Config } from '../../settings/load.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { printLines } from '../output.ts'
import { loadSenderAccount } from '../sender-account.ts'
import { PORT_25_WAYS, normaliseName, problemsOf, type Installation, type Port25Way, type SenderDomain } from './installation.ts'
import { commandLinesOf, nftablesLines, settingsLinesOf } from './machine-files.ts'
import { serviceUnitLinesOf, socketUnitLines } from './systemd-units.ts'
import { zoneLinesOf } from './zone.ts'

/** What `--print` names, in the order in which all of it is printed. */
const PARTS = {
  zone: { lines: zoneLinesOf, for: [...PORT_25_WAYS] },
  settings: { lines: settingsLinesOf, for: [...PORT_25_WAYS] },
  service: { lines: serviceUnitLinesOf, for: [...PORT_25_WAYS] },
  socket: { lines: socketUnitLines, for: ['socket'] },
  nftables: { lines: nftablesLines, for: ['nftables'] },
  command: { lines: commandLinesOf, for: [...PORT_25_WAYS] },
} as const satisfies Record<string, { readonly lines: (on: Installation) => readonly string[]; readonly for: readonly Port25Way[] }>

type Part = keyof typeof PARTS

const PART_NAMES = Object.keys(PARTS).join(', ')

type Options = {
  readonly returnPath?: string
  readonly feedback?: string
  readonly publicUrl?: string
  readonly host?: string
  readonly ip: readonly string[]
  readonly egressIp: readonly string[]
  readonly sender: readonly string[]
  readonly account?: string
  readonly tracking?: string
  readonly port25: string
  readonly settings: string
  readonly data: string
  readonly print?: string
}

const collectOption = (value: string, all: readonly string[]): readonly string[] => [...all, value]

export const setupCommand: DefineCommand = (command) => {
  command
    .option('--return-path <domain>', 'the domain of Return-Path addresses, such as b.example.com')
    .option('--feedback <domain>', 'the domain of feedback and unsubscribe addresses, such as fbl.example.com')
    .option('--public-url <url>', 'the URL of the API, the console and the links in mails, such as https://bounced.example.com')
    .option('--host <name>', 'the name of this machine in the MX records (default: smtp.name, else the host of the URL)')
    .option('--ip <address>', 'a public address of this machine (may be repeated)', collectOption, [])
    .option(
      '--egress-ip <address>',
      'an address that sends mail with this Return-Path (may be repeated; default: delivery.egressIps)',
      collectOption,
      [],
    )
    .option('--sender <domain>', 'a domain in From, for its DKIM and DMARC records (may be repeated)', collectOption, [])
    .option('--account <apiUser>', 'the account whose DKIM keys sign (default: the setting apiUser)')
    .option('--tracking <domain>', 'the host of links in mails, such as click.example.com')
    .option('--port25 <way>', `how port 25 reaches the daemon: ${PORT_25_WAYS.join(', ')}`, 'socket')
    .option('--settings <file>', 'where the settings file will be', '/etc/bounced/bounced.toml')
    .option('--data <folder>', 'where the data folder will be', '/var/lib/bounced')
    .option('--print <part>', `print one part: ${PART_NAMES} (default: all that are needed)`)
    .action(async (given: Options) => {
      const part = partOf(given.print)
      const config = loadConfigFor(command)
      const installation = await installationOf(command, config, await askForMissing(given, config))
      const problems = problemsOf(installation)
      if (problems.length > 0) throw new Fault('bad_request', problems.join('\n'))
      printLines(...(part === null ? allLinesOf(installation) : PARTS[part].lines(installation)))
      const warning = longReturnPathWarningOf(installation.returnPathDomain)
      if (warning !== null) console.error(`warning: ${warning}`)
    })
}

const isPart = (name: string): name is Part => Object.hasOwn(PARTS, name)

function partOf(name: string | undefined): Part | null {
  if (name === undefined) return null
  if (isPart(name)) return name
  throw new Fault('bad_request', `--print: "${name}" is not a part; the parts are ${PART_NAMES}`)
}

function allLinesOf(installation: Installation): readonly string[] {
  const needed = Object.entries(PARTS).filter(([, part]) => part.for.some((way) => way === installation.port25))
  return needed.flatMap(([name, part]) => [`######## bounced setup --print ${name} ########`, ...part.lines(installation), ''])
}

/** The names without which nothing can be printed, with the question for each. */
const QUESTIONS = [
  ['returnPath', 'Return-Path domain, such as b.example.com: '],
  ['feedback', 'Feedback domain, such as fbl.example.com: '],
  ['publicUrl', 'Public URL, such as https://bounced.example.com: '],
] as const

/** Adds the names of the settings, and on a terminal the answers of the person there. */
async function askForMissing(given: Options, { rows, settings }: Config): Promise<Options> {
  const isSet = (path: string): boolean => rows.some((row) => row.path === path && row.source !== 'default')
  const known: Options = {
    ...(isSet('returnPathDomain') ? { returnPath: settings.returnPathDomain } : {}),
    ...(isSet('feedbackDomain') ? { feedback: settings.feedbackDomain } : {}),
    ...(settings.publicUrl === undefined ? {} : { publicUrl: settings.publicUrl }),
    ...given,
  }
  const missing = QUESTIONS.filter(([option]) => known[option] === undefined)
  if (missing.length === 0 || !process.stdin.isTTY) return known
  // Questions go to standard error, because standard output may be a file.
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const typed: Partial<Record<(typeof QUESTIONS)[number][0], string>> = {}
  for (const [option, question] of missing) typed[option] = await terminal.question(question)
  terminal.close()
  return { ...known, ...typed }
}

function way25Of(text: string): Port25Way {
  const found = PORT_25_WAYS.find((way) => way === text)
  if (found === undefined) throw new Fault('bad_request', `--port25: "${text}" is not a way; the ways are ${PORT_25_WAYS.join(', ')}`)
  return found
}

async function installationOf(command: Command, { settings }: Config, options: Options): Promise<Installation> {
  const { publicUrl = '' } = options
  const { egressIps } = settings.delivery
  const tracking = options.tracking ?? settings.tracking.domain
  const urlHost = URL.canParse(publicUrl) ? new URL(publicUrl).hostname : ''
  return {
    returnPathDomain: normaliseName(options.returnPath ?? ''),
    feedbackDomain: normaliseName(options.feedback ?? ''),
    publicUrl: publicUrl.trim().replace(/\/+$/, ''),
    host: normaliseName(options.host ?? settings.smtp.name ?? urlHost),
    ips: options.ip,
    egressIps: options.egressIp.length > 0 ? options.egressIp : egressIps.map((each) => (typeof each === 'string' ? each : each.ip)),
    senders: await sendersOf(command, options),
    trackingDomain: tracking === undefined ? null : normaliseName(tracking),
    port25: way25Of(options.port25),
    settingsFile: resolve(options.settings),
    dataFolder: resolve(options.data),
    programFolder: join(import.meta.dirname, '..', '..', '..'),
    entryFile: realpathSync(process.argv[1] ?? ''),
    nodeFile: process.execPath,
  }
}

async function sendersOf(command: Command, { sender, account }: Options): Promise<readonly SenderDomain[]> {
  if (sender.length === 0) return []
  const domains = sender.map(normaliseName)
  const { keys } = await loadSenderAccount(command, { domains, named: account })
  return domains.map((domain) => ({
    domain,
    dkim: keys
      .filter((key) => key.state !== 'retired' && (domain === key.domain || domain.endsWith(`.${key.domain}`)))
      .map((key) => dkimRecord(key)),
  }))
}
