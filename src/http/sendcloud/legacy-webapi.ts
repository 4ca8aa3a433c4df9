/**
 * legacy-webapi - SendCloud's first API, `/webapi/mail.send.json`, which old clients still use
 *
 *     {"message":"success","email_id_list":["…0$joe@example.com"]}   {"message":"error","errors":["authentication failed"]}
 *
 * Runs mail/send with the older parameter names. The response contains IDs only if the client asks for them (`resp_email_id=true`). Templates
 * and address lists are not supported: these calls return an explicit error, so that no client assumes that a message was sent.
 *
 * See also: http/sendcloud/mail-send, http/sendcloud/queue-status (the other legacy call), docs/SENDCLOUD.md.
 */
import type { FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { HttpServer } from '../server/http-server.ts'
import { runSendCloudOperation, isOverloaded } from './operation.ts'
import type { SendCloudDependencies } from './operation.ts'
import { RATE_LIMITED_ENVELOPE, type SendCloudEnvelope } from './envelope.ts'
import { createSendOperation, type SendNeeds } from './mail-send.ts'
import { readSendRequest, MAX_SEND_BODY_BYTES, keepFormsRaw } from './mail-send-routes.ts'
import type { RequestParameters } from './parameters.ts'

/** The old names of parameters, and their current names. */
const PARAMETER_ALIASES: Readonly<Record<string, string>> = {
  resp_email_id: 'respEmailId',
  label: 'labelId',
  send_request_id: 'sendRequestId',
}

const createErrorBody = (error: string): object => ({ message: 'error', errors: [error] })

/** Calls that need a feature of SendCloud's console. */
const UNSUPPORTED_CALLS = {
  'mail.send_template.json': 'templates are not supported: send html with mail.send.json',
  'list.get.json': 'address lists are not supported',
  'list.create.json': 'address lists are not supported',
  'list.update.json': 'address lists are not supported',
  'list.delete.json': 'address lists are not supported',
  'list_member.get.json': 'address lists are not supported',
  'list_member.add.json': 'address lists are not supported',
  'list_member.update.json': 'address lists are not supported',
  'list_member.delete.json': 'address lists are not supported',
} as const

export function addLegacyWebApiRoutes(scope: HttpServer, dependencies: SendCloudDependencies<SendNeeds>): void {
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

async function handleSend(dependencies: SendCloudDependencies<SendNeeds>, request: FastifyRequest): Promise<object> {
  const { parameters, files } = await readSendRequest(request)
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
