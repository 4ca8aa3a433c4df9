/**
 * methods - an address that is known by another method is told apart from one that is not known
 *
 * RFC 9110 §15.5.6: 405 names the methods that there are. See also: http/server/server (who asks).
 */
import type { HttpServer } from './http-server.ts'

type KnownPath = { readonly methods: Set<string>; readonly pattern: RegExp }

/** Gathers every route from now on; the answer gives the methods of an address, none where no route has it. */
export function collectMethods(server: HttpServer): (url: string) => readonly string[] {
  const pathsByUrl = new Map<string, KnownPath>()
  server.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const entry = pathsByUrl.get(url) ?? { methods: new Set<string>(), pattern: toPathPattern(url) }
    for (const each of [method].flat()) entry.methods.add(each)
    pathsByUrl.set(url, entry)
  })
  return (url) => {
    const path = url.replace(/[?#].*$/s, '').replace(/(?<=.)\/$/, '')
    return [...new Set([...pathsByUrl.values()].flatMap(({ pattern, methods }) => (pattern.test(path) ? [...methods] : [])))].toSorted()
  }
}

const toPathPattern = (url: string): RegExp =>
  new RegExp(`^${url.replaceAll(/[.+?^$(){}|[\]\\]/g, '\\$&').replaceAll(/:[^/]+/g, '[^/]+')}$`)
