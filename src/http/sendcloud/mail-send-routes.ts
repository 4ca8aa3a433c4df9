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
import type { HttpServer } from '../server/http-server.ts'
import { runSendCloudOperation, toErrorEnvelope, type SendCloudDependencies } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { MAX_ATTACHMENT_BYTES, collectSendParameters, createSendOperation } from './mail-send.ts'
import type { RequestParameters } from './parameters.ts'
import { readMultipartForm, type MultipartForm, type UploadedFile } from '../server/upload.ts'

/** Beside the attachments: text in both kinds, and what the form itself takes. */
const MAX_OTHER_BODY_BYTES = 8 * 1024 * 1024

/** The largest body of a request to send. */
export const MAX_SEND_BODY_BYTES = MAX_ATTACHMENT_BYTES + MAX_OTHER_BODY_BYTES

/** In this scope a form of several parts comes whole. */
export function keepFormsRaw(scope: HttpServer): void {
  scope.removeContentTypeParser('multipart/form-data')
  scope.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => done(null, body),
  )
}

/** The parameters and files of a request in such a scope. Faults: bad_request (the form is none). */
export async function readSendRequest(
  request: FastifyRequest,
): Promise<{ readonly bag: RequestParameters; readonly files: readonly UploadedFile[] }> {
  const { body, headers } = request
  const form: MultipartForm | null = Buffer.isBuffer(body) ? await readMultipartForm(body, headers['content-type'] ?? '') : null
  return { bag: collectSendParameters(request, form), files: form?.files ?? [] }
}

export function addMailSendRoutes(scope: HttpServer, dependencies: SendCloudDependencies, prefixes: readonly string[]): void {
  void scope.register(async (inner) => {
    const typedScope = inner.withTypeProvider<ZodTypeProvider>()
    keepFormsRaw(typedScope)
    typedScope.setErrorHandler((error, request, reply) =>
      reply.code(200).send(isTooLarge(error) && isForm(request.headers) ? createEnvelope(40819) : toErrorEnvelope(error)),
    )
    for (const prefix of prefixes) {
      typedScope.route({
        method: ['GET', 'POST'],
        url: `${prefix}/mail/send`,
        bodyLimit: MAX_SEND_BODY_BYTES,
        schema: { hide: true },
        handler: async (request) => {
          const { bag: parameters, files } = await readSendRequest(request)
          return runSendCloudOperation(dependencies, createSendOperation(files), request, parameters)
        },
      })
    }
  })
}

const isTooLarge = (error: unknown): boolean => error instanceof Error && 'statusCode' in error && error.statusCode === 413

const isForm = (headers: { readonly 'content-type'?: string | undefined }): boolean =>
  headers['content-type']?.startsWith('multipart/') === true
