/**
 * mail-send-routes - mail/send under both prefixes, with a body that may hold attachments
 *
 * A scope of its own: here a form of several parts is read whole, within a limit that leaves room for the largest lawful attachments, and not
 * by the parser of the other routes, which takes no file.
 *
 * See also: http/sendcloud/mail-send, http/server/upload.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Web } from '../server/server.ts'
import { answer, envelopeOf, type VendorFace } from './operation.ts'
import { envelope } from './envelope.ts'
import { MAX_ATTACHMENTS, sendBag, sendMail } from './mail-send.ts'
import type { Bag } from './parameters.ts'
import { readForm, type Form, type UploadedFile } from '../server/upload.ts'

/** Beside the attachments: text in both kinds, and what the form itself takes. */
const MAX_REST = 8 * 1024 * 1024

/** The largest body of a request to send. */
export const SEND_BYTES = MAX_ATTACHMENTS + MAX_REST

/** In this scope a form of several parts comes whole. */
export function takeWholeForms(scope: Web): void {
  scope.removeContentTypeParser('multipart/form-data')
  scope.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => done(null, body),
  )
}

/** The parameters and files of a request in such a scope. Faults: bad_request (the form is none). */
export async function readSend(request: FastifyRequest): Promise<{ readonly bag: Bag; readonly files: readonly UploadedFile[] }> {
  const { body, headers } = request
  const form: Form | null = Buffer.isBuffer(body) ? await readForm(body, headers['content-type'] ?? '') : null
  return { bag: sendBag(request, form), files: form?.files ?? [] }
}

export function addMailSend(scope: Web, face: VendorFace, prefixes: readonly string[]): void {
  void scope.register(async (inner) => {
    const own = inner.withTypeProvider<ZodTypeProvider>()
    takeWholeForms(own)
    own.setErrorHandler((error, request, reply) =>
      reply.code(200).send(isTooLarge(error) && isForm(request.headers) ? envelope(40819) : envelopeOf(error)),
    )
    for (const prefix of prefixes) {
      own.route({
        method: ['GET', 'POST'],
        url: `${prefix}/mail/send`,
        bodyLimit: SEND_BYTES,
        schema: { hide: true },
        handler: async (request) => {
          const { bag, files } = await readSend(request)
          return answer(face, sendMail(files), request, bag)
        },
      })
    }
  })
}

const isTooLarge = (error: unknown): boolean => error instanceof Error && 'statusCode' in error && error.statusCode === 413

const isForm = (headers: { readonly 'content-type'?: string | undefined }): boolean =>
  headers['content-type']?.startsWith('multipart/') === true
