/**
 * methods - finds the methods of a path, to tell 405 (method not allowed) from 404 (not found)
 *
 * RFC 9110 §15.5.6: a 405 response lists the allowed methods. See also: http/server/server.
 */
import type { HttpServer } from './http-server.ts'

type KnownPath = { readonly methods: Set<string>; readonly pattern: RegExp }

/** Records every route that is added from now on. The returned function gives the methods of a URL; empty if no route matches. */
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
