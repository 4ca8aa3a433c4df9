/**
 * methods - an address that is known by another method is told apart from one that is not known
 *
 * RFC 9110 §15.5.6: 405 names the methods that there are. See also: http/server/server (who asks).
 */
import type { Web } from './server.ts'

type Known = { readonly methods: Set<string>; readonly fits: RegExp }

/** Gathers every route from now on; the answer gives the methods of an address, none where no route has it. */
export function gatherMethods(server: Web): (url: string) => readonly string[] {
  const known = new Map<string, Known>()
  server.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const entry = known.get(url) ?? { methods: new Set<string>(), fits: patternOf(url) }
    for (const each of [method].flat()) entry.methods.add(each)
    known.set(url, entry)
  })
  return (url) => {
    const path = url.replace(/[?#].*$/s, '').replace(/(?<=.)\/$/, '')
    return [...new Set([...known.values()].flatMap(({ fits, methods }) => (fits.test(path) ? [...methods] : [])))].toSorted()
  }
}

const patternOf = (url: string): RegExp => new RegExp(`^${url.replaceAll(/[.+?^$(){}|[\]\\]/g, '\\$&').replaceAll(/:[^/]+/g, '[^/]+')}$`)
