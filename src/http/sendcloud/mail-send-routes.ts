/**
 * mail-send-routes - mail/send under both prefixes, with a body that may contain attachments
 *
 * These routes have a scope of their own, because they parse multipart forms differently: with files, and with a body limit that fits the
 * largest allowed attachments. The form parser of the other routes rejects files.
 *
 * See also: http/sendcloud/mail-send, http/server/upload.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { HttpServer } from '../server/http-server.ts'
import { runSendCloudOperation, toErrorEnvelope, type SendCloudDependencies } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { MAX_ATTACHMENT_BYTES, collectSendParameters, createSendOperation, type SendNeeds } from './mail-send.ts'
import type { RequestParameters } from './parameters.ts'
import { readMultipartForm, type MultipartForm, type UploadedFile } from '../server/upload.ts'

/** Room for html, plain text and the encoding of the form, in addition to the attachments. */
const MAX_OTHER_BODY_BYTES = 8 * 1024 * 1024

/** The largest body of a mail/send request. */
export const MAX_SEND_BODY_BYTES = MAX_ATTACHMENT_BYTES + MAX_OTHER_BODY_BYTES

/** Makes the scope pass multipart forms as raw buffers. */
export function keepFormsRaw(scope: HttpServer): void {
  scope.removeContentTypeParser('multipart/form-data')
  scope.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => done(null, body),
  )
}

/** Reads the parameters and files of a request in a scope with raw forms. Faults: bad_request (an invalid form). */
export async function readSendRequest(
  request: FastifyRequest,
): Promise<{ readonly parameters: RequestParameters; readonly files: readonly UploadedFile[] }> {
  const { body, headers } = request
  const form: MultipartForm | null = Buffer.isBuffer(body) ? await readMultipartForm(body, headers['content-type'] ?? '') : null
  return { parameters: collectSendParameters(request, form), files: form?.files ?? [] }
}

export function addMailSendRoutes(scope: HttpServer, dependencies: SendCloudDependencies<SendNeeds>, prefixes: readonly string[]): void {
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
          const { parameters, files } = await readSendRequest(request)
          return runSendCloudOperation(dependencies, createSendOperation(files), request, parameters)
        },
      })
    }
  })
}

const isTooLarge = (error: unknown): boolean => error instanceof Error && 'statusCode' in error && error.statusCode === 413

const isForm = (headers: { readonly 'content-type'?: string | undefined }): boolean =>
  headers['content-type']?.startsWith('multipart/') === true
