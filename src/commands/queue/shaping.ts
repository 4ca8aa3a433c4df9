/**
 * shaping - prints the limits of receiving sites that are in force, and why; imports a shaping file of KumoMTA
 *
 * See also: queue/shaping/shaping-view, queue/shaping/kumomta-import, http/api/shaping (the same by HTTP), docs/SHAPING.md.
 */
import type { Command } from 'commander'
import { isIP } from 'node:net'
import { siteOf } from '../../classify/provider.ts'
import { loadRules } from '../../config/rule-files.ts'
import { loadShaping } from '../../config/shaping-files.ts'
import { Fault } from '../../errors.ts'
import { createDnsLookup } from '../../net/dns.ts'
import { shapingRows } from '../../queue/shaping/shaping-view.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { formatColumns, printLines } from '../output.ts'

export const shapingCommand: DefineCommand = (command) => {
  command
    .command('show', { isDefault: true })
    .summary('print what is in force for a site, and from which file and line; without a site, the sites that the files name')
    .argument('[site]', 'a site as the queue shows it, or a recipient domain: google, gmail.com, "(mx1,mx2).example.net"')
    .option('--ip <address>', 'for one egress IP')
    .action((site: string | undefined, options: { ip?: string }, self: Command) =>
      show(self, site?.toLowerCase() ?? null, options.ip ?? null),
    )
  command
    .command('import')
    .summary('convert a traffic shaping file of KumoMTA, and list what has no counterpart')
    .argument('<file>', "KumoMTA's shaping.toml")
    .option('--out <file>', 'the shaping file to write; default: print it')
    .option('--rules-out <folder>', 'a folder for the rules that automations become')
    .action(async (file: string, options: { out?: string; rulesOut?: string }, self: Command) => {
      const { rules, dns } = loadConfigFor(self).settings
      const lookUp = createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 60_000, cacheSize: 1_000 })
      const { importShaping } = await import('./shaping-import.ts')
      await importShaping(loadRules({ own: rules.folder ?? null }), lookUp, {
        file,
        out: options.out ?? null,
        rulesOut: options.rulesOut ?? null,
      })
    })
}

function show(command: Command, name: string | null, egressIp: string | null): void {
  if (egressIp !== null && isIP(egressIp) === 0) throw new Fault('bad_request', '--ip takes an IP address')
  const { delivery, rules } = loadConfigFor(command).settings
  const table = loadShaping(delivery.shapingFile ?? null)
  if (name === null) return printLines(...table.sites)
  const { site } = siteOf(loadRules({ own: rules.folder ?? null }), { domain: name })
  const rows = shapingRows(table, { site, egressIp, settings: delivery })
  printLines(`site ${site}${egressIp === null ? '' : ` from ${egressIp}`}`)
  printLines(...formatColumns(rows.map(({ option, value, from }) => [option, value ?? 'no limit', from ?? '-'])))
  for (const note of new Set(rows.map((row) => row.note))) {
    const { sources = [] } = rows.find((row) => row.note === note && row.sources.length > 0) ?? {}
    if (note !== null) printLines(note, ...sources.map((source) => `  ${source}`))
  }
}
