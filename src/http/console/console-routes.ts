/**
 * console-routes - serves the console: `/console` with every path below it, its files, and `/` for browsers
 *
 * Everything is loaded with the first request, so that a daemon whose console nobody opens stays small. A file is compressed once for each
 * coding, when it is first asked for, and a browser keeps it for ever; the document is revalidated.
 *
 * RFC 9110 §8.8.3 (ETag), §12.5.3 (Accept-Encoding). See also: http/console/console-files, http/console/page-shell, console/README.md.
 */
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { HttpServer } from '../server/http-server.ts'
import type { ConsoleFile, ConsoleFiles } from './console-files.ts'
import { CONSOLE_ROOT, createPageShell } from './page-shell.ts'

/** In the order of preference. */
const CODINGS = {
  br: async (body: Buffer) => promisify(brotliCompress)(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }),
  gzip: async (body: Buffer) => promisify(gzip)(body, { level: 9 }),
} as const satisfies Record<string, (body: Buffer) => Promise<Buffer>>

type Coding = keyof typeof CODINGS

/** A URL with another version is of another release: it never changes. */
const IMMUTABLE = 'public, max-age=31536000, immutable'

const DOCUMENT_HEADERS = {
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
} as const

type LoadedConsole = {
  readonly files: ConsoleFiles
  readonly document: ConsoleFile
  readonly policy: string
  readonly compress: (key: string, file: ConsoleFile, coding: Coding) => Promise<Buffer>
}

/** Adds the routes. */
export function addConsoleRoutes(server: HttpServer): void {
  let loading: Promise<LoadedConsole> | null = null
  const load = async (): Promise<LoadedConsole> => {
    loading ??= loadConsole()
    try {
      return await loading
    } catch (error) {
      // A source that was being replaced may be whole at the next request.
      loading = null
      throw error
    }
  }
  const schema = { hide: true }
  const sendDocument = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { files, document, policy, compress } = await load()
    void reply.headers({ ...DOCUMENT_HEADERS, 'content-security-policy': policy, etag: `W/"${files.version}"` })
    if ((request.headers['if-none-match'] ?? '').includes(`"${files.version}"`)) return reply.code(304).send()
    return sendCompressed(request, reply, { key: '', file: document, compress })
  }
  server.get('/', { schema }, (request, reply) => {
    if (!(request.headers.accept ?? '').includes('text/html')) throw new Fault('not_found', 'no route matches this URL')
    return reply.redirect(`${CONSOLE_ROOT}/`)
  })
  server.get(CONSOLE_ROOT, { schema }, sendDocument)
  server.get(`${CONSOLE_ROOT}/*`, { schema }, sendDocument)
  server.get<{ Params: { '*': string } }>(`${CONSOLE_ROOT}/assets/*`, { schema }, async (request, reply) => {
    const { files, compress } = await load()
    const key = request.params['*']
    const file = key.startsWith(`${files.version}/`) ? files.files.get(key.slice(files.version.length + 1)) : undefined
    if (file === undefined) throw new Fault('not_found', 'no file of the console has this URL; reload the page')
    void reply.headers({ 'cache-control': IMMUTABLE, 'cross-origin-resource-policy': 'same-origin' })
    return sendCompressed(request, reply, { key, file, compress })
  })
}

async function loadConsole(): Promise<LoadedConsole> {
  const { loadConsoleFiles } = await import('./console-files.ts')
  const files = await loadConsoleFiles()
  const { html, policy } = createPageShell(files)
  const compressed = new Map<string, Promise<Buffer>>()
  const compress = (key: string, { body }: ConsoleFile, coding: Coding): Promise<Buffer> => {
    const known = compressed.get(`${coding} ${key}`) ?? CODINGS[coding](body)
    compressed.set(`${coding} ${key}`, known)
    return known
  }
  return { files, document: { type: 'text/html; charset=utf-8', body: Buffer.from(html) }, policy, compress }
}

type Sent = Pick<LoadedConsole, 'compress'> & { readonly key: string; readonly file: ConsoleFile }

async function sendCompressed(request: FastifyRequest, reply: FastifyReply, { key, file, compress }: Sent): Promise<FastifyReply> {
  const coding = chooseCoding(request.headers['accept-encoding'])
  void reply.header('vary', 'accept-encoding').type(file.type)
  if (coding === null) return reply.send(file.body)
  return reply.header('content-encoding', coding).send(await compress(key, file, coding))
}

/** The best coding that the header allows; null: none. */
function chooseCoding(header: string | string[] | undefined): Coding | null {
  const ranges = String(header ?? '')
    .toLowerCase()
    .split(',', 20)
    .map((part) => part.trim().split(/\s*;\s*/))
  const isAllowed = (coding: string): boolean =>
    ranges.some(([name, ...parameters]) => name === coding && !parameters.some((each) => /^q=0(\.0*)?$/.test(each)))
  return isAllowed('br') ? 'br' : isAllowed('gzip') ? 'gzip' : null
}
