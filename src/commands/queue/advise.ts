/**
 * advise - prints the advice to an MTA that keeps its own queue, in the words of this MTA
 *
 * With `--output` a file is replaced as a whole and only if its text changes; with `--watch` again and again, also over restarts of the daemon. `--then` runs a command after
 * each change, such as a reload.
 *
 * See also: queue/advice/formats, service/advise/advice-api, docs/ADVICE.md.
 */
import { execFile } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandOutput } from '../../daemon/store-command.ts'
import { Fault, isRetryable } from '../../errors.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { ADVICE_FORMATS, type AdviceFormatName } from '../../queue/advice/formats.ts'
import { createAdviceApi } from '../../service/advise/advice-api.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { withCommandRunner } from '../command-runner.ts'
import { printLines } from '../output.ts'

// Checked cast: the keys of the table.
const FORMAT_NAMES = Object.keys(ADVICE_FORMATS) as [AdviceFormatName, ...AdviceFormatName[]]

const inputSchema = z.object({
  format: z.enum(FORMAT_NAMES),
  account: z.string().optional(),
  sources: z.array(z.tuple([z.string(), z.string()])),
})

type Input = z.output<typeof inputSchema>

const adviseCommandOnStore = defineStoreCommand('advise', inputSchema, async ({ context }, { format, account, sources }, output) => {
  const number = account === undefined ? null : await requireAccount(context.engine.read, account)
  const { items } = await createAdviceApi(context).list({ account: number, since: 0 })
  const advice = items.map((item) => ({ ...item.advice, evidence: item.advice.evidence.map(withoutLocalParts) }))
  await output.printLines(...ADVICE_FORMATS[format].write({ advice, sources: new Map(sources), now: context.now() }))
})

const withoutLocalParts = <Reply extends { readonly text: string }>(reply: Reply): Reply => ({
  ...reply,
  text: redactLocalParts(reply.text),
})

export const ADVISE_COMMANDS = [adviseCommandOnStore] as const

type Options = {
  readonly format: AdviceFormatName
  readonly account?: string
  readonly source: readonly (readonly [string, string])[]
  readonly output?: string
  readonly watch?: true | string
  readonly then?: string
}

const DEFAULT_WATCH_SECONDS = 15

export const adviseCommand: DefineCommand = (command) => {
  const formats = FORMAT_NAMES.map((name) => `${name}: ${ADVICE_FORMATS[name].summary}`).join('\n')
  command
    .addOption(new Option('--format <format>', 'what to write').choices(FORMAT_NAMES).default('json'))
    .option('--account <apiUser>', 'only the advice to the MTA of this account')
    .option('--source <ip=name>', 'the name that the MTA has for an egress IP (repeatable)', addSource, [])
    .option('--output <file>', 'replace a file instead of printing; it is written only if its text changes')
    .option('--watch [seconds]', `again and again; every ${DEFAULT_WATCH_SECONDS} seconds unless another number is given`)
    .option('--then <command>', 'a shell command to run after the file has changed')
    .addHelpText('after', `\nFormats:\n${formats}`)
    .action((options: Options, self: Command) => advise(self, options))
}

/** Names are written into configurations and commands. */
const SOURCE_NAME = /^[\w.-]{1,100}$/

function addSource(text: string, sources: Options['source']): Options['source'] {
  const at = text.indexOf('=')
  const [ip, name] = [text.slice(0, at), text.slice(at + 1)]
  if (at < 0 || isIP(ip) === 0 || !SOURCE_NAME.test(name))
    throw new Fault('bad_request', `--source ${text}: give an IP address, "=" and a name of letters, digits, ".", "_" and "-"`)
  return [...sources, [ip, name]]
}

function watchSecondsOf({ watch, output, then }: Options): number | null {
  if ((watch !== undefined || then !== undefined) && output === undefined)
    throw new Fault('bad_request', '--watch and --then need --output FILE')
  if (watch === undefined) return null
  const seconds = watch === true ? DEFAULT_WATCH_SECONDS : Number(watch)
  if (!(seconds >= 1 && seconds <= 86_400)) throw new Fault('bad_request', '--watch: the seconds must be from 1 to 86400')
  return seconds
}

async function advise(self: Command, options: Options): Promise<void> {
  const watchSeconds = watchSecondsOf(options)
  const { format, account, source, output } = options
  const input: Input = { format, ...(account === undefined ? {} : { account }), sources: source.map(([ip, name]) => [ip, name]) }
  for (;;) {
    try {
      const lines = await readAdvice(self, input)
      if (output === undefined) printLines(...lines)
      else await replaceFile(output, lines, options.then ?? null)
    } catch (error) {
      if (watchSeconds === null || !isRetryable(error)) throw error
      console.error(`bounced: ${error instanceof Error ? error.message : 'the advice could not be read'}; it is read again`)
    }
    if (watchSeconds === null) return
    await sleep(watchSeconds * 1_000)
  }
}

async function readAdvice(self: Command, input: Input): Promise<readonly string[]> {
  const lines: string[] = []
  const output: CommandOutput = {
    printLines: (...more) => Promise.resolve(void lines.push(...more)),
    write: () => Promise.resolve(),
    setProgress: () => undefined,
    setExitStatus: () => undefined,
    signal: new AbortController().signal,
  }
  await withCommandRunner(self, (run) => run(adviseCommandOnStore, input, output))
  return lines
}

/** A reader of the file sees the old text or the new one. */
async function replaceFile(file: string, lines: readonly string[], then: string | null): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('')
  if (text === readIfPresent(file)) return
  const temporary = `${file}.${process.pid}.new`
  try {
    writeFileSync(temporary, text, { flush: true })
    renameSync(temporary, file)
  } catch (cause) {
    throw new Fault('bad_request', `${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (then === null) return
  try {
    await promisify(execFile)('/bin/sh', ['-c', then])
  } catch (cause) {
    console.error(`bounced: the command after a change failed: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

function readIfPresent(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}
