/**
 * shaping - the limits in force for a receiving site
 *
 * See also: queue/shaping/shaping-view, http/api/installation/shaping.
 */
import { siteOf } from '../../classify/provider.ts'
import { shapingRows } from '../../queue/shaping/shaping-view.ts'
import type { Context } from '../../service/context.ts'

type ShapingShown = { readonly site: string | null; readonly options: ReturnType<typeof shapingRows>; readonly sites: readonly string[] }

/** A null site shows none; a recipient domain stands for its site. */
export type ShowShaping = (site: string | null, egressIp: string | null) => ShapingShown

export function createShowShaping({ rules, shaping }: Context, settings: Parameters<typeof shapingRows>[1]['settings']): ShowShaping {
  return (name, egressIp) => {
    const table = shaping?.()
    if (name === null || table === undefined) return { site: null, options: [], sites: table?.sites ?? [] }
    const { site } = siteOf(rules(), { domain: name.toLowerCase() })
    return { site, options: shapingRows(table, { site, egressIp, settings }), sites: table.sites }
  }
}
