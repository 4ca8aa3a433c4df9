/**
 * console-routes.test - how the console is served: documents, files, codings, policies, and what is not served
 */
import { createHash } from 'node:crypto'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addConsoleRoutes } from '../../../src/http/console/console-routes.ts'
import { stripTypes } from '../../../src/http/console/type-stripper.ts'
import type { HttpServer } from '../../../src/http/server/http-server.ts'
import { createHttpServer } from '../../../src/http/server/server.ts'
import { createTelemetry } from '../../../src/telemetry.ts'

let server: HttpServer
let html: string
let policy: string
beforeAll(async () => {
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  server = await createHttpServer({ telemetry, bodyBytes: 1_000, trustProxy: false })
  addConsoleRoutes(server)
  const response = await get('/console')
  html = response.body
  policy = String(response.headers['content-security-policy'])
})
afterAll(() => server.close())

const get = (url: string, headers: Record<string, string> = {}) => server.inject({ method: 'GET', url, headers })

const assetsIn = (text: string): string[] => [...text.matchAll(/"(\/console\/assets\/[^"]+)"/g)].map(([, url = '']) => url)

describe('/', () => {
  const cases = [
    ['text/html,application/xhtml+xml,*/*;q=0.8', 302],
    ['application/json', 404],
    ['*/*', 404],
  ] as const
  test.each(cases)('answers Accept: %s with %i', async (accept, status) => {
    const response = await get('/', { accept })
    expect([response.statusCode, response.headers['location']]).toEqual([status, status === 302 ? '/console/' : undefined])
  })
})

describe('the document', () => {
  test.each(['/console/', '/console/messages', '/console/messages/abc?status=5', '/console/no-such-page'])(
    'is the same at %s',
    async (url) => expect((await get(url)).body).toBe(html),
  )

  test('allows only its own files, and the one inline script by its digest', () => {
    const inline = /<script type="importmap">(.*?)<\/script>/s.exec(html)?.[1] ?? ''
    const digest = createHash('sha256').update(inline).digest('base64')
    expect(policy).toContain(`script-src 'self' 'sha256-${digest}';`)
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toMatch(/unsafe|https?:|\*/)
    expect(html.match(/<script(?! type="importmap">| type="module" src=)/)).toBeNull()
  })

  test('is revalidated, and not sent again if it has not changed', async () => {
    const { headers } = await get('/console')
    expect(headers['cache-control']).toBe('no-cache')
    expect((await get('/console', { 'if-none-match': String(headers['etag']) })).statusCode).toBe(304)
  })
})

describe('a file', () => {
  test('every file that the document names exists, never changes, and is JavaScript, CSS or an image', async () => {
    const urls = assetsIn(html)
    expect(urls.length).toBeGreaterThan(5)
    for (const url of urls) {
      const { statusCode, headers } = await get(url)
      expect([url, statusCode, headers['cache-control']]).toEqual([url, 200, 'public, max-age=31536000, immutable'])
      expect(headers['content-type']).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/)
    }
  })

  const codings = [
    ['br, gzip', 'br'],
    ['gzip, deflate', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['', undefined],
  ] as const
  test.each(codings)('Accept-Encoding "%s" gets %s, and the same text', async (accepted, coding) => {
    const url = assetsIn(html).find((each) => each.endsWith('/main.ts')) ?? ''
    const plain = (await get(url)).body
    const { headers, rawPayload } = await get(url, { 'accept-encoding': accepted })
    expect(headers['content-encoding']).toBe(coding)
    expect(headers['vary']).toBe('accept-encoding')
    const decoded = coding === 'br' ? brotliDecompressSync(rawPayload) : coding === 'gzip' ? gunzipSync(rawPayload) : rawPayload
    expect(decoded.toString()).toBe(plain)
  })

  test('the first load takes at most 150 KB', async () => {
    const sizes = await Promise.all(
      ['/console', ...assetsIn(html)].map(async (url) => (await get(url, { 'accept-encoding': 'br' })).rawPayload),
    )
    expect(sizes.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(150_000)
  })

  const absent = [
    '/console/assets/',
    '/console/assets/old/main.ts',
    'VERSION/tsconfig.json',
    'VERSION/../../package.json',
    'VERSION/%2e%2e/package.json',
  ]
  test.each(absent)('%s is not served', async (path) => {
    const version = /assets\/([^/]+)\//.exec(html)?.[1] ?? ''
    const response = await get(path.replace('VERSION', `/console/assets/${version}`))
    expect(response.body).not.toContain('"name"')
    expect(response.headers['content-type']).not.toMatch(/javascript|css/)
  })
})

describe('stripTypes', () => {
  const strip = async (source: string, name = 'console/pages/a.ts'): Promise<string | undefined> =>
    (await stripTypes(new Map([[name, source]]))).get(name)

  test('erases types and keeps the lines', async () => {
    expect((await strip('type A = 1\nexport const a: A = 1\n'))?.split('\n')).toEqual([
      expect.stringMatching(/^\s*$/),
      expect.stringMatching(/^export const a\s+= 1$/),
      '',
    ])
  })

  const broken = ['const a: = 1', 'enum Colour { red }']
  test.each(broken)('names the file that holds %j', async (source) => {
    await expect(strip(source, 'console/pages/broken.ts')).rejects.toThrow(/^console\/pages\/broken\.ts: /)
  })

  test('the warning of Node does not leave its thread, and those of others do', async () => {
    const warnings: string[] = []
    const listen = (warning: Error): unknown => warnings.push(warning.message)
    process.on('warning', listen)
    await strip('const a: number = 1')
    process.emitWarning('a warning of somebody else')
    await expect.poll(() => warnings).toEqual(['a warning of somebody else'])
    process.off('warning', listen)
  })
})
