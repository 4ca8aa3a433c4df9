/**
 * legacy-webapi - the vendor's first API: /webapi/mail.send.json, which old clients still call
 *
 *     {"message":"success","email_id_list":["…0$joe@example.com"]}   {"message":"error","errors":["authentication failed"]}
 *
 * The same operation under older names; ids are told only to who asks for them (`resp_email_id=true`). Templates and address lists are a
 * console's, and ours to refuse: in words, so that nobody takes a mail for sent that was not.
 *
 * See also: http/sendcloud/mail-send, http/sendcloud/queue-status (its other call), docs/SENDCLOUD.md.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { HttpServer } from '../server/http-server.ts'
import { runSendCloudOperation, isOverloaded } from './operation.ts'
import type { SendCloudDependencies } from './operation.ts'
import { RATE_LIMITED_ENVELOPE, type SendCloudEnvelope } from './envelope.ts'
import { createSendOperation } from './mail-send.ts'
import { readSendRequest, MAX_SEND_BODY_BYTES, keepFormsRaw } from './mail-send-routes.ts'
import type { RequestParameters } from './parameters.ts'

/** What the present API calls otherwise. */
const PARAMETER_ALIASES: Readonly<Record<string, string>> = {
  resp_email_id: 'respEmailId',
  label: 'labelId',
  send_request_id: 'sendRequestId',
}

const createErrorBody = (error: string): object => ({ message: 'error', errors: [error] })

/** Calls that need what only the vendor's console has. */
const UNSUPPORTED_CALLS = {
  'mail.send_template.json': 'templates are not kept here: send html by mail.send.json',
  'list.get.json': 'address lists are not kept here',
  'list.create.json': 'address lists are not kept here',
  'list.update.json': 'address lists are not kept here',
  'list.delete.json': 'address lists are not kept here',
  'list_member.get.json': 'address lists are not kept here',
  'list_member.add.json': 'address lists are not kept here',
  'list_member.update.json': 'address lists are not kept here',
  'list_member.delete.json': 'address lists are not kept here',
} as const

export function addLegacyWebApiRoutes(scope: HttpServer, dependencies: SendCloudDependencies): void {
  void scope.register(async (inner) => {
    const typedScope = inner.withTypeProvider<ZodTypeProvider>()
    keepFormsRaw(typedScope)
    typedScope.setErrorHandler((error, _request, reply) =>
      reply.code(200).send(createErrorBody(isOverloaded(error) ? RATE_LIMITED_ENVELOPE.message : 'the request cannot be read')),
    )
    const method = ['GET', 'POST']
    const schema = { hide: true }
    typedScope.route({
      method,
      url: '/webapi/mail.send.json',
      bodyLimit: MAX_SEND_BODY_BYTES,
      schema,
      handler: (request) => handleSend(dependencies, request),
    })
    for (const [name, message] of Object.entries(UNSUPPORTED_CALLS))
      typedScope.route({ method, url: `/webapi/${name}`, schema, handler: () => Promise.resolve(createErrorBody(message)) })
  })
}

async function handleSend(dependencies: SendCloudDependencies, request: FastifyRequest): Promise<object> {
  const { bag: parameters, files } = await readSendRequest(request)
  if (/^true$/i.test(parameters.get('use_maillist') ?? '')) return createErrorBody('address lists are not kept here')
  return toLegacyResponse(await runSendCloudOperation(dependencies, createSendOperation(files), request, renameParameters(parameters)))
}

function renameParameters(parameters: RequestParameters): RequestParameters {
  return new Map([['respEmailId', 'false'], ...[...parameters].map(([name, value]) => [PARAMETER_ALIASES[name] ?? name, value] as const)])
}

function toLegacyResponse(response: SendCloudEnvelope | typeof RATE_LIMITED_ENVELOPE): object {
  if (!('statusCode' in response)) return response
  if (!response.result) return createErrorBody(response.message)
  const ids: unknown = Reflect.get(response.info, 'emailIdList')
  return { message: 'success', ...(ids === undefined ? {} : { email_id_list: ids }) }
}
