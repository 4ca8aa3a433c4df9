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
