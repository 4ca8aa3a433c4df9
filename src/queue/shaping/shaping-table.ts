/**
 * shaping-table - the limits of every receiving site, from the shipped file and the operator's
 *
 * Each option has the value of the most specific table that names it: the site itself before the longest pattern of its hosts, a shorter one, and `[default]`; a table
 * of an egress IP before the others of its site. Of tables for the same sites the operator's wins.
 *
 * Pure. See also: queue/shaping/shaping-file (what a table may contain), queue/shaping/limits-in-force (what the queue makes of it).
 */
import type { BackoffPolicy } from '../backoff/policy.ts'
import type { ShapingFile, ShapingSection, SiteOptionName, SiteOptions } from './shaping-file.ts'

/** Where the value of an option comes from. */
type OptionOrigin = {
  readonly file: string
  readonly line: number
  readonly isOperators: boolean
  readonly sources: readonly string[]
  readonly note: string | null
}

type SiteShaping = {
  readonly options: SiteOptions
  readonly origins: Readonly<Partial<Record<SiteOptionName, OptionOrigin>>>
}

export type ShapingTable = {
  /** The options for a site; `egressIp` null: for every egress IP. The same value for the same arguments, until the cache is full. */
  readonly siteShaping: (site: string, egressIp: string | null) => SiteShaping
  /** The sites and patterns that the files name, in their order. */
  readonly sites: readonly string[]
  /** The longest delay and the longest lifetime that a file names; 0: none. */
  readonly longestRetryMinutes: number
  readonly longestGiveUpHours: number
}

/** The shaping that a queue uses. `speed` above 1: for simulated providers. `policies` are those of sites whose backoff classes a file changes. */
export type QueueShaping = { readonly table: ShapingTable; readonly speed: number; readonly policies: Map<string, BackoffPolicy> }

export const createQueueShaping = (table: ShapingTable, speed: number): QueueShaping => ({ table, speed, policies: new Map() })

type LayeredSection = ShapingSection & { readonly file: string; readonly isOperators: boolean }

/** More sites and egress IPs than are busy at once. */
const CACHE_SIZE = 20_000

/** The less, the earlier another table overrides it. */
const specificityOf = ({ site, egressIp }: ShapingSection): number =>
  (site === null ? 0 : site.startsWith('*.') ? site.length : 10_000) + (egressIp === null ? 0 : 0.5)

const isWildcardOf = (pattern: string, site: string): boolean =>
  pattern.startsWith('*.') && (site.endsWith(pattern.slice(1)) || site === pattern.slice(2))

const isForSite = (section: ShapingSection, site: string): boolean =>
  section.site === null || section.site === site || isWildcardOf(section.site, site)

/** Builds the table. `own` null: the operator has no file. */
export function buildShapingTable({ shipped, own }: { readonly shipped: ShapingFile; readonly own: ShapingFile | null }): ShapingTable {
  const layer = ({ file, sections }: ShapingFile, isOperators: boolean): LayeredSection[] =>
    sections.map((section) => ({ ...section, file, isOperators }))
  const sections = [...layer(shipped, false), ...(own === null ? [] : layer(own, true))].toSorted(
    (a, b) => specificityOf(a) - specificityOf(b),
  )
  const cache = new Map<string, SiteShaping>()
  return {
    siteShaping: (site, egressIp) => {
      const key = `${egressIp ?? ''} ${site}`
      const known = cache.get(key)
      if (known !== undefined) return known
      if (cache.size >= CACHE_SIZE) cache.clear()
      const shaping = mergeSections(
        sections.filter((each) => isForSite(each, site) && (each.egressIp === null || each.egressIp === egressIp)),
      )
      cache.set(key, shaping)
      return shaping
    },
    sites: [...new Set(sections.flatMap((section) => section.site ?? []))],
    longestRetryMinutes: Math.max(0, ...sections.flatMap(({ options }) => options.retry_minutes ?? [])),
    longestGiveUpHours: Math.max(0, ...sections.map(({ options }) => options.give_up_hours ?? 0)),
  }
}

function mergeSections(sections: readonly LayeredSection[]): SiteShaping {
  return sections.reduce<SiteShaping>(
    (merged, { options, lineOf, file, isOperators, sources, note }) => {
      const names = Object.keys(options)
      const origins = names.map((name) => [name, { file, line: lineOf(name), isOperators, sources, note }] as const)
      return { options: { ...merged.options, ...options }, origins: { ...merged.origins, ...Object.fromEntries(origins) } }
    },
    { options: {}, origins: {} },
  )
}
